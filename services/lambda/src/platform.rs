//! What the platform tells of an environment: for the function's log, as text or JSON, and for who listens inside.
//!
//! AWS: Lambda developer guide, "Lambda Telemetry API `Event` schema reference", and "System log level event mapping" for the
//! levels.

use casemate_names::Timestamp;
use serde_json::{Value, json};

use crate::{
    function::Function,
    logging::Level,
    process::Purpose,
    report::{self, Used},
    telemetry::Api,
    version::Version,
};

/// One thing told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Note {
    /// `platform.start` and the like.
    pub(crate) kind: &'static str,
    pub(crate) level: Level,
    pub(crate) record: Value,
    /// Its line in a log of text; not every note has one.
    pub(crate) text: Option<String>,
}

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    /// The function answered with a failure.
    Failure,
    /// Its runtime or an extension ended.
    Error,
    Timeout,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Timeout => "timeout",
        }
    }

    fn level(self, on_success: Level) -> Level {
        if self == Self::Success { on_success } else { Level::Warn }
    }

    /// As REPORT lines name it, if they do.
    pub(crate) fn reported(self) -> Option<&'static str> {
        matches!(self, Self::Error | Self::Timeout).then(|| self.name())
    }
}

impl Note {
    /// As a line of JSON.
    pub(crate) fn json(&self, at: Timestamp) -> String {
        line(self.kind, at, &self.record)
    }

    /// The environment begins to start.
    pub(crate) fn init_start(function: &Function, purpose: Purpose) -> Self {
        let mut record = json!({
            "initializationType": initialization(purpose),
            "phase": "init",
            "functionName": function.name,
            "functionVersion": function.version.to_string(),
            "instanceMaxMemory": u64::from(function.settings.memory_mb) << 20,
        });
        // An image has no version of a runtime.
        let runtime = function.image.is_none().then_some(function.settings.runtime.as_str());
        insert(&mut record, "runtimeVersion", runtime);
        let text = runtime.map(|runtime| format!("INIT_START Runtime Version: {runtime}"));
        Self { kind: "platform.initStart", level: Level::Info, record, text }
    }

    /// The runtime has started, or could not.
    pub(crate) fn init_runtime_done(purpose: Purpose, status: Status) -> Self {
        let record = json!({
            "initializationType": initialization(purpose), "phase": "init", "status": status.name(),
        });
        let level = status.level(Level::Debug);
        Self { kind: "platform.initRuntimeDone", level, record, text: None }
    }

    /// The start is over.
    pub(crate) fn init_report(
        purpose: Purpose,
        duration: std::time::Duration,
        (status, error_type): (Status, Option<&str>),
    ) -> Self {
        let mut record = json!({
            "initializationType": initialization(purpose), "phase": "init", "status": status.name(),
            "metrics": { "durationMs": millis(duration) },
        });
        insert(&mut record, "errorType", error_type);
        // AWS: only a failed start has a line.
        let text = (status != Status::Success).then(|| {
            let error = error_type.map(|error| format!("\tError Type: {error}")).unwrap_or_default();
            report::init_failed(duration, &format!("{}{error}", status.name()))
        });
        let on_success = if purpose == Purpose::Provisioned { Level::Info } else { Level::Debug };
        Self { kind: "platform.initReport", level: status.level(on_success), record, text }
    }

    /// An environment begins to be made from a snapshot.
    pub(crate) fn restore_start(function: &Function) -> Self {
        let runtime = &function.settings.runtime;
        let record = json!({
            "functionName": function.name,
            "functionVersion": function.version.to_string(),
            "runtimeVersion": runtime,
            "instanceMaxMemory": u64::from(function.settings.memory_mb) << 20,
        });
        let text = Some(report::restore_start(runtime));
        Self { kind: "platform.restoreStart", level: Level::Info, record, text }
    }

    /// It is made, its hooks have run; or not.
    pub(crate) fn restore_report(duration: std::time::Duration, status: Status) -> Self {
        let record = json!({ "status": status.name(), "metrics": { "durationMs": millis(duration) } });
        let text = Some(report::restored(duration, status.reported()));
        Self { kind: "platform.restoreReport", level: status.level(Level::Debug), record, text }
    }

    /// A request begins.
    pub(crate) fn start(request_id: &str, version: Version, trace_id: &str) -> Self {
        let mut record = json!({ "requestId": request_id, "version": version.to_string() });
        trace(&mut record, trace_id);
        let text = Some(report::start(request_id, version));
        Self { kind: "platform.start", level: Level::Info, record, text }
    }

    /// The runtime has finished with a request.
    pub(crate) fn runtime_done(
        request_id: &str,
        duration: std::time::Duration,
        (status, error_type): (Status, Option<&str>),
        trace_id: &str,
    ) -> Self {
        let mut record = json!({
            "requestId": request_id, "status": status.name(), "metrics": { "durationMs": millis(duration) },
        });
        insert(&mut record, "errorType", error_type);
        trace(&mut record, trace_id);
        let text = Some(report::end(request_id));
        Self { kind: "platform.runtimeDone", level: status.level(Level::Debug), record, text }
    }

