//! Queue policies.
//!
//! They count by the ordinary rule, but for the actions that stay within the queue's account.

use casemate_names::Arn;
use casemate_policy::ResourceRule;

use crate::{
    Refusal, Rules,
    document::{Document, Statement},
    is_among, is_named,
};

const SERVICE: &str = "sqs";

// AWS: SQS Developer Guide, "Amazon SQS policy quotas".
const BYTES_MAX: usize = 8_192;
const STATEMENTS_MAX: usize = 20;
/// Of the whole policy.
const PRINCIPALS_MAX: usize = 50;
/// Of the whole policy.
const CONDITIONS_MAX: usize = 10;
const ACTIONS_PER_STATEMENT_MAX: usize = 7;
/// Of a queue's name, with `.fifo`.
const NAME_MAX: usize = 80;

/// What a queue policy can name. The batch operations have no actions of their own.
// AWS: Service Authorization Reference, Amazon SQS; SQS Developer Guide, "Using policies with Amazon SQS": ListQueues "can only
// be set in an IAM policy".
const ACTIONS: [&str; 19] = [
    "AddPermission",
    "CancelMessageMoveTask",
    "ChangeMessageVisibility",
    "CreateQueue",
    "DeleteMessage",
    "DeleteQueue",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "ListMessageMoveTasks",
    "ListQueueTags",
    "PurgeQueue",
    "ReceiveMessage",
    "RemovePermission",
    "SendMessage",
    "SetQueueAttributes",
    "StartMessageMoveTask",
    "TagQueue",
    "UntagQueue",
];

/// What no queue policy shares with another account.
// AWS: SQS Developer Guide, "Limitations of Amazon SQS custom policies", "Cross-account access"; SQS API reference, "Cross-account
// permissions don't apply to this action".
const OWN_ACCOUNT: [&str; 12] = [
    "AddPermission",
    "CancelMessageMoveTask",
    "CreateQueue",
    "DeleteQueue",
    "ListMessageMoveTasks",
    "ListQueueTags",
    "ListQueues",
    "RemovePermission",
    "SetQueueAttributes",
    "StartMessageMoveTask",
    "TagQueue",
    "UntagQueue",
];

/// The rules of queues.
#[derive(Debug, Clone, Copy)]
pub struct Queues;

impl Rules for Queues {
    fn service(&self) -> &'static str {
        SERVICE
    }

    fn holds(&self, resource: &Arn) -> bool {
        is_named(resource, SERVICE, NAME_MAX)
    }

    fn rule(&self, action: &str) -> ResourceRule {
        if is_among(action, SERVICE, &OWN_ACCOUNT) {
            ResourceRule::OwnAccount
        } else {
            ResourceRule::Ordinary
        }
    }

    // AWS: SQS API reference, AddPermission: who may send, delete or change the visibility of a message may do so in batches.
    fn judged_as(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("sqs:ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility"),
            ("sqs:DeleteMessageBatch", "sqs:DeleteMessage"),
            ("sqs:SendMessageBatch", "sqs:SendMessage"),
        ]
    }

    fn malformed(&self, why: String) -> Refusal {
        invalid(why)
    }

    fn size(&self, text: &str) -> Result<(), Refusal> {
        if text.len() <= BYTES_MAX {
            return Ok(());
        }
        Err(invalid(format!("it has {} bytes and may have {BYTES_MAX}", text.len())))
    }

    fn fits(&self, document: &Document, resource: Option<&Arn>) -> Result<(), Refusal> {
        for (what, count, max) in [
            ("statements", document.statements.len(), STATEMENTS_MAX),
            ("principals", document.principals(), PRINCIPALS_MAX),
            ("conditions", document.conditions(), CONDITIONS_MAX),
        ] {
            if count > max {
                // AWS: text of the service, seen for statements; the others are given its form.
                let text = format!("{count} {what} were found in the submitted policy, max allowed is {max}");
                return Err(Refusal::new("OverLimit", text, format!("too many {what}")));
            }
        }
        document.statements.iter().try_for_each(|statement| {
            of_actions(statement)
                .and_then(|()| of_resources(statement, resource))
                .map_err(|refusal| refusal.at(statement.at))
        })
    }
}

fn of_actions(statement: &Statement) -> Result<(), Refusal> {
    let count = statement.actions.len();
    if count > ACTIONS_PER_STATEMENT_MAX {
        // AWS: text of the service.
        let text = format!(
            "{count} actions were found in a statement from the submitted policy, max allowed is \
             {ACTIONS_PER_STATEMENT_MAX}"
        );
        return Err(Refusal::new("OverLimit", text, "too many actions"));
    }
    let Some(action) = statement.unnamed_action(SERVICE, &ACTIONS) else { return Ok(()) };
    let why = format!("`{action}` is no action of a queue policy");
    let own = action.split_once(':').is_some_and(|(prefix, _)| prefix.eq_ignore_ascii_case(SERVICE));
    if !own {
        return Err(invalid(why));
    }
    // AWS: text of the service.
    let text = format!(
        "Value {action} for parameter ActionName is invalid. Reason: Please refer to the appropriate WSDL for a list of valid \
         actions."
    );
    Err(Refusal::new("InvalidParameterValue", text, why))
}

// AWS: SQS Developer Guide, "Special information for SQS policies": each policy must cover only a single queue; the service
// takes one resource a statement.
// DIVERGES: AWS does not say what becomes of NotResource, and of patterns that do not mean the queue, in a queue policy; both are
// refused.
fn of_resources(statement: &Statement, queue: Option<&Arn>) -> Result<(), Refusal> {
    if statement.inverted {
        return Err(invalid("a queue policy says Resource, not NotResource"));
    }
    if statement.resources.len() > 1 {
        return Err(invalid("a statement of a queue policy has one resource"));
    }
    match statement.foreign_resource(SERVICE, queue) {
        Some(element) => Err(invalid(format!("`{element}` is not the queue that the policy is for"))),
        None => Ok(()),
    }
}

fn invalid(why: impl Into<String>) -> Refusal {
    // AWS: text of the service for every policy that it cannot take.
    Refusal::new("InvalidAttributeValue", "Invalid value for the parameter Policy.", why)
}
