//! One request to a function, and how it can end. Plain data.

use std::sync::Arc;

use bytes::Bytes;
use casemate_names::{Arn, Timestamp};
use serde_json::json;

use crate::{restored::Restored, streaming::Sink};

/// A request as a runtime receives it.
#[derive(Debug, Clone)]
pub(crate) struct Invocation {
    /// The request's id, everywhere.
    pub(crate) request_id: String,
    /// The ARN that was asked for: version or alias included.
    pub(crate) invoked: Arn,
    /// The event.
    pub(crate) payload: Bytes,
    /// JSON that a client library sent along.
    pub(crate) client_context: Option<String>,
    /// `Root=…;Parent=…;Sampled=0`
    pub(crate) trace_id: String,
    /// When the function's time is over; set when the runtime takes it.
    pub(crate) deadline: Timestamp,
    /// Told with it; `None`: nothing, as nearly always.
    pub(crate) restored: Option<Arc<Restored>>,
    /// Where a streamed answer goes; `None`: whoever asked takes whole answers.
    pub(crate) sink: Option<Sink>,
}

/// What came of a request, as its caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The function answered.
    Answer(Bytes),
    /// The function, its runtime or its environment failed; the body says how.
    Failure(Bytes),
}

/// A finished request.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    /// What came of it.
    pub(crate) outcome: Outcome,
    /// The last of what it wrote, at most 4 KB.
    pub(crate) tail: Vec<u8>,
}

/// Largest request and answer, in bytes.
// AWS: 6 MB each (Lambda quotas, "Invocation payload").
pub(crate) const PAYLOAD_BYTES_MAX: usize = 6_291_456;
/// Largest answer that the Runtime API takes, in bytes.
// AWS: 6 MiB and 100 bytes, as its error texts say.
pub(crate) const ANSWER_BYTES_MAX: usize = 6_291_556;
/// Largest streamed answer, in bytes.
// AWS: 200 MB (Lambda quotas, "Invocation payload", streamed responses).
pub(crate) const STREAM_BYTES_MAX: usize = 200 << 20;
/// Largest event of an asynchronous request, in bytes.
// AWS: 1 MB (Lambda quotas, "Invocation payload", asynchronous).
pub(crate) const EVENT_BYTES_MAX: usize = 1_048_576;

impl Outcome {
    /// The function took longer than it may.
    // AWS: type and text of the service.
    pub(crate) fn timed_out(request_id: &str, timeout_s: u32) -> Self {
        let text = format!("RequestId: {request_id} Error: Task timed out after {timeout_s}.00 seconds");
        Self::platform("Sandbox.Timedout", &text)
    }

    /// The runtime's process ended.
    // AWS: type and texts of the service.
    pub(crate) fn exited(request_id: &str, how: &str) -> Self {
        Self::platform("Runtime.ExitError", &format!("RequestId: {request_id} Error: {how}"))
    }

    /// The answer was larger than answers may be.
    // AWS: type and text of the service.
    pub(crate) fn too_large() -> Self {
        let text = format!(
            "Response payload size exceeded maximum allowed payload size ({ANSWER_BYTES_MAX} bytes)."
        );
        Self::platform("Function.ResponseSizeTooLarge", &text)
    }

    /// A streamed answer grew larger than it may.
    // AWS: the type of answers that are too large; the text with the other limit.
    pub(crate) fn stream_too_large() -> Self {
        let text = format!(
            "Response payload size exceeded maximum allowed payload size ({STREAM_BYTES_MAX} bytes)."
        );
        Self::platform("Function.ResponseSizeTooLarge", &text)
    }

    /// A streamed answer broke off without saying why.
    // AWS: the type as its local emulator has it.
    pub(crate) fn truncated() -> Self {
        Self::platform("Runtime.TruncatedResponse", "the response stream ended before it was complete")
    }

    fn platform(error_type: &str, text: &str) -> Self {
        Self::Failure(json!({ "errorType": error_type, "errorMessage": text }).to_string().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(outcome: Outcome) -> String {
        match outcome {
            Outcome::Failure(body) | Outcome::Answer(body) => String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    #[test]
    fn platform_failures_read_as_awss() {
        assert_eq!(
            text(Outcome::timed_out("id", 1)),
            r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: id Error: Task timed out after 1.00 seconds"}"#
        );
        assert_eq!(
            text(Outcome::exited("id", "Runtime exited with error: exit status 127")),
            r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: id Error: Runtime exited with error: exit status 127"}"#
        );
        assert_eq!(
            text(Outcome::too_large()),
            r#"{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}"#
        );
    }
}
