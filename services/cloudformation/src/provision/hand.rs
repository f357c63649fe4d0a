//! The way from a provisioner to other services: the stack's caller (or its service role) speaks, the same gate decides.

use std::{collections::HashMap, fmt, sync::OnceLock};

use casemate_kernel::{As, Env, Fault, Permit};
use casemate_names::{Scope, alphanumeric};
use casemate_schema::{Document, OpMeta, Protocol};

use super::Job;
use crate::template::{Node, TemplateError};

/// The operations of all services, by service and name.
#[derive(Debug, Default)]
pub(crate) struct Models {
    found: OnceLock<HashMap<(&'static str, &'static str), &'static OpMeta>>,
}

impl Models {
    /// The operation `name` of `service`; `None` when this installation has none such.
    pub(crate) fn operation(
        &self,
        env: &Env,
        service: &str,
        name: &str,
    ) -> Result<Option<&'static OpMeta>, Fault> {
        if self.found.get().is_none() {
            let operations = env.kernel()?.operations();
            let metas = operations.iter().map(|operation| operation.meta());
            let _ = self.found.set(metas.map(|meta| ((meta.service.prefix, meta.name), meta)).collect());
        }
        let found = self.found.get().and_then(|all| {
            all.iter().find(|((s, n), _)| *s == service && *n == name).map(|(_, meta)| *meta)
        });
        Ok(found)
    }
}

/// What a provisioner works with.
#[derive(Debug)]
pub(crate) struct Hand<'a> {
    /// The service's environment.
    pub(crate) env: &'a Env,
    /// All operations.
    pub(crate) models: &'a Models,
    /// The request that started the work.
    pub(crate) permit: &'a Permit,
    /// Whom calls speak for.
    pub(crate) speaker: As,
    /// Account and region of the stack.
    pub(crate) scope: &'a Scope,
    /// The stack's name.
    pub(crate) stack_name: &'a str,
}

/// A call that failed.
#[derive(Debug)]
pub(crate) struct CallError {
    service: &'static str,
    operation: &'static str,
    code: &'static str,
    message: String,
}

impl Hand<'_> {
    /// Calls another service.
    pub(crate) async fn call(
        &self,
        service: &'static str,
        operation: &'static str,
        input: Document,
    ) -> Result<Document, CallError> {
        let answer = self.permit.invoke(service, operation, self.speaker.clone(), input).await;
        answer.map_err(|fault| CallError {
            service,
            operation,
            code: fault.code(Protocol::RestJson, "ValidationException").0,
            message: fault.message().to_owned(),
        })
    }

    /// Calls another service to remove something. That it is not there is success.
    pub(crate) async fn remove(
        &self,
        service: &'static str,
        operation: &'static str,
        input: Document,
    ) -> Result<(), CallError> {
        match self.call(service, operation, input).await {
            Err(error) if !error.is_absence() => Err(error),
            _ => Ok(()),
        }
    }

    /// The input shape of an operation.
    pub(crate) fn operation(
        &self,
        service: &'static str,
        operation: &'static str,
    ) -> Result<&'static OpMeta, CallError> {
        let missing = |message: String| CallError { service, operation, code: "InternalFailure", message };
        let found = self.models.operation(self.env, service, operation);
        let found = found.map_err(|fault| missing(fault.message().to_owned()))?;
        found.ok_or_else(|| missing("this installation has no such operation".to_owned()))
    }
}

impl CallError {
    /// Is it the error of this code?
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code == code
    }

    /// Does it say that the thing is not there?
    pub(crate) fn is_absence(&self) -> bool {
        matches!(
            self.code,
            "NoSuchEntity"
                | "NoSuchEntityException"
                | "NotFoundException"
                | "ResourceNotFoundException"
                | "AWSOrganizationsNotInUseException"
                | "AccountNotFoundException"
                | "AccountAlreadyClosedException"
                | "OrganizationalUnitNotFoundException"
                | "PolicyNotAttachedException"
                | "PolicyNotFoundException"
                | "TargetNotFoundException"
        )
    }
}

impl Job<'_> {
    /// The maker's input: every property that goes there.
    pub(crate) fn request(&self) -> Result<Document, super::Failure> {
        let (service, operation) = self.kind.maker;
        self.request_for(service, operation)
    }

    /// The members of another operation's input that properties go to.
    pub(crate) fn request_for(
        &self,
        service: &'static str,
        operation: &'static str,
    ) -> Result<Document, super::Failure> {
        let meta = self.hand.operation(service, operation)?;
        Ok(self.kind.request(self.properties, meta.input)?)
    }

    /// A property's text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.properties.get(name).and_then(Node::scalar)
    }

    /// A property's text, which must be there.
    pub(crate) fn required(&self, name: &'static str) -> Result<String, TemplateError> {
        self.text(name).ok_or_else(|| {
            let text = format!("Property {name} of {} is required", self.kind.name);
            TemplateError::at(self.properties.line, text)
        })
    }

    /// The property that names the resource, or a name made from stack and logical id.
    pub(crate) fn name(&self, property: &str, length_max: usize) -> String {
        self.text(property).unwrap_or_else(|| {
            let random = alphanumeric(&*self.hand.env.entropy, "cloudformation.physical-id", RANDOM);
            let prefix = generated_prefix(self.hand.stack_name, self.logical_id, length_max);
            format!("{prefix}{random}")
        })
    }
}

/// Random characters at the end of a generated name. AWS: twelve.
const RANDOM: usize = 12;

/// What a generated name of at most `length_max` characters begins with.
// AWS: stack name, logical id and twelve random characters; both names are cut so that everything fits.
pub(crate) fn generated_prefix(stack_name: &str, logical_id: &str, length_max: usize) -> String {
    let room = length_max.saturating_sub(RANDOM + 2);
    let logical: String =
        logical_id.chars().take(room.saturating_sub(stack_name.len().min(room / 2))).collect();
    let stack: String = stack_name.chars().take(room.saturating_sub(logical.len())).collect();
    format!("{stack}-{logical}-")
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, operation, code, message } = self;
        write!(f, "{message} (Service: {service}, Operation: {operation}, Error Code: {code})")
    }
}

impl std::error::Error for CallError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_fit() {
        assert_eq!(generated_prefix("notes", "Table", 64), "notes-Table-");
        for (stack, logical) in [
            ("s", "l"),
            (&*"s".repeat(128), "l"),
            ("s", &*"l".repeat(200)),
            (&*"s".repeat(100), &*"l".repeat(100)),
        ] {
            let prefix = generated_prefix(stack, logical, 64);
            assert!(prefix.len() + RANDOM <= 64, "{prefix}");
            assert!(prefix.len() > 3);
        }
    }
}
