//! Resource types: one file each, and the table of all. A provisioner makes, changes and deletes one resource through the
//! service that owns it, by the same calls a client would send; it knows no stack and no other type.

mod account;
mod authorizer;
mod aws_managed;
mod convert;
mod deployment;
mod gateway;
mod hand;
mod iam_access_key;
mod iam_group;
mod iam_holder;
mod iam_inline;
mod iam_instance_profile;
mod iam_managed_policy;
mod iam_oidc_provider;
mod iam_policy;
mod iam_role;
mod iam_saml_provider;
mod iam_server_certificate;
mod iam_service_linked_role;
mod iam_user;
mod iam_user_addition;
mod kind;
mod kms;
mod lambda_function;
mod lambda_layer;
mod lambda_mapping;
mod lambda_parts;
mod lambda_permission;
mod lambda_signing;
mod log_group;
mod method;
mod organizations;
mod rest_api;
mod stage;
mod table;
mod user_pool;
mod user_pool_client;
mod user_pool_group;

use std::{collections::BTreeMap, fmt};

use casemate_kernel::BoxFuture;

use crate::{
    intrinsic::Existing,
    template::{Node, TemplateError},
};

pub(crate) use hand::{CallError, Hand, Models, generated_prefix};
pub(crate) use kind::Kind;
pub(crate) use lambda_function::NAME_MAX as FUNCTION_NAME_MAX;

/// The policy that lets functions write logs.
pub(crate) const AWS_MANAGED_BASIC: &str = "AWSLambdaBasicExecutionRole";

/// The path and name of a policy that AWS manages and that is present here, by ARN or name.
pub(crate) fn policy_of_aws(arn_or_name: &str) -> Option<&'static str> {
    aws_managed::find(arn_or_name)
}

/// Every resource type there is.
pub(crate) const KINDS: &[&Kind] = &[
    &account::KIND,
    &authorizer::KIND,
    &deployment::KIND,
    &gateway::MODEL,
    &gateway::REQUEST_VALIDATOR,
    &gateway::RESOURCE,
    &gateway::RESPONSE,
    &iam_access_key::KIND,
    &iam_group::KIND,
    &iam_inline::OF_GROUP,
    &iam_inline::OF_ROLE,
    &iam_inline::OF_USER,
    &iam_instance_profile::KIND,
    &iam_managed_policy::KIND,
    &iam_oidc_provider::KIND,
    &iam_policy::KIND,
    &iam_role::KIND,
    &iam_saml_provider::KIND,
    &iam_server_certificate::KIND,
    &iam_service_linked_role::KIND,
    &iam_user::KIND,
    &iam_user_addition::KIND,
    &kms::ALIAS,
    &kms::KEY,
    &lambda_function::KIND,
    &lambda_layer::KIND,
    &lambda_mapping::KIND,
    &lambda_parts::ALIAS,
    &lambda_parts::EVENT_INVOKE_CONFIG,
    &lambda_parts::URL,
    &lambda_parts::VERSION,
    &lambda_permission::KIND,
    &lambda_signing::KIND,
    &log_group::KIND,
    &method::KIND,
    &organizations::ACCOUNT,
    &organizations::ORGANIZATION,
    &organizations::POLICY,
    &organizations::UNIT,
    &rest_api::KIND,
    &stage::KIND,
    &table::KIND,
    &user_pool::KIND,
    &user_pool_client::KIND,
    &user_pool_group::KIND,
];

/// The resource type called `name`.
pub(crate) fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|kind| kind.name == name)
}

/// Work on one resource.
pub(crate) type Work<'a, T> = BoxFuture<'a, Result<T, Failure>>;

/// Makes, changes and deletes resources of one type.
pub(crate) trait Provisioner: Sync {
    /// Checks what properties' shapes cannot say, before anything is made. Functions are not evaluated yet.
    fn check(&self, properties: &Node) -> Result<(), TemplateError> {
        let _ = properties;
        Ok(())
    }

    /// Makes it.
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made>;

    /// Changes it in place.
    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made>;

    /// Deletes it. That it is gone already is success.
    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()>;
}

/// One resource to work on.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    /// The way to other services.
    pub(crate) hand: &'a Hand<'a>,
    /// Its name in the template.
    pub(crate) logical_id: &'a str,
    /// Its type.
    pub(crate) kind: &'static Kind,
    /// Its properties, evaluated.
    pub(crate) properties: &'a Node,
}

/// What it was before a change.
#[derive(Debug)]
pub(crate) struct Before<'a> {
    /// Its physical id.
    pub(crate) id: &'a str,
    /// Its properties then.
    pub(crate) properties: &'a Node,
    /// What `Ref` and `Fn::GetAtt` answered.
    pub(crate) existing: &'a Existing,
}

/// A resource that was made or changed.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    /// Its physical id.
    pub(crate) id: String,
    /// What `Ref` and `Fn::GetAtt` answer.
    pub(crate) existing: Existing,
}

/// Work that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Why, for the stack's events.
    pub(crate) reason: String,
    /// The physical id of what was made before it failed, so that it can be deleted.
    pub(crate) made: Option<String>,
}

impl Made {
    /// Something whose `Ref` is its physical id.
    pub(crate) fn of<const N: usize>(id: impl Into<String>, attributes: [(&str, String); N]) -> Self {
        let id = id.into();
        let attributes: BTreeMap<String, String> =
            attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { existing: Existing { reference: id.clone(), attributes }, id }
    }

    /// The same as before.
    pub(crate) fn unchanged(before: &Before<'_>) -> Self {
        Self { id: before.id.to_owned(), existing: before.existing.clone() }
    }
}

impl Failure {
    /// It failed after `id` had been made.
    #[must_use]
    pub(crate) fn after(mut self, id: &str) -> Self {
        self.made = Some(id.to_owned());
        self
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self { reason: error.to_string(), made: None }
    }
}

impl From<TemplateError> for Failure {
    fn from(error: TemplateError) -> Self {
        Self { reason: error.to_string(), made: None }
    }
}

impl From<&str> for Failure {
    fn from(reason: &str) -> Self {
        Self { reason: reason.to_owned(), made: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_listed_once_and_name_what_names_them() {
        for kind in KINDS {
            assert_eq!(KINDS.iter().filter(|other| other.name == kind.name).count(), 1, "{}", kind.name);
            if let Some(property) = kind.named_by {
                assert!(kind.property(property).is_some(), "{}: {property}", kind.name);
            }
        }
        assert!(kind("AWS::EC2::Instance").is_none());
    }
}
