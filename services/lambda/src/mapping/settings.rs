//! How a mapping's records are to be batched, filtered, tried again and given up: what may be said for which kind of event
//! source, and within which limits.

use serde::{Deserialize, Serialize};

use super::{
    filter,
    source::{FIFO, Kind, refused},
};
use crate::{
    api::{
        AmazonManagedKafkaEventSourceConfig, CreateEventSourceMappingInput, DestinationConfig,
        DocumentDBEventSourceConfig, Error, EventSourceMappingConfiguration, Filter, FilterCriteria,
        FullDocument, FunctionResponseType, OnFailure, ScalingConfig, SelfManagedKafkaEventSourceConfig,
        SourceAccessConfiguration, SourceAccessType, UpdateEventSourceMappingInput,
    },
    refusal,
};

/// Records of a batch where nothing is said, from queues and from everything else.
// AWS: API reference of CreateEventSourceMapping, `BatchSize`.
const BATCH_OF_QUEUE: i32 = 10;
const BATCH: i32 = 100;
/// The largest batch of a FIFO queue, and of a queue whose batches are not waited for.
// AWS: the same page, and "Maximum batch window in seconds must be greater than 0 …".
const BATCH_AT_ONCE_MAX: i32 = 10;
/// Filters of one mapping.
// AWS: 5, "you can request a quota increase for up to 10" (developer guide, "Control which events Lambda sends …").
const FILTERS_MAX: usize = 5;
/// The least maximum age of a record, seconds; `-1` is without end.
// AWS: API reference, `MaximumRecordAgeInSeconds`: "the minimum valid value for maximum record age is 60s".
const RECORD_AGE_S_MIN: i32 = 60;

/// What may change. `None` is what AWS does not show either.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) batch_size: i32,
    pub(crate) window_s: Option<i32>,
    pub(crate) filters: Vec<String>,
    pub(crate) concurrency_max: Option<i32>,
    pub(crate) parallelization: Option<i32>,
    /// Where records go that were given up.
    pub(crate) on_failure: Option<String>,
    pub(crate) record_age_s: Option<i32>,
    pub(crate) bisect: Option<bool>,
    pub(crate) retries: Option<i32>,
    pub(crate) tumbling_s: Option<i32>,
    /// Type and URI of each.
    pub(crate) access: Vec<(String, String)>,
    pub(crate) partial_failures: bool,
    pub(crate) consumer_group: Option<String>,
    pub(crate) document_db: Option<DocumentSource>,
}

/// What of a DocumentDB cluster is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DocumentSource {
    pub(crate) database: String,
    pub(crate) collection: Option<String>,
    pub(crate) full_document: Option<String>,
}

/// An update, as if it made a new mapping.
pub(crate) fn as_new(input: &UpdateEventSourceMappingInput) -> CreateEventSourceMappingInput {
    let input = input.clone();
    CreateEventSourceMappingInput {
        batch_size: input.batch_size,
        filter_criteria: input.filter_criteria,
        kms_key_arn: input.kms_key_arn,
        metrics_config: input.metrics_config,
        logging_config: input.logging_config,
        scaling_config: input.scaling_config,
        maximum_batching_window_in_seconds: input.maximum_batching_window_in_seconds,
        parallelization_factor: input.parallelization_factor,
        destination_config: input.destination_config,
        maximum_record_age_in_seconds: input.maximum_record_age_in_seconds,
        bisect_batch_on_function_error: input.bisect_batch_on_function_error,
        maximum_retry_attempts: input.maximum_retry_attempts,
        tumbling_window_in_seconds: input.tumbling_window_in_seconds,
        source_access_configurations: input.source_access_configurations,
        function_response_types: input.function_response_types,
        amazon_managed_kafka_event_source_config: input.amazon_managed_kafka_event_source_config,
        self_managed_kafka_event_source_config: input.self_managed_kafka_event_source_config,
        document_db_event_source_config: input.document_db_event_source_config,
        provisioned_poller_config: input.provisioned_poller_config,
        ..CreateEventSourceMappingInput::default()
    }
}

impl Settings {
    /// Those of a mapping of which nothing is said. `group` names the consumers of a Kafka topic.
    pub(crate) fn of_kind(kind: Kind, group: &str) -> Self {
        let stream = |value: i32| kind.is_stream().then_some(value);
        Self {
            batch_size: if kind.is_queue() { BATCH_OF_QUEUE } else { BATCH },
            window_s: (kind.is_stream() || kind.is_queue()).then_some(0),
            parallelization: stream(1),
            record_age_s: stream(-1),
            bisect: kind.is_stream().then_some(false),
            retries: stream(-1),
            tumbling_s: stream(0),
            consumer_group: kind.is_kafka().then(|| group.to_owned()),
            ..Self::default()
        }
    }

