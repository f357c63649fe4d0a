//! What an extension asks to be told, read and checked: nothing but a port of the environment itself can be named.

use std::time::Duration;

use casemate_names::Timestamp;
use serde_json::{Map, Value};

use super::Source;
use crate::platform::{Note, line};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// From 2022.
    Telemetry,
    /// From 2020: with fewer notes of the platform, and in other words.
    Logs,
}

/// What is wrong with a subscription, in one sentence.
type Invalid = String;

/// A subscription that is in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) api: Api,
    /// Among [`TYPES`], in this order.
    types: Vec<&'static str>,
    /// Is the older one told when the runtime is done?
    runtime_done: bool,
    pub(super) destination: Destination,
    /// A batch is delivered when it has so many events, …
    pub(super) items_max: usize,
    /// … or so many bytes, …
    pub(super) bytes_max: usize,
    /// … or when its first event has waited for so long.
    pub(super) timeout: Duration,
}

/// Where to, inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    Http { port: u16, path: String, host: String, method: &'static str },
    Tcp { port: u16 },
}

// AWS: ranges and values where none is given (Telemetry API reference, "Buffering").
const ITEMS: (u64, u64, u64) = (1_000, 10_000, 10_000);
const BYTES: (u64, u64, u64) = (262_144, 1_048_576, 262_144);
const TIMEOUT_MS: (u64, u64, u64) = (25, 30_000, 1_000);

const TYPES: [&str; 3] = ["platform", "function", "extension"];

/// Of a destination's path. Ours.
const PATH_BYTES_MAX: usize = 1_024;

// AWS: the names that mean the environment itself.
const HOSTS: [&str; 2] = ["sandbox.localdomain", "sandbox"];

impl Subscription {
    /// Reads one.
    pub(crate) fn parse(api: Api, body: &[u8]) -> Result<Self, Invalid> {
        let body: Map<String, Value> =
            serde_json::from_slice(body).map_err(|error| format!("the body is no JSON object: {error}"))?;
        let mut wrong = Vec::new();
        let destination = body
            .get("destination")
            .and_then(Value::as_object)
            .ok_or("destination is not provided".to_owned());
        let destination = noted(&mut wrong, destination.and_then(|given| Destination::parse(api, given)));
        let types = noted(&mut wrong, types_of(body.get("types")));
        let runtime_done = noted(&mut wrong, schema(api, body.get("schemaVersion")));
        let buffering = match body.get("buffering") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(buffering)) => buffering.clone(),
            Some(_) => {
                wrong.push("buffering must be an object".to_owned());
                Map::new()
            }
        };
        let items_max = noted(&mut wrong, within(&buffering, "maxItems", ITEMS));
        let bytes_max = noted(&mut wrong, within(&buffering, "maxBytes", BYTES));
        let timeout_ms = noted(&mut wrong, within(&buffering, "timeoutMs", TIMEOUT_MS));
        let (Some(destination), Some(types), Some(runtime_done)) = (destination, types, runtime_done) else {
            return Err(wrong.join("; "));
        };
        let (Some(items), Some(bytes), Some(timeout_ms)) = (items_max, bytes_max, timeout_ms) else {
            return Err(wrong.join("; "));
        };
        if !wrong.is_empty() {
            return Err(wrong.join("; "));
        }
        Ok(Self {
            api,
            types,
            runtime_done,
            destination,
            items_max: usize::try_from(items).unwrap_or(usize::MAX),
            bytes_max: usize::try_from(bytes).unwrap_or(usize::MAX),
            timeout: Duration::from_millis(timeout_ms),
        })
    }

    /// As they are told of.
    pub(super) fn types(&self) -> &[&'static str] {
        &self.types
    }

    pub(super) fn hears_lines_of(&self, source: Source) -> bool {
        match source {
            Source::Function => self.types.contains(&"function"),
            Source::Extension => self.types.contains(&"extension"),
        }
    }

    /// What it is told of a note of the platform's.
    pub(super) fn told(&self, at: Timestamp, note: &Note) -> Vec<String> {
        match (self.types.contains(&"platform"), self.api) {
            (false, _) => Vec::new(),
            (true, Api::Telemetry) => vec![note.json(at)],
            (true, Api::Logs) => self.older(at, note),
        }
    }

    // AWS: Lambda Logs API, "Platform logs": these, with these fields.
    fn older(&self, at: Timestamp, note: &Note) -> Vec<String> {
        let with = |fields: &[&str]| {
            let picked =
                fields.iter().filter_map(|name| Some(((*name).to_owned(), note.record.get(name)?.clone())));
            Value::Object(picked.collect())
        };
        match note.kind {
            "platform.start" => vec![line("platform.start", at, &with(&["requestId", "version"]))],
            "platform.runtimeDone" => {
                let mut done = with(&["requestId", "status"]);
                if let Some(status) = done.get_mut("status").filter(|status| **status == "error") {
                    *status = "failure".into();
                }
                let end = line("platform.end", at, &with(&["requestId"]));
                let done = self.runtime_done.then(|| line("platform.runtimeDone", at, &done));
                done.into_iter().chain([end]).collect()
            }
            "platform.report" => {
                vec![line("platform.report", at, &with(&["requestId", "metrics", "tracing"]))]
            }
            "platform.fault" | "platform.extension" | "platform.logsSubscription" => vec![note.json(at)],
            _ => Vec::new(),
        }
    }
}