    /// What a request used.
    pub(crate) fn report(
        request_id: &str,
        used: &Used,
        (status, error_type): (Status, Option<&str>),
        trace_id: &str,
    ) -> Self {
        let mut metrics = json!({
            "durationMs": millis(used.duration),
            "billedDurationMs": report::billed_ms(used),
            "memorySizeMB": used.memory_mb,
            "maxMemoryUsedMB": used.memory_peak_bytes.div_ceil(1 << 20),
        });
        for (name, duration) in [("initDurationMs", used.init), ("restoreDurationMs", used.restore)] {
            if let (Some(duration), Some(metrics)) = (duration, metrics.as_object_mut()) {
                metrics.insert(name.to_owned(), millis(duration).into());
            }
        }
        let mut record = json!({ "requestId": request_id, "status": status.name(), "metrics": metrics });
        insert(&mut record, "errorType", error_type);
        trace(&mut record, trace_id);
        let text = Some(report::report(request_id, used));
        Self { kind: "platform.report", level: status.level(Level::Info), record, text }
    }

    /// How far an extension is.
    pub(crate) fn extension(name: &str, state: &str, events: &[&str], error: Option<&str>) -> Self {
        let mut record = json!({ "name": name, "state": state, "events": events });
        insert(&mut record, "errorType", error);
        let level = if error.is_none() { Level::Info } else { Level::Warn };
        // AWS: as the service writes it.
        let text = format!("EXTENSION\tName: {name}\tState: {state}\tEvents: [{}]", events.join(","));
        let error = error.map(|error| format!("\tError Type: {error}")).unwrap_or_default();
        Self { kind: "platform.extension", level, record, text: Some(text + &error) }
    }

    /// An extension listens from now on.
    pub(crate) fn subscription(api: Api, name: &str, types: &[&str]) -> Self {
        let record = json!({ "name": name, "state": "Subscribed", "types": types });
        let (kind, word) = match api {
            Api::Telemetry => ("platform.telemetrySubscription", "TELEMETRY"),
            Api::Logs => ("platform.logsSubscription", "LOGS"),
        };
        // AWS: as the service writes it.
        let text = format!("{word}\tName: {name}\tState: Subscribed\tTypes: [{}]", types.join(", "));
        Self { kind, level: Level::Info, record, text: Some(text) }
    }

    /// A subscriber was too slow.
    pub(crate) fn logs_dropped(records: u64, bytes: u64) -> Self {
        let reason = "Consumer seems to have fallen behind as it has not acknowledged receipt of logs.";
        let record = json!({ "droppedRecords": records, "droppedBytes": bytes, "reason": reason });
        Self { kind: "platform.logsDropped", level: Level::Warn, record, text: None }
    }

    /// Something in the environment failed; `text` names the request.
    pub(crate) fn fault(text: String) -> Self {
        let record = Value::String(text.clone());
        Self { kind: "platform.fault", level: Level::Warn, record, text: Some(text) }
    }

    /// What only this platform tells.
    // DIVERGES: AWS has no such notes.
    pub(crate) fn remark(text: String) -> Self {
        let record = Value::String(text.clone());
        Self { kind: "platform.remark", level: Level::Info, record, text: Some(text) }
    }
}

/// As a line of JSON.
pub(crate) fn line(kind: &str, at: Timestamp, record: &Value) -> String {
    json!({ "time": at.iso8601_millis(), "type": kind, "record": record }).to_string()
}

fn initialization(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Provisioned => "provisioned-concurrency",
        Purpose::Snapshot { .. } => "snap-start",
        Purpose::OnDemand | Purpose::Template => "on-demand",
    }
}

// AWS: with three digits after the point.
fn millis(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

fn insert(record: &mut Value, name: &str, value: Option<&str>) {
    if let (Some(value), Some(record)) = (value, record.as_object_mut()) {
        record.insert(name.to_owned(), value.into());
    }
}

fn trace(record: &mut Value, trace_id: &str) {
    if let Some(record) = record.as_object_mut().filter(|_| !trace_id.is_empty()) {
        record.insert("tracing".to_owned(), json!({ "type": "X-Amzn-Trace-Id", "value": trace_id }));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn notes_are_lines_of_text_or_json() {
        let note = Note::start("id", Version::Latest, "Root=1");
        assert_eq!(note.text.as_deref(), Some("START RequestId: id Version: $LATEST"));
        let at = Timestamp::from_millis(1_500);
        let expected = r#"{"record":{"requestId":"id","tracing":{"type":"X-Amzn-Trace-Id","value":"Root=1"},"version":"$LATEST"},"time":"1970-01-01T00:00:01.500Z","type":"platform.start"}"#;
        assert_eq!(
            serde_json::from_str::<Value>(&note.json(at)).unwrap(),
            serde_json::from_str::<Value>(expected).unwrap()
        );
        let done = Note::runtime_done("id", Duration::from_micros(1_234_567), (Status::Timeout, None), "");
        assert_eq!(done.record["metrics"]["durationMs"], 1_234.567);
        assert_eq!((done.level, done.text.as_deref()), (Level::Warn, Some("END RequestId: id")));
    }
}
