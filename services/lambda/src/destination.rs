//! Tells a destination how an asynchronous request ended, or a dead-letter target of a failed one: a call of the service that
//! owns the target, **as the function's execution role**. A role that may not make it tells nobody, as on AWS.
//!
//! DIVERGES: of the services whose resources can be named, not all are here yet: a call of one that is not fails. Every
//! failure is an event in the audit trail and a line in the function's log; the request itself is over then, and lost to
//! whoever was to be told.

mod call;
mod log;
mod rights;

use bytes::Bytes;
use casemate_kernel::{Env, audit};
use casemate_names::{Arn, Timestamp};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::{function::Function, version::Version};

pub(crate) use call::Target;
pub(crate) use rights::{check_dead_letters, check_destinations};

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
    /// Whether it was stopped because it went in a circle.
    pub(crate) is_loop: bool,
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

/// What is told.
#[derive(Debug)]
pub(crate) enum Word {
    /// To a destination: the record.
    Record(Value),
    /// To a dead-letter target: the event itself, and why it failed where the function did not say.
    Letter(&'static str),
}

/// Tells, and writes into the functions' logs what they are not told otherwise.
#[derive(Debug)]
pub(crate) struct Teller {
    env: Env,
    log: log::Log,
}

impl Teller {
    pub(crate) fn new(env: &Env) -> Self {
        Self { env: env.clone(), log: log::Log::new(env) }
    }

    /// Tells the owner of `to`. Where that fails, says so in the trail and in the function's log.
    pub(crate) async fn tell(&self, function: &Arc<Function>, to: &str, ended: &Ended, word: Word) {
        let (name, log) = match word {
            Word::Record(_) => {
                ("lambda.destination-failed", format!("Destination {to} was not told of the end"))
            }
            Word::Letter(_) => ("lambda.dead-letter-lost", format!("The dead letter did not reach {to}")),
        };
        let told = match Arn::parse(to).ok().as_ref().and_then(Target::of) {
            Some(target) => call::make(&self.env, function, &target, ended, &word).await,
            None => Err("nothing of this name can be told".to_owned()),
        };
        let Err(why) = told else { return };
        self.env.audit.event(audit::Event {
            name,
            at: self.env.clock.now(),
            place: "lambda.async-queue".to_owned(),
            function: Some(function.arn.as_str().to_owned()),
            request_id: Some(ended.request_id.clone()),
            detail: format!("{to} was not told of the request's end: {why}"),
            alarm: None,
        });
        // What became of the delivery is the operator's to know in detail; the log says that it failed.
        self.write_log(function, &ended.request_id, &log);
    }

    /// Writes a line of the platform's into the function's log.
    pub(crate) fn write_log(&self, function: &Arc<Function>, request_id: &str, text: &str) {
        self.log.write(function, request_id, text);
    }
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
            is_loop: false,
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
