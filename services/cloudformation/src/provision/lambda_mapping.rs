//! `AWS::Lambda::EventSourceMapping`.

use casemate_schema::Document;

use super::{
    Before, Job, Made, Provisioner, Work,
    gateway::text,
    kind::{Kind, To, property},
    lambda_function::retag,
};

pub(super) const KIND: Kind = Kind {
    name: "AWS::Lambda::EventSourceMapping",
    maker: ("lambda", "CreateEventSourceMapping"),
    properties: &[
        property("AmazonManagedKafkaEventSourceConfig"),
        property("BatchSize"),
        property("BisectBatchOnFunctionError"),
        property("DestinationConfig"),
        property("DocumentDBEventSourceConfig"),
        property("Enabled"),
        property("EventSourceArn").replaces(),
        property("FilterCriteria"),
        property("FunctionName").required(),
        property("FunctionResponseTypes"),
        property("MaximumBatchingWindowInSeconds"),
        property("MaximumRecordAgeInSeconds"),
        property("MaximumRetryAttempts"),
        property("ParallelizationFactor"),
        // DIVERGES: AWS changes queues and topics in place; the API has no such operation.
        property("Queues").replaces(),
        property("ScalingConfig"),
        property("SelfManagedEventSource").replaces(),
        property("SelfManagedKafkaEventSourceConfig").replaces(),
        property("SourceAccessConfigurations"),
        property("StartingPosition").replaces(),
        property("StartingPositionTimestamp").replaces(),
        property("Tags").to(To::TagMap("Tags")),
        property("Topics").replaces(),
        property("TumblingWindowInSeconds"),
    ],
    attributes: &["EventSourceMappingArn", "Id"],
    named_by: None,
    provisioner: &Mapping,
};

struct Mapping;

/// What a property that a template no longer has goes back to.
// AWS: the defaults of CreateEventSourceMapping.
fn default_of(property: &str, is_queue: bool) -> Option<Document> {
    Some(match property {
        "BatchSize" => Document::Integer(if is_queue { 10 } else { 100 }),
        "BisectBatchOnFunctionError" => Document::Bool(false),
        "DestinationConfig" => {
            let nowhere = Document::structure([("Destination", "".into())]);
            Document::structure([("OnFailure", nowhere)])
        }
        "Enabled" => Document::Bool(true),
        "FilterCriteria" | "ScalingConfig" => Document::structure([]),
        "FunctionResponseTypes" | "SourceAccessConfigurations" => Document::List(Vec::new()),
        "MaximumBatchingWindowInSeconds" | "TumblingWindowInSeconds" => Document::Integer(0),
        "MaximumRecordAgeInSeconds" | "MaximumRetryAttempts" => Document::Integer(-1),
        "ParallelizationFactor" => Document::Integer(1),
        _ => return None,
    })
}

impl Provisioner for Mapping {
    fn create<'a>(&'a self, job: &'a Job<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let answer = job.hand.call("lambda", "CreateEventSourceMapping", job.request()?).await?;
            let (id, arn) = (text(&answer, "UUID"), text(&answer, "EventSourceMappingArn"));
            Ok(Made::of(id.clone(), [("EventSourceMappingArn", arn), ("Id", id)]))
        })
    }

    fn update<'a>(&'a self, job: &'a Job<'a>, before: &'a Before<'a>) -> Work<'a, Made> {
        Box::pin(async move {
            let changed = job.kind.changed(before.properties, job.properties);
            if changed.iter().any(|property| property.name != "Tags") {
                let mut request = job.request_for("lambda", "UpdateEventSourceMapping")?;
                request.push("UUID", before.id.into());
                let is_queue = job.text("EventSourceArn").is_some_and(|arn| arn.contains(":sqs:"));
                let gone = changed.iter().filter(|property| job.properties.get(property.name).is_none());
                for property in gone {
                    match default_of(property.name, is_queue) {
                        Some(value) => request.push(property.name, value),
                        None if property.name == "Tags" => {}
                        None => {
                            let text = format!("{} cannot be taken away from a mapping", property.name);
                            return Err(text.as_str().into());
                        }
                    }
                }
                job.hand.call("lambda", "UpdateEventSourceMapping", request).await?;
            }
            if changed.iter().any(|property| property.name == "Tags") {
                retag(job, before, "EventSourceMappingArn").await?;
            }
            Ok(Made::unchanged(before))
        })
    }

    fn delete<'a>(&'a self, job: &'a Job<'a>, id: &'a str) -> Work<'a, ()> {
        Box::pin(async move {
            let input = Document::structure([("UUID", id.into())]);
            Ok(job.hand.remove("lambda", "DeleteEventSourceMapping", input).await?)
        })
    }
}
