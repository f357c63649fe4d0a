//! How ends and failed starts read, to callers and in logs.

use bytes::Bytes;
use casemate_sandbox::{Exit, ExitStatus};

use crate::{event, invocation::Outcome};

/// How a process ended.
// AWS: the texts of Runtime.ExitError.
pub(crate) fn exit_text(exit: Exit) -> String {
    match exit.status {
        ExitStatus::Signal(_) if exit.out_of_memory => "Runtime exited with error: signal: killed".to_owned(),
        ExitStatus::Code(0) | ExitStatus::Unknown => "Runtime exited without providing a reason".to_owned(),
        ExitStatus::Code(code) => format!("Runtime exited with error: exit status {code}"),
        ExitStatus::Signal(signal) => match event::signal_name(signal) {
            Some(name) => format!("Runtime exited with error: signal: {name}"),
            None => format!("Runtime exited with error: signal {signal}"),
        },
    }
}

/// The report of a runtime that could not start, as its caller gets it.
pub(crate) fn start_report(request_id: &str, report: &Bytes) -> Outcome {
    let mut value: serde_json::Value = serde_json::from_slice(report).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        let of = |name: &str| fields.get(name).and_then(|value| value.as_str());
        // AWS: the platform's own reports name the request in the text.
        let is_platforms = |kind: &str| kind == "Runtime.InvalidEntrypoint" || kind.starts_with("Extension.");
        if let (true, Some(text)) = (of("errorType").is_some_and(is_platforms), of("errorMessage")) {
            let text = format!("RequestId: {request_id} {text}");
            fields.insert("errorMessage".to_owned(), text.into());
        }
        if fields.contains_key("requestId") {
            fields.insert("requestId".to_owned(), request_id.into());
        }
        return Outcome::Failure(value.to_string().into());
    }
    Outcome::Failure(report.clone())
}

#[cfg(test)]
mod tests {
    use casemate_sandbox::Usage;

    use super::*;

    fn exit(status: ExitStatus) -> Exit {
        Exit { status, out_of_memory: false, usage: Usage::default() }
    }

    #[test]
    fn exits_read_as_awss() {
        assert_eq!(exit_text(exit(ExitStatus::Code(1))), "Runtime exited with error: exit status 1");
        assert_eq!(exit_text(exit(ExitStatus::Code(0))), "Runtime exited without providing a reason");
        assert_eq!(
            exit_text(exit(ExitStatus::Signal(11))),
            "Runtime exited with error: signal: segmentation fault"
        );
        assert_eq!(exit_text(exit(ExitStatus::Signal(9))), "Runtime exited with error: signal: killed");
    }

    #[test]
    fn a_start_report_is_given_the_request_it_failed() {
        let report =
            Bytes::from_static(br#"{"errorMessage":"m","errorType":"T","requestId":"","stackTrace":[]}"#);
        let expected = r#"{"errorMessage":"m","errorType":"T","requestId":"id","stackTrace":[]}"#;
        assert_eq!(start_report("id", &report), Outcome::Failure(expected.into()));
        let odd = Bytes::from_static(b"not json");
        assert_eq!(start_report("id", &odd), Outcome::Failure(odd.clone()));
    }
}
