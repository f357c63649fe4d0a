//! Tells a destination how an asynchronous request ended, **as the function's execution role**: a role that may not invoke
//! the destination tells nobody, as on AWS.
//!
//! DIVERGES: only functions can be told; queues, topics, buses and buckets of services that are not here are kept in the
//! configuration, and a record for one fails. Every failure is an event in the audit trail and a line in the function's log.

use bytes::Bytes;
use casemate_kernel::{As, Env, Fault, audit};
use casemate_names::{Arn, Timestamp, hex_id};
use casemate_schema::Document;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::{
    delivery::{Delivery, Whose},
    environment::log_stream,
    farewells::Farewells,
    function::Function,
    version::Version,
};

/// How a request ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) request_id: String,
    pub(crate) condition: Condition,
    /// How often the function ran.
    pub(crate) runs: usize,
    pub(crate) payload: Vec<u8>,
    /// Its trace header: a destination's requests go on in its chain.
    pub(crate) trace: String,
    /// What it answered last, if it ran.
    pub(crate) response: Option<Response>,
}

/// What a function answered.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) version: Version,
    pub(crate) failed: bool,
    pub(crate) body: Bytes,
}

/// `condition` of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Success,
    RetriesExhausted,
    EventAgeExceeded,
}

impl Condition {
    const fn shown(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::RetriesExhausted => "RetriesExhausted",
            Self::EventAgeExceeded => "EventAgeExceeded",
        }
    }
}

/// The record.
// AWS: version 1.0 (developer guide, "Capturing records of Lambda asynchronous invocations").
pub(crate) fn record(ended: &Ended, function_arn: &str, now: Timestamp) -> Value {
    let mut record = json!({
        "version": "1.0",
        "timestamp": now.iso8601_millis(),
        "requestContext": {
            "requestId": ended.request_id,
            "functionArn": function_arn,
            "condition": ended.condition.shown(),
            "approximateInvokeCount": ended.runs,
        },
        "requestPayload": value(&ended.payload),
    });
    if let (Some(fields), Some(response)) = (record.as_object_mut(), &ended.response) {
        let mut context = json!({ "statusCode": 200, "executedVersion": response.version.to_string() });
        if let (true, Some(context)) = (response.failed, context.as_object_mut()) {
            context.insert("functionError".to_owned(), json!("Unhandled"));
        }
        fields.insert("responseContext".to_owned(), context);
        fields.insert("responsePayload".to_owned(), value(&response.body));
    }
    record
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into())
}

/// Tells `destination` what `event` says. Where that fails, says so in the trail and in the function's log.
pub(crate) async fn tell(env: &Env, function: Arc<Function>, destination: &str, ended: &Ended, event: Bytes) {
    let told = match Arn::parse(destination) {
        Ok(arn) if arn.service() == "lambda" => invoke(env, &function, &arn, ended, event).await,
        Ok(arn) => Err(Fault::broken(format!("there is no service {:?} here", arn.service()))),
        Err(_) => Err(Fault::broken("the destination is no ARN")),
    };
    let Err(fault) = told else { return };
    let now = env.clock.now();
    env.audit.event(audit::Event {
        name: "lambda.destination-failed",
        at: now,
        place: "lambda.async-queue".to_owned(),
        function: Some(function.arn.as_str().to_owned()),
        request_id: Some(ended.request_id.clone()),
        detail: format!("{destination} was not told of the request's end: {fault}"),
        alarm: None,
    });
    let stream = log_stream(now, function.version, &hex_id(&*env.entropy, "lambda.destination-log", 32));
    // What became of the delivery is the operator's to know in detail; the log says that it failed.
    // Requests that wait end with the server; it does not wait for what is said of them.
    Delivery::start(env, function, stream, &Farewells::default()).send(
        now,
        format!("RequestId: {} Destination {destination} was not told of the end", ended.request_id),
        Whose::Platforms,
    );
}

async fn invoke(
    env: &Env,
    function: &Function,
    destination: &Arn,
    ended: &Ended,
    event: Bytes,
) -> Result<(), Fault> {
    let speaker = As::Role {
        role: function.settings.role.clone(),
        session_name: function.name.clone(),
        source: function.unqualified(),
    };
    let input = Document::structure([
        ("FunctionName", Document::String(destination.as_str().to_owned())),
        ("InvocationType", Document::String("Event".to_owned())),
        ("Payload", Document::Blob(event)),
    ]);
    let trace = Some(ended.trace.clone()).filter(|trace| !trace.is_empty());
    env.invoke_traced(env.service, "Invoke", speaker, input, trace).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_awss() {
        let mut ended = Ended {
            request_id: "id".to_owned(),
            condition: Condition::RetriesExhausted,
            runs: 3,
            payload: b"{\"x\":1}".to_vec(),
            trace: String::new(),
            response: Some(Response {
                version: Version::Latest,
                failed: true,
                body: Bytes::from_static(b"{\"errorMessage\":\"no\"}"),
            }),
        };
        let shown = |ended: &Ended| record(ended, "arn", Timestamp::from_millis(0));
        assert_eq!(
            shown(&ended),
            json!({
                "version": "1.0",
                "timestamp": "1970-01-01T00:00:00.000Z",
                "requestContext": { "requestId": "id", "functionArn": "arn", "condition": "RetriesExhausted", "approximateInvokeCount": 3 },
                "requestPayload": { "x": 1 },
                "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
                "responsePayload": { "errorMessage": "no" },
            })
        );
        ended.response = None;
        ended.condition = Condition::EventAgeExceeded;
        assert!(shown(&ended).get("responseContext").is_none());
    }
}
