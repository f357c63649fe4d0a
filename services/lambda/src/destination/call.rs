//! What can be told, and the call of its service by which it is.

use bytes::Bytes;
use casemate_kernel::{As, Env};
use casemate_names::{Arn, Timestamp, uuid};
use casemate_schema::Document;
use serde_json::Value;

use super::{Condition, Ended, Word};
use crate::{function::Function, resource::FunctionRef, trace};

/// Longest error message in a dead letter, bytes.
// AWS: "The first 1 KB of the error message" (developer guide, "Dead-letter queues").
const MESSAGE_BYTES_MAX: usize = 1_024;

/// How the name of a queue or topic ends that keeps order.
const FIFO: &str = ".fifo";

/// What can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Function(Arn),
    Queue(Arn),
    Topic(Arn),
    Bus(Arn),
    /// Of failures only.
    Bucket(Arn),
}

/// A service, its operation, and what it is given.
type Call = (&'static str, &'static str, Document);

impl Target {
    /// What an ARN names. `None`: what cannot be told.
    // AWS: "standard queues" and "standard topics" only (developer guide, "Capturing records of Lambda asynchronous
    // invocations").
    pub(crate) fn of(arn: &Arn) -> Option<Self> {
        let (resource, own) = (arn.resource(), arn.clone());
        let is_plain = !resource.is_empty() && !resource.contains(['/', ':']);
        let is_standard = is_plain && !resource.ends_with(FIFO) && arn.account_id().is_some();
        match arn.service() {
            "lambda" => Some(Self::Function(own)),
            "sqs" if is_standard => Some(Self::Queue(own)),
            "sns" if is_standard => Some(Self::Topic(own)),
            "events" if resource.starts_with("event-bus/") && arn.account_id().is_some() => {
                Some(Self::Bus(own))
            }
            "s3" if is_plain => Some(Self::Bucket(own)),
            _ => None,
        }
    }

    /// What must be allowed to tell it, and on what.
    pub(crate) fn needs(&self) -> (&'static str, &Arn) {
        match self {
            Self::Function(arn) => ("lambda:InvokeFunction", arn),
            Self::Queue(arn) => ("sqs:SendMessage", arn),
            Self::Topic(arn) => ("sns:Publish", arn),
            Self::Bus(arn) => ("events:PutEvents", arn),
            Self::Bucket(arn) => ("s3:PutObject", arn),
        }
    }
}

/// Makes the call, under the function's role. The error says why it was not told.
pub(super) async fn make(
    env: &Env,
    function: &Function,
    target: &Target,
    ended: &Ended,
    word: &Word,
) -> Result<(), String> {
    if let Target::Function(arn) = target
        && ended.is_loop
        && FunctionRef::of_arn(arn).is_some_and(|at| trace::would_loop(&ended.trace, at.arn().as_str()))
    {
        // Two functions that hear of each other's stops would tell each other without end.
        return Err("it is part of the loop".to_owned());
    }
    let speaker = As::Role {
        role: function.settings.role.clone(),
        session_name: function.name.clone(),
        source: function.unqualified(),
    };
    let (service, operation, input) = match target {
        Target::Function(arn) => invocation(env, arn, body(ended, word)),
        Target::Queue(arn) => message(env, arn, ended, word),
        Target::Topic(arn) => notice(arn, ended, word),
        Target::Bus(arn) => event(arn, ended, word),
        Target::Bucket(arn) => {
            let (id, now) = (uuid(&*env.entropy, "lambda.destination-object"), env.clock.now());
            object(arn, &function.name, (&id, now), body(ended, word))
        }
    };
    let trace = Some(ended.trace.clone()).filter(|trace| !trace.is_empty());
    let answer = env.invoke_traced(service, operation, speaker, input, trace).await;
    let answer = answer.map_err(|fault| fault.to_string())?;
    // EventBridge answers for each entry.
    match answer.get("FailedEntryCount").and_then(Document::as_i64) {
        Some(failed) if failed > 0 => Err(format!("{service} refused the event")),
        _ => Ok(()),
    }
}

