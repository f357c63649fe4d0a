//! Why there is no environment, as its caller is told.

use bytes::Bytes;
use casemate_sandbox::{Exit, StartError};

use crate::api::Error;

/// Why there is no environment.
#[derive(Debug)]
pub(crate) enum NotStarted {
    /// The platform cannot or may not: no sandbox, no role, no package.
    Refused(Error),
    /// The runtime reported that it cannot load the function.
    Reported(Bytes, Vec<u8>),
    /// The runtime's process ended.
    Exited(Exit, Vec<u8>),
    /// It took too long.
    TimedOut(Vec<u8>),
    /// Its process must not be forked, because of this.
    Unforkable(String),
}

impl<E: Into<Error>> From<E> for NotStarted {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

// AWS: type and texts of the service.
pub(super) fn invalid_working_dir(why: &str) -> NotStarted {
    let report = serde_json::json!({ "errorType": "Runtime.InvalidWorkingDir", "errorMessage": format!("Error: {why}") });
    NotStarted::Reported(report.to_string().into(), Vec::new())
}

// AWS: type and texts of the service.
pub(super) fn invalid_entrypoint(why: &str) -> NotStarted {
    let report = serde_json::json!({ "errorType": "Runtime.InvalidEntrypoint", "errorMessage": format!("Error: {why}") });
    NotStarted::Reported(report.to_string().into(), Vec::new())
}

pub(super) fn unavailable(error: &StartError) -> Error {
    // INVARIANT: nothing runs without the sandbox; the caller is told which layer is missing.
    Error::service_exception(format!("the execution environment cannot be started: {error}"))
}