    /// These, changed as a request says.
    pub(crate) fn changed(
        mut self,
        kind: Kind,
        input: &CreateEventSourceMappingInput,
    ) -> Result<Self, Error> {
        refuse_foreign(kind, input)?;
        self.batch_size = input.batch_size.unwrap_or(self.batch_size);
        self.window_s = input.maximum_batching_window_in_seconds.or(self.window_s);
        self.parallelization = input.parallelization_factor.or(self.parallelization);
        self.record_age_s = input.maximum_record_age_in_seconds.or(self.record_age_s);
        self.bisect = input.bisect_batch_on_function_error.or(self.bisect);
        self.retries = input.maximum_retry_attempts.or(self.retries);
        self.tumbling_s = input.tumbling_window_in_seconds.or(self.tumbling_s);
        if let Some(criteria) = &input.filter_criteria {
            self.filters = filters(criteria)?;
        }
        if let Some(scaling) = &input.scaling_config {
            // AWS: an empty configuration takes the maximum away.
            self.concurrency_max = scaling.maximum_concurrency;
        }
        if let Some(config) = &input.destination_config {
            let to = config.on_failure.as_ref().and_then(|one| one.destination.clone());
            self.on_failure = to.filter(|to| !to.is_empty());
        }
        if let Some(types) = &input.function_response_types {
            self.partial_failures = types.contains(&FunctionResponseType::ReportBatchItemFailures);
        }
        if let Some(all) = &input.source_access_configurations {
            self.access = all.iter().map(pair).collect::<Result<_, _>>()?;
        }
        let group =
            input.amazon_managed_kafka_event_source_config.as_ref().and_then(|c| c.consumer_group_id.clone());
        let own =
            input.self_managed_kafka_event_source_config.as_ref().and_then(|c| c.consumer_group_id.clone());
        self.consumer_group = group.or(own).or(self.consumer_group);
        if let Some(config) = &input.document_db_event_source_config {
            self.document_db = Some(collection(config)?);
        }
        self.check(kind)?;
        Ok(self)
    }

    fn check(&self, kind: Kind) -> Result<(), Error> {
        let window_s = self.window_s.unwrap_or_default();
        match kind {
            Kind::Queue { fifo: true } if self.batch_size > BATCH_AT_ONCE_MAX => {
                return Err(refused("the batch size of a FIFO queue must be at most 10"));
            }
            Kind::Queue { fifo: true } if window_s > 0 => {
                // AWS: text as the service words it.
                return Err(refused("Batching window is not supported for FIFO queues"));
            }
            Kind::Queue { .. } if self.batch_size > BATCH_AT_ONCE_MAX && window_s == 0 => {
                // AWS: text as the service words it.
                return Err(refused(
                    "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10",
                ));
            }
            _ => {}
        }
        if self.record_age_s.is_some_and(|age| age != -1 && age < RECORD_AGE_S_MIN) {
            return Err(refused("MaximumRecordAgeInSeconds must be -1 or at least 60"));
        }
        if let Some(to) = &self.on_failure {
            check_destination(kind, to)?;
        }
        self.check_access(kind)?;
        if kind == Kind::DocumentDb && self.document_db.is_none() {
            return Err(refused("DocumentDBEventSourceConfig with a DatabaseName is needed for DocumentDB"));
        }
        Ok(())
    }

