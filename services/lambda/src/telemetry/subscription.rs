//! What an extension asks to be told, read and checked: nothing but a port of the environment itself can be named.

use std::time::Duration;

use serde_json::{Map, Value};

use super::Source;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// From 2022.
    Telemetry,
    /// From 2020: without most notes of the platform.
    Logs,
}

/// What is wrong with a subscription, in one sentence.
type Invalid = String;

/// A subscription that is in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) api: Api,
    platform: bool,
    function: bool,
    extension: bool,
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
    Http { port: u16, path: String, host: String },
    Tcp { port: u16 },
}

// AWS: ranges and values where none is given (Telemetry API reference, "Buffering").
const ITEMS: (u64, u64, u64) = (1_000, 10_000, 10_000);
const BYTES: (u64, u64, u64) = (262_144, 1_048_576, 262_144);
const TIMEOUT_MS: (u64, u64, u64) = (25, 30_000, 1_000);

/// Of a destination's path. Ours.
const PATH_BYTES_MAX: usize = 1_024;

// AWS: the names that mean the environment itself.
const HOSTS: [&str; 2] = ["sandbox.localdomain", "sandbox"];

impl Subscription {
    /// Reads one.
    pub(crate) fn parse(api: Api, body: &[u8]) -> Result<Self, Invalid> {
        let body: Map<String, Value> =
            serde_json::from_slice(body).map_err(|error| format!("the body is no JSON object: {error}"))?;
        schema(api, body.get("schemaVersion"))?;
        let types = body.get("types").and_then(Value::as_array).ok_or("types should not be empty")?;
        if types.is_empty() {
            return Err("types should not be empty".to_owned());
        }
        let known = ["platform", "function", "extension"];
        if let Some(other) =
            types.iter().find(|kind| !kind.as_str().is_some_and(|kind| known.contains(&kind)))
        {
            return Err(format!("types must be among {}: {}", known.join(", "), short(other)));
        }
        let has = |name: &str| types.iter().any(|kind| kind == name);
        let buffering = match body.get("buffering") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(buffering)) => buffering.clone(),
            Some(_) => return Err("buffering must be an object".to_owned()),
        };
        let destination =
            body.get("destination").and_then(Value::as_object).ok_or("destination is not provided")?;
        Ok(Self {
            api,
            platform: has("platform"),
            function: has("function"),
            extension: has("extension"),
            destination: Destination::parse(destination)?,
            items_max: usize::try_from(within(&buffering, "maxItems", ITEMS)?).unwrap_or(usize::MAX),
            bytes_max: usize::try_from(within(&buffering, "maxBytes", BYTES)?).unwrap_or(usize::MAX),
            timeout: Duration::from_millis(within(&buffering, "timeoutMs", TIMEOUT_MS)?),
        })
    }

    /// As they are told of.
    pub(super) fn types(&self) -> Vec<&'static str> {
        let all = [(self.platform, "platform"), (self.function, "function"), (self.extension, "extension")];
        all.into_iter().filter(|(has, _)| *has).map(|(_, name)| name).collect()
    }

    pub(super) fn hears_lines_of(&self, source: Source) -> bool {
        match source {
            Source::Function => self.function,
            Source::Extension => self.extension,
        }
    }

    /// Is it told of this note of the platform's?
    pub(super) fn hears(&self, kind: &str) -> bool {
        // AWS: what the older one tells (Lambda Logs API, "Log messages").
        const OLDER: [&str; 7] = [
            "platform.start",
            "platform.runtimeDone",
            "platform.report",
            "platform.fault",
            "platform.extension",
            "platform.logsSubscription",
            "platform.logsDropped",
        ];
        self.platform && (self.api == Api::Telemetry || OLDER.contains(&kind))
    }
}

fn schema(api: Api, given: Option<&Value>) -> Result<(), Invalid> {
    // AWS: the versions of both references.
    let (known, may_be_missing): (&[&str], bool) = match api {
        Api::Telemetry => (&["2022-07-01", "2022-12-13", "2025-01-29"], false),
        Api::Logs => (&["2020-08-15", "2021-03-18"], true),
    };
    match given {
        None if may_be_missing => Ok(()),
        Some(Value::String(given)) if known.contains(&given.as_str()) => Ok(()),
        _ => Err(format!("schemaVersion must be one of {}", known.join(", "))),
    }
}

impl Destination {
    fn parse(given: &Map<String, Value>) -> Result<Self, Invalid> {
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
        if text("method").is_some_and(|method| method != "POST") {
            return Err("method must be POST".to_owned());
        }
        if text("encoding").is_some_and(|encoding| encoding != "JSON") {
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
        Ok(Self::Http { port, path: path.to_owned(), host: authority.to_owned() })
    }

    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Http { port, .. } | Self::Tcp { port } => *port,
        }
    }
}

/// A port that an extension can listen on: not one of the platform's own.
fn usable(port: Option<u16>) -> Result<u16, Invalid> {
    let own = [casemate_sandbox::RUNTIME_API_PORT, casemate_sandbox::AWS_ENDPOINT_PORT];
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
        assert!(read.hears("platform.initStart") && !read.hears_lines_of(Source::Extension));
        let older = parse(Api::Logs, |body| drop(body["schemaVersion"].take()));
        assert!(older.is_err(), "null is no version");
        let older =
            parse(Api::Logs, |body| drop(body.as_object_mut().unwrap().remove("schemaVersion"))).unwrap();
        assert!(older.hears("platform.report") && !older.hears("platform.initStart"));
        let tcp = parse(Api::Logs, |body| body["destination"] = json!({ "protocol": "TCP", "port": 9_999 }))
            .unwrap();
        assert_eq!(tcp.destination, Destination::Tcp { port: 9_999 });
        let plain =
            parse(Api::Telemetry, |body| drop(body.as_object_mut().unwrap().remove("buffering"))).unwrap();
        assert_eq!((plain.items_max, plain.bytes_max, plain.timeout.as_millis()), (10_000, 262_144, 1_000));
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
        for port in [json!(0), json!(9_001), json!(4_566), json!(65_536), json!("80"), json!(-1), Value::Null]
        {
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
