//! What a runtime reports of an error for tracing: which kinds of errors, in which files.
//!
//! Messages, stacks and folders are left out: they may hold anything that the function has in its hands.

use serde::Deserialize;

/// The header that holds it.
pub(super) const HEADER: &str = "lambda-runtime-function-xray-error-cause";
/// Kinds and files that are kept of one, and characters of each. Ours: a report has one or two.
const KEPT_MAX: usize = 8;
const CHARS_MAX: usize = 128;

// AWS: the shape of X-Ray's `cause` as its runtimes write it.
#[derive(Debug, Deserialize)]
struct Cause {
    #[serde(default)]
    exceptions: Vec<Exception>,
    #[serde(default)]
    paths: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Exception {
    #[serde(default, rename = "type")]
    kind: String,
}

/// It in one line. `None`: it is not well-formed, or says nothing.
// AWS: what is not well-formed is dropped.
pub(super) fn of(header: &[u8]) -> Option<String> {
    let cause: Cause = serde_json::from_slice(header).ok()?;
    let kinds = listed(cause.exceptions.iter().map(|exception| exception.kind.as_str()));
    let paths = listed(cause.paths.iter().map(String::as_str));
    match (kinds.is_empty(), paths.is_empty()) {
        (true, true) => None,
        (false, true) => Some(kinds),
        (_, false) => Some(format!("{kinds} in {paths}")),
    }
}

fn listed<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let kept = texts.filter(|text| !text.is_empty()).take(KEPT_MAX);
    let kept = kept.map(|text| format!("{:?}", text.chars().take(CHARS_MAX).collect::<String>()));
    kept.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_files_are_kept_and_what_was_said_is_not() {
        let cause = br#"{"working_directory":"/var/task","exceptions":[{"type":"ValueError","message":"hunter2","stack":[]}],"paths":["app.py"]}"#;
        assert_eq!(of(cause).as_deref(), Some("\"ValueError\" in \"app.py\""));
        assert_eq!(of(br#"{"exceptions":[{"type":"A"},{"type":"B"}]}"#).as_deref(), Some("\"A\", \"B\""));
        for silent in [&b"xxx"[..], b"{}", b"[]", b"{\"exceptions\":[{\"message\":\"m\"}]}", b"\xff"] {
            assert_eq!(of(silent), None);
        }
    }

    #[test]
    fn a_long_report_becomes_a_short_line() {
        let one = format!("{{\"type\":\"{}\"}}", "\u{e9}".repeat(1_000));
        let cause = format!("{{\"exceptions\":[{}]}}", vec![one; 100].join(","));
        let line = of(cause.as_bytes()).unwrap();
        assert!(line.chars().count() < KEPT_MAX * (CHARS_MAX + 4), "{line}");
        assert_eq!(of(br#"{"exceptions":[{"type":"a\nb"}]}"#).as_deref(), Some("\"a\\nb\""));
    }
}