    /// Credentials and networks: which a kind takes, and which it needs.
    // AWS: API reference, `SourceAccessConfiguration`: the types by kind of source.
    fn check_access(&self, kind: Kind) -> Result<(), Error> {
        let allowed: &[&str] = match kind {
            Kind::Queue { .. } | Kind::Kinesis | Kind::DynamoDb => &[],
            Kind::Broker => &["BASIC_AUTH", "VIRTUAL_HOST"],
            Kind::DocumentDb => &["BASIC_AUTH"],
            Kind::Msk => &["SASL_SCRAM_512_AUTH", "CLIENT_CERTIFICATE_TLS_AUTH"],
            Kind::Kafka => &[
                "BASIC_AUTH",
                "VPC_SUBNET",
                "VPC_SECURITY_GROUP",
                "SASL_SCRAM_256_AUTH",
                "SASL_SCRAM_512_AUTH",
                "CLIENT_CERTIFICATE_TLS_AUTH",
                "SERVER_ROOT_CA_CERTIFICATE",
            ],
        };
        if let Some((other, _)) = self.access.iter().find(|(one, _)| !allowed.contains(&one.as_str())) {
            return Err(refused(&format!(
                "the source access configuration {other} is not one of this event source"
            )));
        }
        let needs_login = matches!(kind, Kind::Broker | Kind::DocumentDb);
        let has = |name: &str| self.access.iter().any(|(one, _)| one == name);
        if (needs_login && !has("BASIC_AUTH")) || (kind == Kind::Kafka && self.access.is_empty()) {
            // AWS: text as the service words it.
            return Err(refused("Required 'sourceAccessConfigurations' parameter is missing."));
        }
        Ok(())
    }

    /// What the API shows of them.
    pub(crate) fn shown(
        &self,
        kind: Kind,
        base: EventSourceMappingConfiguration,
    ) -> EventSourceMappingConfiguration {
        let failures = self.partial_failures.then_some(FunctionResponseType::ReportBatchItemFailures);
        let reports = kind.is_stream() || kind.is_queue() || failures.is_some();
        let group = self.consumer_group.clone();
        let own = group.clone().filter(|_| kind == Kind::Kafka);
        let access = self.access.iter().map(|(name, uri)| SourceAccessConfiguration {
            r#type: SourceAccessType::parse(name),
            uri: Some(uri.clone()),
        });
        let filters = self.filters.iter().map(|text| Filter { pattern: Some(text.clone()) });
        EventSourceMappingConfiguration {
            batch_size: Some(self.batch_size),
            maximum_batching_window_in_seconds: self.window_s,
            parallelization_factor: self.parallelization,
            filter_criteria: (!self.filters.is_empty())
                .then(|| FilterCriteria { filters: Some(filters.collect()) }),
            scaling_config: self.concurrency_max.map(|max| ScalingConfig { maximum_concurrency: Some(max) }),
            destination_config: (kind.is_stream() || self.on_failure.is_some()).then(|| DestinationConfig {
                on_success: None,
                on_failure: Some(OnFailure { destination: self.on_failure.clone() }),
            }),
            maximum_record_age_in_seconds: self.record_age_s,
            bisect_batch_on_function_error: self.bisect,
            maximum_retry_attempts: self.retries,
            tumbling_window_in_seconds: self.tumbling_s,
            source_access_configurations: Some(access.collect::<Vec<_>>()).filter(|all| !all.is_empty()),
            function_response_types: reports.then(|| failures.into_iter().collect()),
            amazon_managed_kafka_event_source_config: group.filter(|_| kind == Kind::Msk).map(|group| {
                AmazonManagedKafkaEventSourceConfig {
                    consumer_group_id: Some(group),
                    schema_registry_config: None,
                }
            }),
            self_managed_kafka_event_source_config: own.map(|group| SelfManagedKafkaEventSourceConfig {
                consumer_group_id: Some(group),
                ..SelfManagedKafkaEventSourceConfig::default()
            }),
            document_db_event_source_config: self.document_db.as_ref().map(|from| {
                DocumentDBEventSourceConfig {
                    database_name: Some(from.database.clone()),
                    collection_name: from.collection.clone(),
                    full_document: from.full_document.as_deref().and_then(FullDocument::parse),
                }
            }),
            ..base
        }
    }
}

