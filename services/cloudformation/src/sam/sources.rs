//! Events that are queues and streams: each becomes an event source mapping, and a policy of AWS for the function's role.

use super::{
    copy, only,
    published::{self, Parts},
};
use crate::template::{Node, Resource, TemplateError};

/// A kind of event.
struct Kind {
    /// Its type.
    name: &'static str,
    /// The property that names the source.
    arn: &'static str,
    /// Properties that the mapping has, too.
    properties: &'static [&'static str],
    /// What its source needs of the role.
    // AWS: SAM attaches these.
    policy: &'static str,
}

const OF_STREAMS: &[&str] = &[
    "BatchSize",
    "BisectBatchOnFunctionError",
    "DestinationConfig",
    "Enabled",
    "FilterCriteria",
    "FunctionResponseTypes",
    "MaximumBatchingWindowInSeconds",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "ParallelizationFactor",
    "StartingPosition",
    "StartingPositionTimestamp",
    "TumblingWindowInSeconds",
];

// AWS: AWS SAM developer guide, "SQS", "Kinesis" and "DynamoDB" event sources.
const KINDS: [Kind; 3] = [
    Kind {
        name: "SQS",
        arn: "Queue",
        properties: &[
            "BatchSize",
            "Enabled",
            "FilterCriteria",
            "FunctionResponseTypes",
            "MaximumBatchingWindowInSeconds",
            "ScalingConfig",
        ],
        policy: "AWSLambdaSQSQueueExecutionRole",
    },
    Kind { name: "Kinesis", arn: "Stream", properties: OF_STREAMS, policy: "AWSLambdaKinesisExecutionRole" },
    Kind {
        name: "DynamoDB",
        arn: "Stream",
        properties: OF_STREAMS,
        policy: "AWSLambdaDynamoDBExecutionRole",
    },
];

fn kind(event: &Node) -> Option<&'static Kind> {
    let name = event.get("Type").and_then(Node::as_text)?;
    KINDS.iter().find(|kind| kind.name == name)
}

/// Is this event a queue or a stream?
pub(super) fn is_source(event: &Node) -> bool {
    kind(event).is_some()
}

/// Makes the mappings of a function's events.
pub(super) fn expand(source: &Resource, parts: &mut Parts) -> Result<(), TemplateError> {
    for entry in source.properties.get("Events").map_or(&[][..], Node::entries) {
        let Some(kind) = kind(&entry.node) else { continue };
        let (name, line) = (entry.key.as_str(), entry.node.line);
        let what = format!("event {name}");
        only(&entry.node, &["Type", "Properties"], &what)?;
        let empty = Node::map(line, []);
        let given = entry.node.get("Properties").unwrap_or(&empty);
        only(given, &[kind.properties, &[kind.arn]].concat(), &what)?;
        let arn = given
            .get(kind.arn)
            .cloned()
            .ok_or_else(|| TemplateError::at(line, format!("{what} needs {}, an ARN", kind.arn)))?;
        let target = parts.target(source, line);
        let mut properties = Node::map(line, [("EventSourceArn", arn), ("FunctionName", target)]);
        copy(given, &mut properties, kind.properties);
        if let Some(config) = given.get("DestinationConfig") {
            only(config, &["OnFailure"], &format!("DestinationConfig of {what}"))?;
            if let Some(node) = config.get("OnFailure") {
                let owner = format!("{}{name}", source.logical_id);
                let (arn, policy) = published::destination(&owner, "OnFailure", node)?;
                let to = Node::map(node.line, [("Destination", arn)]);
                properties.set("DestinationConfig", Node::map(config.line, [("OnFailure", to)]));
                parts.policies.push(policy);
            }
        }
        // AWS: the mapping is called as function and event together.
        parts.push(source, name, "AWS::Lambda::EventSourceMapping", properties);
        if !parts.managed.contains(&kind.policy) {
            parts.managed.push(kind.policy);
        }
    }
    Ok(())
}
