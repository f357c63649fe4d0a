//! What has become of an extension that failed, as the function's caller and its log get it.

use std::io;

use casemate_sandbox::{ExitStatus, MemberEnd};
use serde_json::json;

use super::state::{Extension, Stage};
use crate::invocation::Outcome;

/// A failure of an extension: the environment is over with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fault {
    kind: &'static str,
    text: String,
}

impl Fault {
    /// The process of an extension has ended.
    // AWS: types and texts of the service ("exit code 0", "exit status 255", "fork/exec …: permission denied").
    pub(super) fn ended(extension: &Extension, end: MemberEnd) -> Self {
        let kind = match (extension.stage, end) {
            (_, MemberEnd::NotExecuted(_)) => "Extension.LaunchError",
            (Stage::InitError, _) => INIT_ERROR,
            (Stage::ExitError, _) => EXIT_ERROR,
            _ => "Extension.Crash",
        };
        let text = match end {
            MemberEnd::NotExecuted(errno) => {
                format!("fork/exec {FOLDER}/{}: {}", extension.name, reason(errno))
            }
            MemberEnd::Exited(ExitStatus::Code(0) | ExitStatus::Unknown) => "exit code 0".to_owned(),
            MemberEnd::Exited(ExitStatus::Code(code)) => format!("exit status {code}"),
            MemberEnd::Exited(ExitStatus::Signal(9)) => "signal: killed".to_owned(),
            MemberEnd::Exited(ExitStatus::Signal(signal)) => format!("signal: {signal}"),
        };
        Self { kind, text }
    }

    /// There are more files than there may be extensions.
    // AWS: the type of extensions that cannot be launched, the error's name as in its local emulator.
    pub(crate) fn too_many() -> Self {
        Self { kind: "Extension.LaunchError", text: "ErrTooManyExtensions".to_owned() }
    }

    /// Which there are cannot be said. Ours: on AWS they are launched or fail one by one.
    pub(crate) fn unlisted(why: String) -> Self {
        Self { kind: "Extension.LaunchError", text: why }
    }

    /// Its type.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    /// As the runtime's report of a failed start would be; the request is named later.
    pub(crate) fn report(&self) -> String {
        json!({ "errorType": self.kind, "errorMessage": format!("Error: {}", self.text) }).to_string()
    }

    /// As the caller of a request gets it.
    pub(crate) fn outcome(&self, request_id: &str) -> Outcome {
        let text = format!("RequestId: {request_id} Error: {}", self.text);
        Outcome::Failure(json!({ "errorType": self.kind, "errorMessage": text }).to_string().into())
    }

    /// The line for the log.
    pub(crate) fn line(&self, request_id: &str) -> String {
        format!("RequestId: {request_id} Error: {}\t{}", self.text, self.kind)
    }
}

/// One that has said that it failed and goes on running.
pub(super) fn reported(extensions: &[Extension]) -> Option<Fault> {
    let failed = extensions.iter().find(|one| matches!(one.stage, Stage::InitError | Stage::ExitError))?;
    let kind = if failed.stage == Stage::InitError { INIT_ERROR } else { EXIT_ERROR };
    let error = failed.error.as_deref().unwrap_or_default();
    Some(Fault { kind, text: format!("extension {} reported {error}", failed.name) })
}

/// As AWS's programs word the system's errors.
fn reason(errno: i32) -> String {
    match errno {
        2 => "no such file or directory".to_owned(),
        8 => "exec format error".to_owned(),
        13 => "permission denied".to_owned(),
        _ => io::Error::from_raw_os_error(errno).to_string(),
    }
}

/// Where external extensions lie.
pub(crate) const FOLDER: &str = "/opt/extensions";
const INIT_ERROR: &str = "Extension.InitError";
const EXIT_ERROR: &str = "Extension.ExitError";