/// Refuses what is not for this kind of source, and what would not be honoured.
fn refuse_foreign(kind: Kind, input: &CreateEventSourceMappingInput) -> Result<(), Error> {
    let registry = input
        .amazon_managed_kafka_event_source_config
        .as_ref()
        .is_some_and(|c| c.schema_registry_config.is_some())
        || input
            .self_managed_kafka_event_source_config
            .as_ref()
            .is_some_and(|c| c.schema_registry_config.is_some() || c.consumption_mode.is_some());
    let not_here = [
        (input.kms_key_arn.as_ref().is_some_and(|arn| !arn.is_empty()), "a customer managed key for filters"),
        (
            input.metrics_config.as_ref().is_some_and(|c| c.metrics.as_ref().is_some_and(|m| !m.is_empty())),
            "metrics of event sources",
        ),
        (input.logging_config.is_some(), "a log level of event sources"),
        (input.provisioned_poller_config.is_some(), "provisioned pollers"),
        (registry, "a schema registry"),
    ];
    if let Some((_, what)) = not_here.iter().find(|(asked, _)| *asked) {
        return Err(refusal::not_here(what));
    }
    let (stream, ordered) = (kind.is_stream(), kind.is_stream() || kind.is_kafka());
    let to_success = input.destination_config.as_ref().is_some_and(|config| config.on_success.is_some());
    let asked = [
        // AWS: which parameter is for which kind of source: API reference of CreateEventSourceMapping.
        (input.scaling_config.is_some(), kind.is_queue(), "ScalingConfig"),
        (input.parallelization_factor.is_some(), stream, "ParallelizationFactor"),
        (input.tumbling_window_in_seconds.is_some(), stream, "TumblingWindowInSeconds"),
        (to_success, false, "DestinationConfig"),
        (input.destination_config.is_some(), ordered, "DestinationConfig"),
        (input.maximum_record_age_in_seconds.is_some(), ordered, "MaximumRecordAgeInSeconds"),
        (input.bisect_batch_on_function_error.is_some(), ordered, "BisectBatchOnFunctionError"),
        (input.maximum_retry_attempts.is_some(), ordered, "MaximumRetryAttempts"),
        (
            input.function_response_types.as_ref().is_some_and(|types| !types.is_empty()),
            ordered || kind.is_queue(),
            "FunctionResponseTypes",
        ),
        (
            input.amazon_managed_kafka_event_source_config.is_some(),
            kind == Kind::Msk,
            "AmazonManagedKafkaEventSourceConfig",
        ),
        (
            input.self_managed_kafka_event_source_config.is_some(),
            kind == Kind::Kafka,
            "SelfManagedKafkaEventSourceConfig",
        ),
        (
            input.document_db_event_source_config.is_some(),
            kind == Kind::DocumentDb,
            "DocumentDBEventSourceConfig",
        ),
    ];
    match asked.iter().find(|(asked, fits, _)| *asked && !fits) {
        // AWS: text as the service words it.
        Some((_, _, name)) => {
            Err(refused(&format!("Unsupported {name} parameter for given event source mapping type.")))
        }
        None => Ok(()),
    }
}

fn filters(criteria: &FilterCriteria) -> Result<Vec<String>, Error> {
    let all = criteria.filters.as_deref().unwrap_or_default();
    if all.len() > FILTERS_MAX {
        return Err(refused(&format!("an event source mapping may have at most {FILTERS_MAX} filters")));
    }
    let read = |filter: &Filter| {
        let text = filter.pattern.clone().filter(|text| filter::is_pattern(text));
        // AWS: text as the service words it.
        text.ok_or_else(|| refused("Invalid filter pattern definition."))
    };
    all.iter().map(read).collect()
}

fn pair(one: &SourceAccessConfiguration) -> Result<(String, String), Error> {
    match (one.r#type, &one.uri) {
        (Some(name), Some(uri)) => Ok((name.as_str().to_owned(), uri.clone())),
        _ => Err(refused("a source access configuration needs Type and URI")),
    }
}

fn collection(config: &DocumentDBEventSourceConfig) -> Result<DocumentSource, Error> {
    let database =
        config.database_name.clone().ok_or_else(|| refused("DatabaseName is needed for DocumentDB"))?;
    Ok(DocumentSource {
        database,
        collection: config.collection_name.clone(),
        full_document: config.full_document.map(|mode| mode.as_str().to_owned()),
    })
}