/// What is in order; what is not is told with all else that is not.
fn noted<T>(wrong: &mut Vec<Invalid>, parsed: Result<T, Invalid>) -> Option<T> {
    parsed.map_err(|why| wrong.push(why)).ok()
}

fn types_of(given: Option<&Value>) -> Result<Vec<&'static str>, Invalid> {
    let types = given.and_then(Value::as_array).filter(|types| !types.is_empty());
    // AWS: the text.
    let types = types.ok_or("types should not be empty")?;
    let is_known = |kind: &Value| kind.as_str().is_some_and(|kind| TYPES.contains(&kind));
    if let Some(other) = types.iter().find(|kind| !is_known(kind)) {
        return Err(format!("types must be among {}: {}", TYPES.join(", "), short(other)));
    }
    Ok(TYPES.into_iter().filter(|name| types.iter().any(|kind| kind == name)).collect())
}

/// Answers whether an older subscriber is told when the runtime is done.
fn schema(api: Api, given: Option<&Value>) -> Result<bool, Invalid> {
    // AWS: the versions of both references.
    let (known, may_be_missing): (&[&str], bool) = match api {
        Api::Telemetry => (&["2022-07-01", "2022-12-13", "2025-01-29"], false),
        Api::Logs => (&["2020-08-15", "2021-03-18"], true),
    };
    match given {
        None if may_be_missing => Ok(false),
        Some(Value::String(given)) if known.contains(&given.as_str()) => Ok(given == "2021-03-18"),
        _ => Err(format!("schemaVersion must be one of {}", known.join(", "))),
    }
}

impl Destination {
    fn parse(api: Api, given: &Map<String, Value>) -> Result<Self, Invalid> {
        let text = |name: &str| given.get(name).and_then(Value::as_str);
        match text("protocol") {
            Some("HTTP") => {}
            Some("TCP") => {
                let port =
                    given.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
                return Ok(Self::Tcp { port: usable(port)? });
            }
            _ => return Err("protocol must be HTTP or TCP".to_owned()),
        }
        // AWS: the older one has "through PUT or POST".
        let method = match (given.get("method"), text("method"), api) {
            (None, ..) | (_, Some("POST"), _) => "POST",
            (_, Some("PUT"), Api::Logs) => "PUT",
            (.., Api::Logs) => return Err("method must be POST or PUT".to_owned()),
            (.., Api::Telemetry) => return Err("method must be POST".to_owned()),
        };
        if given.contains_key("encoding") && text("encoding") != Some("JSON") {
            return Err("encoding must be JSON".to_owned());
        }
        let uri = text("URI").ok_or("URI is not provided")?;
        let rest = uri.strip_prefix("http://").ok_or("URI must begin with http://")?;
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        // AWS: the text.
        let (host, port) = authority.split_once(':').ok_or("URI port is not provided")?;
        if !HOSTS.contains(&host) {
            return Err(format!("URI must name the host {}", HOSTS.join(" or ")));
        }
        let port = usable(port.parse().ok().filter(|_| port.bytes().all(|byte| byte.is_ascii_digit())))?;
        if path.len() > PATH_BYTES_MAX || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the path of the URI cannot be sent".to_owned());
        }
        Ok(Self::Http { port, path: path.to_owned(), host: authority.to_owned(), method })
    }

    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Http { port, .. } | Self::Tcp { port } => *port,
        }
    }
}

