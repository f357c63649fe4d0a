//! Topic policies.
//!
//! They count by the ordinary rule for the actions that a topic policy may name; what it cannot name stays within the topic's
//! account, also where a `NotAction` covers it.

use casemate_names::Arn;
use casemate_policy::ResourceRule;
use serde_json::json;

use crate::{
    Refusal, Rules,
    document::{Document, Statement},
    is_among, is_named,
};

const SERVICE: &str = "sns";

// AWS: SNS Developer Guide, "Amazon SNS API permissions: Actions and resources reference", "Policy quotas" (30 kb, 100, 200, 1).
const BYTES_MAX: usize = 30 * 1024;
const STATEMENTS_MAX: usize = 100;
/// Of one statement.
const PRINCIPALS_MAX: usize = 200;
/// Of a topic's name, with `.fifo`.
const NAME_MAX: usize = 256;

/// What a topic policy can name, letter by letter: the service takes no wildcards.
// AWS: SNS Developer Guide, "Valid Amazon SNS policy actions". `Receive` is no action of the service any more, but older topics
// were made with a policy that names it.
const ACTIONS: [&str; 12] = [
    "AddPermission",
    "DeleteTopic",
    "GetDataProtectionPolicy",
    "GetTopicAttributes",
    "ListSubscriptionsByTopic",
    "ListTagsForResource",
    "Publish",
    "PutDataProtectionPolicy",
    "Receive",
    "RemovePermission",
    "SetTopicAttributes",
    "Subscribe",
];

/// The rules of topics.
#[derive(Debug, Clone, Copy)]
pub struct Topics;

impl Rules for Topics {
    fn service(&self) -> &'static str {
        SERVICE
    }

    fn holds(&self, resource: &Arn) -> bool {
        is_named(resource, SERVICE, NAME_MAX)
    }

    // DIVERGES: AWS does not say what NotAction in a topic policy gives other accounts of the actions that no topic policy may
    // name; here nothing.
    fn rule(&self, action: &str) -> ResourceRule {
        let own = action.split_once(':').is_some_and(|(prefix, _)| prefix.eq_ignore_ascii_case(SERVICE));
        if own && !is_among(action, SERVICE, &ACTIONS) {
            ResourceRule::OwnAccount
        } else {
            ResourceRule::Ordinary
        }
    }

    // AWS: SNS Developer Guide, "Valid Amazon SNS policy actions": Publish grants "both publish and publish batch".
    fn judged_as(&self) -> &'static [(&'static str, &'static str)] {
        &[("sns:PublishBatch", "sns:Publish")]
    }

    /// Lets AWS services of the owner's account use the topic: `AWS:SourceOwner` is a fact of their calls only.
    // AWS: the policy of a new topic, as GetTopicAttributes shows it.
    fn default_document(&self, resource: &Arn) -> Option<String> {
        let actions = [
            "GetTopicAttributes",
            "SetTopicAttributes",
            "AddPermission",
            "RemovePermission",
            "DeleteTopic",
            "Subscribe",
            "ListSubscriptionsByTopic",
            "Publish",
        ];
        let document = json!({
            "Version": "2008-10-17",
            "Id": "__default_policy_ID",
            "Statement": [{
                "Sid": "__default_statement_ID",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": actions.map(|action| format!("SNS:{action}")),
                "Resource": resource.as_str(),
                "Condition": {"StringEquals": {"AWS:SourceOwner": resource.account()}},
            }],
        });
        Some(document.to_string())
    }

    fn malformed(&self, why: String) -> Refusal {
        policy_error(why)
    }

    fn size(&self, text: &str) -> Result<(), Refusal> {
        if text.len() <= BYTES_MAX {
            return Ok(());
        }
        Err(policy_error(format!("it has {} bytes and may have {BYTES_MAX}", text.len())))
    }

    fn fits(&self, document: &Document, resource: Option<&Arn>) -> Result<(), Refusal> {
        let count = document.statements.len();
        if count > STATEMENTS_MAX {
            return Err(policy_error(format!("it has {count} statements and may have {STATEMENTS_MAX}")));
        }
        for statement in &document.statements {
            if count > 1 && !statement.has_sid {
                // AWS: text of the service. A single statement needs none.
                let text = "Invalid parameter: Every policy statement must have a unique ID.";
                return Err(Refusal::new(CODE, text, "the statement has no Sid").at(statement.at));
            }
            one(statement, resource).map_err(|refusal| refusal.at(statement.at))?;
        }
        Ok(())
    }
}

const CODE: &str = "InvalidParameter";

fn one(statement: &Statement, topic: Option<&Arn>) -> Result<(), Refusal> {
    if !(1..=PRINCIPALS_MAX).contains(&statement.principals) {
        let text =
            format!("a statement names 1 to {PRINCIPALS_MAX} principals, not {}", statement.principals);
        return Err(policy_error(text));
    }
    let mut actions = statement.actions.iter().flatten();
    if let Some(action) = actions.find(|action| !is_among(action, SERVICE, &ACTIONS)) {
        // AWS: text of the service, also for `sns:*`.
        let text = "Invalid parameter: Policy statement action out of service scope!";
        return Err(Refusal::new(CODE, text, format!("`{action}` is no action of a topic policy")));
    }
    // AWS: SNS Developer Guide, "Policy quotas": one resource, which must match the topic's ARN; text of the service.
    if statement.resources.len() > 1 {
        let text = "Invalid parameter: Policy statement must apply to a single resource!";
        return Err(Refusal::new(CODE, text, "the statement has several resources"));
    }
    // DIVERGES: AWS does not say what becomes of NotResource in a topic policy; it is refused.
    if statement.inverted {
        return Err(policy_error("a topic policy says Resource, not NotResource"));
    }
    match statement.foreign_resource(SERVICE, topic) {
        Some(element) => Err(policy_error(format!("`{element}` is not the topic that the policy is for"))),
        None => Ok(()),
    }
}

fn policy_error(why: impl Into<String>) -> Refusal {
    // AWS: text of the service for every policy that it cannot take.
    Refusal::new(CODE, "Invalid parameter: Policy Error: null", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_of_a_new_topic_may_be_attached_to_that_topic_only() {
        let topic = Arn::parse("arn:aws:sns:us-east-1:123456789012:news").unwrap();
        let other = Arn::parse("arn:aws:sns:us-east-1:123456789012:news2").unwrap();
        let document = Topics.default_document(&topic).unwrap();
        assert!(
            document.starts_with(r#"{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{"Sid""#)
        );
        assert!(document.ends_with(r#""Condition":{"StringEquals":{"AWS:SourceOwner":"123456789012"}}}]}"#));
        Topics.attach(&document, &topic).unwrap();
        assert_eq!(Topics.attach(&document, &other).unwrap_err().code, CODE);
    }
}
