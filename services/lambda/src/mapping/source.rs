//! Where a mapping's records come from: the kinds of event sources, and what names one. Knows nothing of batches.

use casemate_names::{Arn, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::api::{CreateEventSourceMappingInput, Error, EventSourcePosition, SelfManagedEventSource};

/// The only kind of endpoints of a self-managed source.
const BOOTSTRAP_SERVERS: &str = "KAFKA_BOOTSTRAP_SERVERS";

/// A kind of event source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Queue { fifo: bool },
    Kinesis,
    DynamoDb,
    Msk,
    Kafka,
    Broker,
    DocumentDb,
}

/// How the name of a queue ends that keeps order.
pub(crate) const FIFO: &str = ".fifo";

impl Kind {
    // AWS: the ARN forms of `EventSourceArn` in the API reference of CreateEventSourceMapping.
    fn of(arn: &Arn) -> Option<Self> {
        let resource = arn.resource();
        match arn.service() {
            "sqs" if !resource.is_empty() && !resource.contains(['/', ':']) => {
                Some(Self::Queue { fifo: resource.ends_with(FIFO) })
            }
            "kinesis" if resource.starts_with("stream/") => Some(Self::Kinesis),
            "dynamodb" if resource.starts_with("table/") && resource.contains("/stream/") => {
                Some(Self::DynamoDb)
            }
            "kafka" if resource.starts_with("cluster/") => Some(Self::Msk),
            "mq" if resource.starts_with("broker:") => Some(Self::Broker),
            "rds" if resource.starts_with("cluster:") => Some(Self::DocumentDb),
            _ => None,
        }
    }

    /// Shards that are read in order.
    pub(crate) const fn is_stream(self) -> bool {
        matches!(self, Self::Kinesis | Self::DynamoDb)
    }

    pub(crate) const fn is_kafka(self) -> bool {
        matches!(self, Self::Msk | Self::Kafka)
    }

    pub(crate) const fn is_queue(self) -> bool {
        matches!(self, Self::Queue { .. })
    }
}

/// An event source. Never changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// None for a self-managed one.
    pub(crate) arn: Option<Arn>,
    /// The servers of a self-managed one.
    pub(crate) servers: Vec<String>,
    pub(crate) topics: Vec<String>,
    pub(crate) queues: Vec<String>,
    pub(crate) starting_position: Option<String>,
    pub(crate) starting_at: Option<Timestamp>,
}

impl Source {
    /// Reads and checks what a request says. `region` is the function's.
    pub(crate) fn of(input: &CreateEventSourceMappingInput, region: &str) -> Result<Self, Error> {
        let servers = servers(input.self_managed_event_source.as_ref())?;
        let arn = match &input.event_source_arn {
            Some(text) => {
                Some(Arn::parse(text).ok().filter(|arn| Kind::of(arn).is_some()).ok_or_else(unknown)?)
            }
            None => None,
        };
        if arn.is_some() == servers.is_some() {
            return Err(unknown());
        }
        if arn.as_ref().is_some_and(|arn| arn.region() != region) {
            return Err(refused("the event source must be in the function's region"));
        }
        let source = Self {
            arn,
            servers: servers.unwrap_or_default(),
            topics: input.topics.clone().unwrap_or_default(),
            queues: input.queues.clone().unwrap_or_default(),
            starting_position: input.starting_position.map(|position| position.as_str().to_owned()),
            starting_at: input.starting_position_timestamp,
        };
        source.check_places()?;
        source.check_start(input.starting_position)?;
        Ok(source)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.arn.as_ref().and_then(Kind::of).unwrap_or(Kind::Kafka)
    }

    // AWS: "Topics: The name of the Kafka topic", "Queues: (MQ) The name of the Amazon MQ broker destination queue to
    // consume" (API reference). The texts are ours.
    fn check_places(&self) -> Result<(), Error> {
        let kind = self.kind();
        if kind.is_kafka() == self.topics.is_empty() {
            return Err(refused("Topics are needed for Kafka, and for no other event source"));
        }
        if (kind == Kind::Broker) == self.queues.is_empty() {
            return Err(refused("Queues are needed for Amazon MQ, and for no other event source"));
        }
        Ok(())
    }

    // AWS: "StartingPosition is required for Amazon Kinesis and Amazon DynamoDB Stream event sources. AT_TIMESTAMP is
    // supported only for Amazon Kinesis streams, Amazon DocumentDB, Amazon MSK, and self-managed Apache Kafka."
    fn check_start(&self, position: Option<EventSourcePosition>) -> Result<(), Error> {
        let kind = self.kind();
        let Some(position) = position else {
            if kind.is_stream() || kind.is_kafka() || kind == Kind::DocumentDb {
                // AWS: text as the service words it.
                return Err(refused(
                    "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: \
                     Member must not be null.",
                ));
            }
            return match self.starting_at {
                Some(_) => Err(refused("Timestamp only valid with StartingPosition AT_TIMESTAMP")),
                None => Ok(()),
            };
        };
        match kind {
            // AWS: text as the service words it.
            Kind::Queue { .. } => {
                return Err(refused("StartingPosition is not valid for SQS event sources."));
            }
            Kind::Broker => {
                return Err(refused("StartingPosition is not valid for Amazon MQ event sources."));
            }
            Kind::DynamoDb if position == EventSourcePosition::AtTimestamp => {
                let arn = self.arn.as_ref().map_or("", Arn::as_str);
                // AWS: text as the service words it.
                return Err(refused(&format!("Unsupported starting position for arn type: {arn}")));
            }
            _ => {}
        }
        match (position, self.starting_at) {
            (EventSourcePosition::AtTimestamp, None) => {
                Err(refused("StartingPositionTimestamp is needed with StartingPosition AT_TIMESTAMP"))
            }
            (EventSourcePosition::AtTimestamp, Some(_)) | (_, None) => Ok(()),
            // AWS: text as the service words it.
            (_, Some(_)) => Err(refused("Timestamp only valid with StartingPosition AT_TIMESTAMP")),
        }
    }