/// A port that an extension can listen on: not one of the platform's own.
fn usable(port: Option<u16>) -> Result<u16, Invalid> {
    let own = [
        casemate_sandbox::RUNTIME_API_PORT,
        casemate_sandbox::AWS_ENDPOINT_PORT,
        casemate_sandbox::RELAY_PORT,
        casemate_sandbox::RESOLVER_PORT,
    ];
    match port {
        None | Some(0) => Err("the port must be 1 to 65535".to_owned()),
        // AWS: "The port cannot be 9001".
        Some(port) if own.contains(&port) => Err(format!("the port {port} is the platform's")),
        Some(port) => Ok(port),
    }
}

fn within(
    buffering: &Map<String, Value>,
    name: &str,
    (least, most, otherwise): (u64, u64, u64),
) -> Result<u64, Invalid> {
    let Some(given) = buffering.get(name) else { return Ok(otherwise) };
    let given = given.as_u64().filter(|given| (least..=most).contains(given));
    given.ok_or_else(|| format!("{name} must be {least} to {most}"))
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{platform::Status, process::Purpose, report::Used, version::Version};

    fn parse(api: Api, change: impl FnOnce(&mut Value)) -> Result<Subscription, Invalid> {
        let mut body = json!({
            "schemaVersion": if api == Api::Logs { "2021-03-18" } else { "2022-12-13" },
            "types": ["platform", "function"],
            "destination": { "protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/lambda" },
            "buffering": { "maxItems": 1_000, "maxBytes": 262_144, "timeoutMs": 25 },
        });
        change(&mut body);
        Subscription::parse(api, body.to_string().as_bytes())
    }

    #[test]
    fn subscriptions_are_read() {
        let read = parse(Api::Telemetry, |_| {}).unwrap();
        assert_eq!(read.types(), ["platform", "function"]);
        assert_eq!((read.items_max, read.bytes_max, read.timeout.as_millis()), (1_000, 262_144, 25));
        assert_eq!(read.destination.port(), 8_080);
        assert!(read.hears_lines_of(Source::Function) && !read.hears_lines_of(Source::Extension));
        let older = parse(Api::Logs, |body| drop(body["schemaVersion"].take()));
        assert!(older.is_err(), "null is no version");
        let older =
            parse(Api::Logs, |body| drop(body.as_object_mut().unwrap().remove("schemaVersion"))).unwrap();
        assert!(!older.runtime_done);
        let tcp = parse(Api::Logs, |body| body["destination"] = json!({ "protocol": "TCP", "port": 9_999 }))
            .unwrap();
        assert_eq!(tcp.destination, Destination::Tcp { port: 9_999 });
        let plain =
            parse(Api::Telemetry, |body| drop(body.as_object_mut().unwrap().remove("buffering"))).unwrap();
        assert_eq!((plain.items_max, plain.bytes_max, plain.timeout.as_millis()), (10_000, 262_144, 1_000));
    }

    #[test]
    fn each_api_tells_its_own() {
        let used = Used {
            duration: Duration::from_millis(2),
            init: None,
            restore: None,
            memory_mb: 128,
            memory_peak_bytes: 1 << 20,
            status: None,
        };
        let notes = [
            Note::init_runtime_done(Purpose::OnDemand, Status::Success),
            Note::start("id", Version::Latest, "Root=1"),
            Note::runtime_done("id", used.duration, (Status::Error, Some("Runtime.ExitError")), "Root=1"),
            Note::report("id", &used, (Status::Error, None), ""),
            Note::fault("broken".to_owned()),
        ];
        let told = |subscription: &Subscription| -> Vec<Value> {
            let lines = notes.iter().flat_map(|note| subscription.told(Timestamp::from_millis(0), note));
            lines.map(|line| serde_json::from_str(&line).unwrap()).collect()
        };
        let kinds = |told: &[Value]| -> Vec<String> {
            told.iter().map(|one| one["type"].as_str().unwrap().replace("platform.", "")).collect()
        };
        let telemetry = told(&parse(Api::Telemetry, |_| {}).unwrap());
        assert_eq!(kinds(&telemetry), ["initRuntimeDone", "start", "runtimeDone", "report", "fault"]);
        assert_eq!(telemetry[2]["record"]["errorType"], "Runtime.ExitError");
        assert_eq!(telemetry[2]["record"]["tracing"]["value"], "Root=1");
        let newer = told(&parse(Api::Logs, |_| {}).unwrap());
        assert_eq!(kinds(&newer), ["start", "runtimeDone", "end", "report", "fault"]);
        assert_eq!(newer[0]["record"], json!({ "requestId": "id", "version": "$LATEST" }));
        assert_eq!(newer[1]["record"], json!({ "requestId": "id", "status": "failure" }));
        assert_eq!(newer[2]["record"], json!({ "requestId": "id" }));
        assert_eq!(newer[3]["record"]["metrics"]["memorySizeMB"], 128);
        assert!(newer[3]["record"].get("status").is_none());
        let older = told(&parse(Api::Logs, |body| body["schemaVersion"] = "2020-08-15".into()).unwrap());
        assert_eq!(kinds(&older), ["start", "end", "report", "fault"]);
        let without = parse(Api::Telemetry, |body| body["types"] = json!(["function", "extension"])).unwrap();
        assert!(told(&without).is_empty());
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let refused = parse(Api::Telemetry, |body| {
            (body["types"], body["destination"]["URI"]) = (json!([]), "http://sandbox.localdomain".into());
        });
        assert_eq!(refused.unwrap_err(), "URI port is not provided; types should not be empty");
    }

    #[test]
    fn the_older_one_is_delivered_with_the_method_it_names() {
        let with = |api, method: Value| {
            parse(api, |body| body["destination"]["method"] = method).map(|read| match read.destination {
                Destination::Http { method, .. } => method,
                Destination::Tcp { .. } => "",
            })
        };
        assert_eq!(with(Api::Logs, "PUT".into()), Ok("PUT"));
        assert_eq!(with(Api::Logs, "POST".into()), Ok("POST"));
        for (api, method) in [
            (Api::Telemetry, json!("PUT")),
            (Api::Logs, json!("DELETE")),
            (Api::Logs, json!("POST / HTTP/1.1\r\nX: y")),
            (Api::Logs, Value::Null),
            (Api::Telemetry, json!(7)),
        ] {
            assert!(with(api, method.clone()).is_err(), "{method}");
        }
        assert!(parse(Api::Logs, |body| body["destination"]["encoding"] = json!("XML")).is_err());
    }

    #[test]
    fn destinations_beyond_the_environment_are_refused() {
        for uri in [
            "http://example.com:80/",
            "http://127.0.0.1:8080/",
            "http://localhost:8080",
            "http://169.254.169.254:80/",
            "https://sandbox.localdomain:8080",
            "http://sandbox.localdomain",
            "http://sandbox.localdomain:0",
            "http://sandbox.localdomain:65536",
            "http://sandbox.localdomain:+80",
            "http://sandbox.localdomain:9001",
            "http://sandbox.localdomain:4566/",
            "http://sandbox.localdomain:9003/",
            "http://sandbox.localdomain:53/",
            "http://sandbox.localdomain@example.com:80/",
            "http://user:sandbox.localdomain:80/",
            "http://sandbox.localdomain.example.com:80/",
            "http://sandbox.localdomain:8080/a b",
            "http://sandbox.localdomain:8080/\r\nX: y",
            "8080",
            "",
        ] {
            let refused = parse(Api::Telemetry, |body| body["destination"]["URI"] = uri.into());
            assert!(refused.is_err(), "{uri}");
        }
        let own = [json!(9_001), json!(4_566), json!(9_003), json!(53)];
        let none = [json!(0), json!(65_536), json!("80"), json!(-1), Value::Null];
        for port in own.into_iter().chain(none) {
            let destination = json!({ "protocol": "TCP", "port": port });
            assert!(
                parse(Api::Logs, |body| body["destination"] = destination.clone()).is_err(),
                "{destination}"
            );
        }
    }

    #[test]
    fn what_is_out_of_range_or_unknown_is_refused() {
        let wrong: [(&str, Value); 14] = [
            ("/schemaVersion", json!("2021-03-18")),
            ("/schemaVersion", Value::Null),
            ("/types", json!([])),
            ("/types", json!("platform")),
            ("/types", json!(["platform", "all"])),
            ("/types", json!([7])),
            ("/destination", json!("http://sandbox:80")),
            ("/destination/protocol", json!("UDP")),
            ("/buffering", json!([])),
            ("/buffering/maxItems", json!(999)),
            ("/buffering/maxItems", json!(10_001)),
            ("/buffering/maxBytes", json!(1_048_577)),
            ("/buffering/timeoutMs", json!(24)),
            ("/buffering/timeoutMs", json!("25")),
        ];
        for (at, value) in wrong {
            let refused = parse(Api::Telemetry, |body| *body.pointer_mut(at).unwrap() = value.clone());
            assert!(refused.is_err(), "{at} {value}");
        }
        for body in ["", "[]", "null", "{"] {
            assert!(Subscription::parse(Api::Telemetry, body.as_bytes()).is_err());
        }
    }
}
