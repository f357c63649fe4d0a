//! Calling functions: for integrations and for authorizers. Every call passes the kernel's gate, where the function's
//! resource policy (or the role given) decides.
//!
//! Refuses to know what a payload means.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use casemate_kernel::{As, Exchange, Fault, FaultKind};
use casemate_names::Arn;
use casemate_schema::Document;
use serde_json::Value;

use crate::resource;

/// A function to call, and as whom.
#[derive(Debug)]
pub(crate) struct Invocation<'a> {
    /// The integration's or authorizer's URI, with `${stageVariables.…}`.
    pub(crate) uri: &'a str,
    /// A role to call with; without one the function's resource policy must allow the gateway.
    pub(crate) credentials: Option<&'a str>,
    /// What the gateway calls for: `aws:SourceArn`.
    pub(crate) source: Arn,
    pub(crate) stage_variables: &'a BTreeMap<String, String>,
    pub(crate) timeout_ms: u64,
}

/// What a function returned.
#[derive(Debug)]
pub(crate) struct Invoked {
    pub(crate) payload: Bytes,
    /// The function failed; the payload says how.
    pub(crate) failed: bool,
}

/// Why nothing was returned.
#[derive(Debug)]
pub(crate) enum NotInvoked {
    /// The URI or role is none.
    Misconfigured(&'static str),
    /// The gateway may not call it.
    Denied(String),
    /// The payload is too large for a function.
    TooLarge,
    /// Another failure of the platform.
    Failed(String),
    /// No answer in time.
    TimedOut,
}

impl Invocation<'_> {
    /// Calls the function and waits for its answer.
    pub(crate) async fn run(&self, exchange: &Exchange, payload: &Value) -> Result<Invoked, NotInvoked> {
        let uri = with_stage_variables(self.uri, self.stage_variables);
        let function = uri.as_deref().and_then(resource::function_of);
        let function = function.ok_or(NotInvoked::Misconfigured("the URI names no function"))?;
        let speaker = match self.credentials {
            None => As::Service { source: self.source.clone() },
            Some(role) => As::Role {
                role: Arn::parse(role)
                    .map_err(|_| NotInvoked::Misconfigured("the credentials are no role"))?,
                session_name: SESSION_NAME.to_owned(),
                source: self.source.clone(),
            },
        };
        let payload = serde_json::to_vec(payload).map_err(|error| NotInvoked::Failed(error.to_string()))?;
        let input = Document::structure([
            ("FunctionName", function.as_str().into()),
            ("InvocationType", "RequestResponse".into()),
            ("Payload", Bytes::from(payload).into()),
        ]);
        let call = exchange.invoke("lambda", "Invoke", speaker, input);
        let answer = tokio::time::timeout(Duration::from_millis(self.timeout_ms), Box::pin(call)).await;
        let answer = answer.map_err(|_| NotInvoked::TimedOut)?.map_err(|fault| not_invoked(&fault))?;
        let payload = match answer.get("Payload") {
            Some(Document::Blob(payload)) => payload.clone(),
            Some(Document::String(payload)) => Bytes::from(payload.clone()),
            _ => Bytes::new(),
        };
        let failed = answer.get("FunctionError").is_some_and(|error| !error.is_null());
        Ok(Invoked { payload, failed })
    }
}

fn not_invoked(fault: &Fault) -> NotInvoked {
    match fault.kind() {
        FaultKind::Denied(_) => NotInvoked::Denied(fault.message().to_owned()),
        _ if fault.is("AccessDeniedException") => NotInvoked::Denied(fault.message().to_owned()),
        _ if fault.is("RequestTooLargeException") => NotInvoked::TooLarge,
        _ => NotInvoked::Failed(fault.message().to_owned()),
    }
}

/// Replaces `${stageVariables.name}`. `None`: a variable that the stage does not have.
pub(crate) fn with_stage_variables(uri: &str, variables: &BTreeMap<String, String>) -> Option<String> {
    let (mut out, mut rest) = (String::new(), uri);
    while let Some((before, after)) = rest.split_once("${stageVariables.") {
        let (name, after) = after.split_once('}')?;
        out.push_str(before);
        out.push_str(variables.get(name)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// AWS: name of the sessions in which API Gateway uses roles given to it.
const SESSION_NAME: &str = "BackplaneAssumeRoleSession";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_variables_are_replaced_and_missing_ones_are_an_error() {
        let variables = [("fn".to_owned(), "orders".to_owned())].into();
        assert_eq!(
            with_stage_variables("a:${stageVariables.fn}:b", &variables).as_deref(),
            Some("a:orders:b")
        );
        assert_eq!(with_stage_variables("a", &variables).as_deref(), Some("a"));
        assert_eq!(with_stage_variables("${stageVariables.none}", &variables), None);
        assert_eq!(with_stage_variables("${stageVariables.fn", &variables), None);
    }
}