/// What is sent.
fn body(ended: &Ended, word: &Word) -> Bytes {
    match word {
        Word::Record(record) => record.to_string().into(),
        // AWS: a dead-letter target gets the event itself. As it came: what is accepted as JSON is more than can be read
        // into values and written again (large numbers, deep nesting, halves of surrogate pairs).
        Word::Letter(_) => ended.payload.clone().into(),
    }
}

fn text(ended: &Ended, word: &Word) -> Document {
    Document::String(String::from_utf8_lossy(&body(ended, word)).into_owned())
}

fn invocation(env: &Env, function: &Arn, body: Bytes) -> Call {
    let input = Document::structure([
        ("FunctionName", Document::String(function.as_str().to_owned())),
        ("InvocationType", Document::String("Event".to_owned())),
        ("Payload", Document::Blob(body)),
    ]);
    (env.service, "Invoke", input)
}

fn message(env: &Env, queue: &Arn, ended: &Ended, word: &Word) -> Call {
    let url = format!("{}/{}/{}", env.site.endpoint, queue.account(), queue.resource());
    let input = Document::structure([
        ("QueueUrl", Document::String(url)),
        ("MessageBody", text(ended, word)),
        ("MessageAttributes", attributes(ended, word)),
    ]);
    ("sqs", "SendMessage", input)
}

fn notice(topic: &Arn, ended: &Ended, word: &Word) -> Call {
    let input = Document::structure([
        ("TopicArn", Document::String(topic.as_str().to_owned())),
        ("Message", text(ended, word)),
        ("MessageAttributes", attributes(ended, word)),
    ]);
    ("sns", "Publish", input)
}

/// Of a dead letter: why it is one. A record says so itself.
// AWS: RequestID and ErrorMessage are text, ErrorCode "the HTTP status code", a number (developer guide, "Dead-letter
// queues").
fn attributes(ended: &Ended, word: &Word) -> Document {
    let Word::Letter(why) = word else { return Document::Null };
    // AWS: a function that fails has answered with 200; what could not be run was throttled, or refused as a loop.
    let code = match (&ended.response, ended.is_loop) {
        (Some(_), _) => "200",
        (None, true) => "400",
        (None, false) => "429",
    };
    let message = error_message(ended).unwrap_or_else(|| (*why).to_owned());
    let attribute = |kind: &str, value: &str| {
        Document::structure([
            ("DataType", Document::String(kind.to_owned())),
            ("StringValue", Document::String(value.to_owned())),
        ])
    };
    Document::Map(vec![
        ("RequestID".to_owned(), attribute("String", &ended.request_id)),
        ("ErrorCode".to_owned(), attribute("Number", code)),
        ("ErrorMessage".to_owned(), attribute("String", shortened(&message))),
    ])
}

/// What the function says of its failure. An attribute without text is none.
fn error_message(ended: &Ended) -> Option<String> {
    let report: Value = serde_json::from_slice(&ended.response.as_ref()?.body).ok()?;
    let message = report.get("errorMessage")?.as_str()?;
    Some(message.to_owned()).filter(|message| !message.is_empty())
}