    /// Would records of one come from the other, too?
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let common = |a: &[String], b: &[String]| a.is_empty() || a.iter().any(|one| b.contains(one));
        self.arn == other.arn
            && common(&self.servers, &other.servers)
            && common(&self.topics, &other.topics)
            && common(&self.queues, &other.queues)
    }

    /// How a complaint about a second mapping begins.
    // AWS: text as the service words it.
    pub(crate) fn named_with(&self, function: &str, function_arn: &Arn) -> String {
        let arn = self.arn.as_ref().map_or("", Arn::as_str);
        match self.kind() {
            Kind::Queue { .. } => {
                format!("An event source mapping with SQS arn (\" {arn} \") and function (\" {function} \")")
            }
            Kind::Kafka => format!(
                "An event source mapping with event source (\"{}\"), function (\"{function_arn}\"), topics (\"{}\")",
                self.servers.join(","),
                self.topics.join(",")
            ),
            _ => {
                format!("The event source arn (\" {arn} \") and function (\" {function} \") provided mapping")
            }
        }
    }

    /// As the API shows a self-managed one.
    pub(crate) fn self_managed(&self) -> Option<SelfManagedEventSource> {
        if self.servers.is_empty() {
            return None;
        }
        let endpoints = BTreeMap::from([(BOOTSTRAP_SERVERS.to_owned(), self.servers.clone())]);
        Some(SelfManagedEventSource { endpoints: Some(endpoints) })
    }
}

fn servers(source: Option<&SelfManagedEventSource>) -> Result<Option<Vec<String>>, Error> {
    let Some(source) = source else { return Ok(None) };
    let servers = source.endpoints.as_ref().and_then(|endpoints| endpoints.get(BOOTSTRAP_SERVERS));
    let servers = servers.filter(|servers| !servers.is_empty()).ok_or_else(unknown)?;
    Ok(Some(servers.clone()))
}

// AWS: text as the service words it.
fn unknown() -> Error {
    refused("Unrecognized event source.")
}

pub(super) fn refused(text: &str) -> Error {
    Error::invalid_parameter_value_exception(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(arn: &str) -> CreateEventSourceMappingInput {
        CreateEventSourceMappingInput { event_source_arn: Some(arn.to_owned()), ..Default::default() }
    }

    fn read(input: &CreateEventSourceMappingInput) -> Result<Kind, String> {
        Source::of(input, "us-east-1").map(|source| source.kind()).map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn kinds_are_told_by_their_arns() {
        let at = |rest: &str| format!("arn:aws:{rest}");
        let latest = Some(EventSourcePosition::Latest);
        let topic = || Some(vec!["t".to_owned()]);
        let fine = [
            (input(&at("sqs:us-east-1:123456789012:q")), Kind::Queue { fifo: false }),
            (input(&at("sqs:us-east-1:123456789012:q.fifo")), Kind::Queue { fifo: true }),
            (
                CreateEventSourceMappingInput {
                    starting_position: latest,
                    ..input(&at("kinesis:us-east-1:123456789012:stream/s"))
                },
                Kind::Kinesis,
            ),
            (
                CreateEventSourceMappingInput {
                    starting_position: latest,
                    ..input(&at("dynamodb:us-east-1:123456789012:table/t/stream/2026-01-01T00:00:00.000"))
                },
                Kind::DynamoDb,
            ),
            (
                CreateEventSourceMappingInput {
                    starting_position: latest,
                    topics: topic(),
                    ..input(&at("kafka:us-east-1:123456789012:cluster/c/1"))
                },
                Kind::Msk,
            ),
            (
                CreateEventSourceMappingInput {
                    queues: Some(vec!["q".to_owned()]),
                    ..input(&at("mq:us-east-1:123456789012:broker:b:b-1"))
                },
                Kind::Broker,
            ),
        ];
        for (input, kind) in fine {
            assert_eq!(read(&input), Ok(kind));
        }
        for wrong in [
            "sns:us-east-1:123456789012:q",
            "dynamodb:us-east-1:123456789012:table/t",
            "sqs:us-east-1:123456789012:",
            "sqs:eu-west-1:123456789012:q",
        ] {
            assert!(read(&input(&at(wrong))).is_err(), "{wrong}");
        }
        assert!(read(&CreateEventSourceMappingInput::default()).is_err());
        let topics =
            CreateEventSourceMappingInput { topics: topic(), ..input(&at("sqs:us-east-1:123456789012:q")) };
        assert!(read(&topics).is_err());
    }
}
