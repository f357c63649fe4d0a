//! The rules of services for the policies on their resources: how such a policy counts for an action, which documents may be
//! attached to a resource, and which one a new resource has. One module a service, each with the same answers ([`Rules`]).
//!
//! Services ask these before they store a document and when the gate asks them how a policy counts; the policy simulator and
//! the lint ask them of resources whether or not their service is here. Refuses to know how policies are evaluated (the
//! engine does), where they are stored and who exists.

mod document;
mod refusal;
pub mod secretsmanager;
pub mod sns;
pub mod sqs;

use std::fmt;

use casemate_names::Arn;
use casemate_policy::{Kind, Policy, ResourceRule};

pub use document::Document;
pub use refusal::Refusal;

/// The rules of one service.
pub trait Rules: fmt::Debug + Sync {
    /// The service's prefix in actions and ARNs.
    fn service(&self) -> &'static str;

    /// Whether this is the ARN of a single resource that can have a policy, as the service writes it.
    fn holds(&self, resource: &Arn) -> bool;

    /// How the policy counts for an action (`service:Name`, in any case).
    fn rule(&self, action: &str) -> ResourceRule;

    /// Operations that have no action of their own, each with the action that it is judged as.
    fn judged_as(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The policy that a new resource has; `None` where it has none.
    fn default_document(&self, resource: &Arn) -> Option<String> {
        let _ = resource;
        None
    }

    /// How the service refuses what is outside the grammar of policies.
    fn malformed(&self, why: String) -> Refusal;

    /// Refuses a document that is too long. `text` is the document as it came.
    fn size(&self, text: &str) -> Result<(), Refusal>;

    /// Refuses what the grammar admits and the service does not. Without a resource, of what is refused on every one.
    fn fits(&self, document: &Document, resource: Option<&Arn>) -> Result<(), Refusal>;

    /// Compiles a document that may be attached to `resource`.
    ///
    /// # Errors
    /// The service's own error for a document that may not.
    fn attach(&self, text: &str, resource: &Arn) -> Result<Policy, Refusal> {
        self.size(text)?;
        let policy =
            Policy::parse(text, Kind::Resource).map_err(|error| self.malformed(error.to_string()))?;
        let document =
            Document::read(text).ok_or_else(|| self.malformed("it has no statement".to_owned()))?;
        self.fits(&document, Some(resource))?;
        Ok(policy)
    }
}

static ALL: [&dyn Rules; 3] = [&secretsmanager::Secrets, &sns::Topics, &sqs::Queues];

/// The rules of a service, by its prefix.
pub fn of_service(prefix: &str) -> Option<&'static dyn Rules> {
    ALL.into_iter().find(|rules| rules.service().eq_ignore_ascii_case(prefix))
}

/// The rules of a single resource that can have a policy.
pub fn of_resource(resource: &Arn) -> Option<&'static dyn Rules> {
    of_service(resource.service()).filter(|rules| rules.holds(resource))
}

/// The action that policies are asked about for `action`: the same, unless it is an operation without an action of its own.
pub fn judged_as(action: &str) -> &str {
    let Some((prefix, _)) = action.split_once(':') else { return action };
    let Some(rules) = of_service(prefix) else { return action };
    let found = rules.judged_as().iter().find(|(operation, _)| operation.eq_ignore_ascii_case(action));
    found.map_or(action, |(_, judged)| judged)
}

/// Whether `action` is one of these, which are spelt without their prefix.
fn is_among(action: &str, service: &str, names: &[&str]) -> bool {
    action.split_once(':').is_some_and(|(prefix, name)| {
        prefix.eq_ignore_ascii_case(service) && names.iter().any(|known| known.eq_ignore_ascii_case(name))
    })
}

/// Whether a name has only letters, digits and `marks`, and at least one and at most `length_max` characters.
fn is_name(name: &str, marks: &str, length_max: usize) -> bool {
    (1..=length_max).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c))
}

/// Whether a queue or topic of this service can have this ARN: those that are first in, first out have an ending to their name.
fn is_named(resource: &Arn, service: &str, length_max: usize) -> bool {
    let name = resource.resource();
    resource.service() == service
        && resource.account_id().is_some()
        && name.len() <= length_max
        && is_name(name.strip_suffix(".fifo").unwrap_or(name), "-_", length_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(text: &str) -> Arn {
        Arn::parse(text).unwrap()
    }

    #[test]
    fn single_resources_are_told_from_patterns_and_from_their_neighbours() {
        for (text, service) in [
            ("arn:aws:sqs:us-east-1:123456789012:orders", "sqs"),
            ("arn:aws:sqs:us-east-1:123456789012:orders.fifo", "sqs"),
            ("arn:aws:sns:us-east-1:123456789012:news", "sns"),
            ("arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:app/db-a1B2c3", "secretsmanager"),
        ] {
            assert_eq!(of_resource(&arn(text)).map(Rules::service), Some(service), "{text}");
        }
        for text in [
            "arn:aws:sqs:us-east-1:123456789012:orders*",
            "arn:aws:sqs:us-east-1::orders",
            "arn:aws:sqs:us-east-1:123456789012:orders/x",
            "arn:aws:sns:us-east-1:123456789012:news:0a1b2c3d-0000-0000-0000-000000000000",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:db",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:-a1B2c3",
            "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-??????",
            "arn:aws:s3:::orders",
        ] {
            assert!(of_resource(&arn(text)).is_none(), "{text}");
        }
    }

    #[test]
    fn batches_are_judged_as_the_single_action() {
        assert_eq!(judged_as("sqs:SendMessageBatch"), "sqs:SendMessage");
        assert_eq!(judged_as("SNS:publishbatch"), "sns:Publish");
        for action in ["secretsmanager:BatchGetSecretValue", "sqs:SendMessage", "s3:PublishBatch", "x"] {
            assert_eq!(judged_as(action), action);
        }
    }
}