fn shortened(text: &str) -> &str {
    let end = (0..=MESSAGE_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

// AWS: source, detail type and resources as EventBridge shows them; the detail is the record.
fn event(bus: &Arn, ended: &Ended, word: &Word) -> Call {
    let how = if ended.condition == Condition::Success { "Success" } else { "Failure" };
    let function = match word {
        Word::Record(record) => {
            record.pointer("/requestContext/functionArn").and_then(Value::as_str).unwrap_or_default()
        }
        Word::Letter(_) => "",
    };
    let resources = [bus.as_str(), function].into_iter().filter(|text| !text.is_empty());
    let entry = Document::structure([
        ("EventBusName", Document::String(bus.as_str().to_owned())),
        ("Source", Document::String("lambda".to_owned())),
        ("DetailType", Document::String(format!("Lambda Function Invocation Result - {how}"))),
        ("Detail", text(ended, word)),
        ("Resources", Document::List(resources.map(|text| Document::String(text.to_owned())).collect())),
    ]);
    ("events", "PutEvents", Document::structure([("Entries", Document::List(vec![entry]))]))
}

// AWS: `aws/lambda/async/<function-name>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<Random UUID>` (developer guide).
fn object(bucket: &Arn, function: &str, (id, now): (&str, Timestamp), body: Bytes) -> Call {
    let time = now.iso8601_millis();
    let (date, clock) = (time.get(..10).unwrap_or_default(), time.get(11..19).unwrap_or_default());
    let (folder, clock) = (date.replace('-', "/"), clock.replace(':', "."));
    let input = Document::structure([
        ("Bucket", Document::String(bucket.resource().to_owned())),
        ("Key", Document::String(format!("aws/lambda/async/{function}/{folder}/{date}T{clock}-{id}"))),
        ("ContentType", Document::String("application/json".to_owned())),
        ("Body", Document::Blob(body)),
    ]);
    ("s3", "PutObject", input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arn(text: &str) -> Arn {
        Arn::parse(text).unwrap()
    }

    fn ended(response: Option<&'static str>) -> Ended {
        let response = response.map(|body| super::super::Response {
            version: crate::version::Version::Latest,
            failed: true,
            body: Bytes::from_static(body.as_bytes()),
        });
        Ended {
            request_id: "id".to_owned(),
            condition: Condition::RetriesExhausted,
            runs: 1,
            payload: b"{\"n\": 1e400}".to_vec(),
            trace: String::new(),
            is_loop: false,
            response,
        }
    }

    #[test]
    fn what_cannot_be_told_is_no_target() {
        for text in [
            "arn:aws:sqs:us-east-1:123456789012:q.fifo",
            "arn:aws:sns:us-east-1:123456789012:t.fifo",
            "arn:aws:sqs:us-east-1:123456789012:q/x",
            "arn:aws:sns:us-east-1:123456789012:t:subscription",
            "arn:aws:sqs:us-east-1::q",
            "arn:aws:events:us-east-1:123456789012:rule/r",
            "arn:aws:s3:::b/key",
            "arn:aws:iam::123456789012:role/r",
        ] {
            assert_eq!(Target::of(&arn(text)), None, "{text}");
        }
    }

    #[test]
    fn a_dead_letter_is_the_event_as_it_came_and_says_why() {
        let topic = arn("arn:aws:sns:us-east-1:123456789012:t");
        let told = |ended: &Ended| notice(&topic, ended, &Word::Letter("too old")).2;
        let letter = told(&ended(Some(r#"{"errorMessage":"no","errorType":"E"}"#)));
        assert_eq!(letter.get("Message").unwrap().as_str(), Some("{\"n\": 1e400}"));
        let of = |letter: &Document, name: &str, member: &str| {
            let all = letter.get("MessageAttributes").unwrap();
            all.get(name).unwrap().get(member).unwrap().as_str().unwrap().to_owned()
        };
        assert_eq!(of(&letter, "RequestID", "StringValue"), "id");
        assert_eq!(
            (of(&letter, "ErrorCode", "DataType"), of(&letter, "ErrorCode", "StringValue")),
            ("Number".into(), "200".into())
        );
        assert_eq!(of(&letter, "ErrorMessage", "StringValue"), "no");
        for silent in [None, Some("no JSON"), Some(r#"{"errorMessage":""}"#)] {
            assert_eq!(of(&told(&ended(silent)), "ErrorMessage", "StringValue"), "too old");
        }
        assert_eq!(of(&told(&ended(None)), "ErrorCode", "StringValue"), "429");
        assert!(
            notice(&topic, &ended(None), &Word::Record(Value::Null)).2.get("MessageAttributes").is_none()
        );
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(shortened(&"é".repeat(600)), "é".repeat(512));
        assert_eq!(shortened(&format!("a{}", "é".repeat(600))).len(), 1_023);
        assert_eq!(shortened("short"), "short");
    }

    #[test]
    fn an_object_is_named_by_function_and_time() {
        let (bucket, now) = (arn("arn:aws:s3:::b"), Timestamp::from_seconds(1_795_478_400));
        let (service, operation, input) = object(&bucket, "f", ("ID", now), Bytes::new());
        assert_eq!((service, operation), ("s3", "PutObject"));
        let key = input.get("Key").and_then(Document::as_str);
        assert_eq!(key, Some("aws/lambda/async/f/2026/11/24/2026-11-24T00.00.00-ID"));
        assert_eq!(input.get("Bucket").and_then(Document::as_str), Some("b"));
    }
}