// AWS: "an Amazon SNS topic, an Amazon SQS queue or an Amazon S3 bucket"; "For Kafka also a topic" (developer guide,
// "Retaining discarded records").
fn check_destination(kind: Kind, to: &str) -> Result<(), Error> {
    let service = casemate_names::Arn::parse(to).ok().map(|arn| arn.service().to_owned());
    let fine = matches!(service.as_deref(), Some("sqs" | "sns" | "s3"))
        || (kind.is_kafka() && to.starts_with("kafka://"));
    if fine && !to.ends_with(FIFO) {
        return Ok(());
    }
    // AWS: text as the service words it.
    Err(refused(&format!(
        "The provided destination config DestinationConfig(onSuceess=null, onFailure=OnFailure(destination={to})) is invalid."
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Input = CreateEventSourceMappingInput;

    fn of(kind: Kind, input: &Input) -> Result<Settings, Error> {
        Settings::of_kind(kind, "group").changed(kind, input)
    }

    #[test]
    fn defaults_are_awss() {
        let queue = of(Kind::Queue { fifo: false }, &Input::default()).unwrap();
        assert_eq!((queue.batch_size, queue.window_s, queue.retries), (10, Some(0), None));
        let stream = of(Kind::Kinesis, &Input::default()).unwrap();
        assert_eq!(
            (stream.batch_size, stream.parallelization, stream.record_age_s),
            (100, Some(1), Some(-1))
        );
        assert_eq!((stream.retries, stream.bisect, stream.tumbling_s), (Some(-1), Some(false), Some(0)));
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn what_a_kind_of_source_does_not_know_is_refused() {
        let queue = Kind::Queue { fifo: false };
        let scaling = || Some(ScalingConfig { maximum_concurrency: Some(2) });
        let failure = |to: &str| {
            Some(DestinationConfig {
                on_success: None,
                on_failure: Some(OnFailure { destination: Some(to.to_owned()) }),
            })
        };
        let filter = |text: &str, count: usize| {
            Some(FilterCriteria { filters: Some(vec![Filter { pattern: Some(text.to_owned()) }; count]) })
        };
        let fine = [
            (queue, Input { scaling_config: scaling(), ..Input::default() }),
            (queue, Input { filter_criteria: filter("{}", 5), ..Input::default() }),
            (
                queue,
                Input {
                    batch_size: Some(11),
                    maximum_batching_window_in_seconds: Some(1),
                    ..Input::default()
                },
            ),
            (Kind::Kinesis, Input { maximum_record_age_in_seconds: Some(60), ..Input::default() }),
            (
                Kind::DynamoDb,
                Input {
                    destination_config: failure("arn:aws:sqs:us-east-1:123456789012:q"),
                    ..Input::default()
                },
            ),
            (Kind::Msk, Input { destination_config: failure("kafka://t"), ..Input::default() }),
        ];
        for (kind, input) in fine {
            assert!(of(kind, &input).is_ok(), "{input:?}");
        }
        let wrong = [
            (queue, Input { batch_size: Some(11), ..Input::default() }),
            (Kind::Queue { fifo: true }, Input { batch_size: Some(11), ..Input::default() }),
            (
                Kind::Queue { fifo: true },
                Input { maximum_batching_window_in_seconds: Some(1), ..Input::default() },
            ),
            (queue, Input { parallelization_factor: Some(1), ..Input::default() }),
            (
                queue,
                Input {
                    destination_config: failure("arn:aws:sqs:us-east-1:123456789012:q"),
                    ..Input::default()
                },
            ),
            (queue, Input { filter_criteria: filter("{}", 6), ..Input::default() }),
            (queue, Input { filter_criteria: filter("no", 1), ..Input::default() }),
            (
                queue,
                Input {
                    kms_key_arn: Some("arn:aws:kms:us-east-1:123456789012:key/k".to_owned()),
                    ..Input::default()
                },
            ),
            (Kind::Kinesis, Input { scaling_config: scaling(), ..Input::default() }),
            (Kind::Kinesis, Input { maximum_record_age_in_seconds: Some(59), ..Input::default() }),
            (Kind::Kinesis, Input { destination_config: failure("kafka://t"), ..Input::default() }),
            (
                Kind::Kinesis,
                Input {
                    destination_config: failure("arn:aws:lambda:us-east-1:123456789012:function:f"),
                    ..Input::default()
                },
            ),
            (Kind::Kafka, Input::default()),
            (Kind::Broker, Input::default()),
            (Kind::DocumentDb, Input::default()),
        ];
        for (kind, input) in wrong {
            assert!(of(kind, &input).is_err(), "{kind:?} {input:?}");
        }
    }

    #[test]
    fn an_update_leaves_the_rest_alone_and_is_checked_as_a_whole() {
        let queue = Kind::Queue { fifo: false };
        let input =
            Input { batch_size: Some(20), maximum_batching_window_in_seconds: Some(5), ..Input::default() };
        let settings = of(queue, &input).unwrap();
        let same =
            settings.clone().changed(queue, &as_new(&UpdateEventSourceMappingInput::default())).unwrap();
        assert_eq!(same, settings);
        let none = UpdateEventSourceMappingInput {
            maximum_batching_window_in_seconds: Some(0),
            ..Default::default()
        };
        assert!(settings.changed(queue, &as_new(&none)).is_err());
    }
}
