//! SnapStart: a published version is initialised when it is published, and its environments begin where that ended.
//!
//! ```text
//!   published ──▶ Pending ──initialised, hooks run──▶ Active ──not invoked for 14 days──▶ Inactive
//!                ▲   └──the function's or the host's fault──▶ Failed              invoked │  ▲
//!                └────published again, where it was the host's───┘   Active ◀── Restoring ◀┘  │
//!                                                                                 └──a fault──┘
//! ```
//! What is kept is a template: a process in a sandbox of its own that has loaded the function, has seen no request and is
//! forked ([`crate::forking`]). An environment is that sandbox with one child in it. Two environments must not share a
//! sandbox, so several templates of a version in use are kept. Of a function in a virtual machine it is the state of a machine
//! ([`crate::restoring`]), and an environment is a machine that goes on from there.
//!
//! DIVERGES: templates live in the server's memory. After its restart, or when the host needed their room, the first request
//! initialises one. AWS regenerates snapshots, too.
//! DIVERGES: only Python's processes can be forked, and seeded anew in a machine that was copied. Other runtimes that AWS makes
//! snapshots of are refused.
//!
//! Knows the rules and the states; not how anything is started.

use casemate_names::Timestamp;
use casemate_sandbox::{Driver, Family};
use casemate_store::Row;
use serde::{Deserialize, Serialize};

use crate::{
    api::{Error, RUNTIME_VALUES, SnapStart, SnapStartApplyOn, State as Shown, StateReasonCode},
    controls::{Client, Controls},
    function::{Function, Settings},
    refusal,
    version::Version,
};

/// Most of `/tmp`, MB.
// AWS: "SnapStart does not support […] ephemeral storage greater than 512 MB" (developer guide, "SnapStart").
const TMP_MB_MAX: u32 = 512;

/// How long a snapshot is kept that nobody uses, seconds.
// AWS: a version "becomes `Inactive` when it hasn't been invoked for 14 days" (developer guide, "Troubleshooting SnapStart
// errors").
const UNUSED_S_MAX: i64 = 14 * 24 * 3_600;

/// How much earlier than noted it may have been used last, seconds. Ours: 14 days are longer by that.
pub(crate) const NOTED_EVERY_S: i64 = 3_600;

/// Longest name of an error that is repeated in a version's state.
const KIND_CHARS_MAX: usize = 100;

/// Whether a version may be invoked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    /// It may.
    #[default]
    Active,
    /// It is being initialised.
    Pending,
    /// It could not be.
    Failed {
        /// Of AWS's codes.
        code: String,
        /// For people.
        why: String,
    },
    /// Nobody has invoked it for long, and nothing of it is kept.
    Inactive {
        /// Where it could not be made again: AWS's code, and why.
        #[serde(default)]
        failed: Option<(String, String)>,
    },
    /// It is being made again, since it was invoked while it was inactive. Shown as pending.
    Restoring,
}

impl State {
    /// It failed, and why.
    pub(crate) fn failed(code: StateReasonCode, why: impl Into<String>) -> Self {
        Self::Failed { code: code.as_str().to_owned(), why: why.into() }
    }

    /// Does it wait to be made?
    pub(crate) fn is_to_be_made(&self) -> bool {
        matches!(self, Self::Pending | Self::Restoring)
    }

    /// What follows on this one when making it came to `made`.
    // AWS: "If Lambda fails to recreate the resources, the function returns to the inactive state" (developer guide, "Lambda
    // function states").
    pub(crate) fn followed_by(&self, made: Self) -> Self {
        match (self, made) {
            (Self::Restoring, Self::Failed { code, why }) => Self::Inactive { failed: Some((code, why)) },
            (_, made) => made,
        }
    }

    /// Did it fail through no fault of the function's?
    pub(crate) fn is_platforms_failure(&self) -> bool {
        matches!(self, Self::Failed { code, .. } if code == StateReasonCode::InternalError.as_str())
    }

    /// It failed because the runtime reported this.
    pub(crate) fn failed_with(report: &[u8]) -> Self {
        let report: serde_json::Value = serde_json::from_slice(report).unwrap_or_default();
        let kind = report.get("errorType").and_then(serde_json::Value::as_str).unwrap_or("Runtime.Unknown");
        // The message may tell what the function knows; whoever may read its log finds it there.
        let kind: String = kind.chars().filter(char::is_ascii_graphic).take(KIND_CHARS_MAX).collect();
        Self::failed(
            StateReasonCode::FunctionError,
            format!("An error occurred during function initialization: {kind}. Its log says more."),
        )
    }

    /// As the API shows it: state, reason, and the reason's code.
    pub(crate) fn shown(&self) -> (Shown, Option<String>, Option<StateReasonCode>) {
        match self {
            Self::Active => (Shown::Active, None, None),
            // AWS: text and code of a function that is made.
            Self::Pending => (
                Shown::Pending,
                Some("The function is being created.".to_owned()),
                Some(StateReasonCode::Creating),
            ),
            Self::Failed { code, why } => (Shown::Failed, Some(why.clone()), StateReasonCode::parse(code)),
            // AWS: the codes; the texts are ours.
            Self::Restoring => (
                Shown::Pending,
                Some("The function is being restored.".to_owned()),
                Some(StateReasonCode::Restoring),
            ),
            Self::Inactive { failed: None } => {
                (Shown::Inactive, Some("The function is idle.".to_owned()), Some(StateReasonCode::Idle))
            }
            Self::Inactive { failed: Some((code, why)) } => {
                (Shown::Inactive, Some(why.clone()), StateReasonCode::parse(code))
            }
        }
    }

    /// Refuses requests for what is not active.
    // AWS: text as the service words it.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let state = match self {
            Self::Active => return Ok(()),
            Self::Pending => "Pending",
            Self::Failed { .. } => "Failed",
            // AWS: code and text of the developer guide ("Troubleshooting SnapStart errors").
            Self::Inactive { .. } | Self::Restoring => {
                return Err(Error::snap_start_not_ready_exception(
                    "Lambda is initializing your function. It will be ready to invoke once your function state becomes ACTIVE.",
                ));
            }
        };
        Err(Error::resource_conflict_exception(format!(
            "The operation cannot be performed at this time. The function is currently in the following state: {state}"
        )))
    }
}

/// When a version with snapshots was last invoked, or made, as nearly as is noted.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Used(pub(crate) Timestamp);

impl Row for Used {
    const TABLE: &'static str = "lambda.snapshot-used";
    const VERSION: u16 = 1;
}

impl Used {
    /// Was that long ago?
    pub(crate) fn is_long_ago(self, now: Timestamp) -> bool {
        now >= self.0.plus_seconds(UNUSED_S_MAX)
    }

    /// Is it to be noted again?
    pub(crate) fn is_vague(self, now: Timestamp) -> bool {
        now >= self.0.plus_seconds(NOTED_EVERY_S)
    }
}

/// Do environments of this version begin from a snapshot?
pub(crate) fn is_of(function: &Function) -> bool {
    function.settings.snap_start && function.version != Version::Latest
}

/// How many templates of it are kept as long as it is active.
pub(crate) fn kept(version: &Function) -> usize {
    let variables = version.settings.variables.as_ref();
    let asked = variables.and_then(|variables| Controls::of(variables).ok()?.snapshots);
    // More than may run at once is of no use.
    asked.map_or(1, usize::from).min(version.reserved.unwrap_or(usize::MAX))
}

/// What is asked; `None`: nothing.
pub(crate) fn asked(config: Option<&SnapStart>) -> Option<bool> {
    let apply_on = config?.apply_on?;
    Some(apply_on == SnapStartApplyOn::PublishedVersions)
}

/// Refuses settings with which there can be no snapshot.
pub(crate) fn check(settings: &Settings, driver: Option<&Driver>) -> Result<(), Error> {
    if !settings.snap_start {
        return Ok(());
    }
    check_runtime(&settings.runtime, driver)?;
    if settings.tmp_mb > TMP_MB_MAX {
        // AWS: the code; the text is ours.
        return Err(Error::invalid_parameter_value_exception(format!(
            "SnapStart does not support ephemeral storage greater than {TMP_MB_MAX} MB"
        )));
    }
    let wishes = settings.variables.as_ref().map(Controls::of).transpose();
    let wishes = wishes.map_err(Error::invalid_parameter_value_exception)?.unwrap_or_default();
    if wishes.client == Client::Aws {
        return Err(refusal::not_here(
            "SnapStart with AWS's own runtime client, whose process cannot be forked,",
        ));
    }
    // What of it cannot be in a virtual machine, [`crate::machines`] refuses.
    Ok(())
}

fn check_runtime(runtime: &str, driver: Option<&Driver>) -> Result<(), Error> {
    // AWS: "SnapStart is available for the following Lambda managed runtimes: Java 11 and later, Python 3.12 and later, .NET 8
    // and later" (developer guide); the text is the service's.
    let since = [("java", 11), ("python3.", 12), ("dotnet", 8)];
    let number = |of: &str| runtime.strip_prefix(of).and_then(|number| number.parse::<u32>().ok());
    let is_awss = since.iter().any(|(of, first)| number(of).is_some_and(|number| number >= *first));
    let family = driver.and_then(|driver| driver.runtimes().find(runtime)).map(|runtime| runtime.family);
    // An operator's own runtime is none of AWS's list, and may be Python.
    let is_own = !runtime.is_empty() && !RUNTIME_VALUES.contains(&runtime) && family == Some(Family::Python);
    if !is_awss && !is_own {
        let runtime = if runtime.is_empty() { "A container image" } else { runtime };
        return Err(Error::invalid_parameter_value_exception(format!(
            "{runtime} is not supported for SnapStart enabled functions."
        )));
    }
    if !is_own && !runtime.starts_with("python") {
        return Err(refusal::not_here(&format!(
            "SnapStart of {runtime} (snapshots are of Python functions only)"
        )));
    }
    Ok(())
}

/// Refuses provisioned concurrency of a version with snapshots.
pub(crate) fn check_provisioned(function: &Function) -> Result<(), Error> {
    if is_of(function) {
        // AWS: the code; the text is ours.
        return Err(Error::invalid_parameter_value_exception(
            "Provisioned Concurrency is not supported for SnapStart enabled functions.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_makes_no_snapshots_of_is_refused_in_its_words_and_what_we_cannot_in_ours() {
        let refused = |runtime: &str| format!("{:?}", check_runtime(runtime, None).unwrap_err());
        for runtime in [
            "nodejs20.x",
            "python3.11",
            "provided.al2023",
            "ruby3.3",
            "java8.al2",
            "dotnet6",
            "unknown",
            "my-python",
        ] {
            let text = format!("{runtime} is not supported for SnapStart enabled functions.");
            assert!(refused(runtime).contains(&text), "{runtime}");
        }
        assert!(refused("").contains("A container image is not supported"));
        for runtime in ["java11", "java21", "dotnet8"] {
            assert!(refused(runtime).contains("not supported by this installation"), "{runtime}");
        }
        for runtime in ["python3.12", "python3.13"] {
            check_runtime(runtime, None).unwrap();
        }
    }

    #[test]
    fn only_an_active_version_is_invoked() {
        State::Active.check().unwrap();
        let failed = State::failed(StateReasonCode::FunctionError, "x");
        for (state, name) in [(State::Pending, "Pending"), (failed, "Failed")] {
            let Err(Error::ResourceConflictException(refusal)) = state.check() else { panic!("not refused") };
            assert!(refusal.message.unwrap().ends_with(&format!("following state: {name}")));
        }
    }

    #[test]
    fn an_inactive_version_is_to_be_ready_soon_and_stays_inactive_where_it_could_not_be_made() {
        let idle = State::Inactive { failed: None };
        for state in [&idle, &State::Restoring] {
            assert!(matches!(state.check(), Err(Error::SnapStartNotReadyException(_))), "{state:?}");
        }
        let code = |state: &State| (state.shown().0, state.shown().2);
        assert_eq!(code(&idle), (Shown::Inactive, Some(StateReasonCode::Idle)));
        assert_eq!(code(&State::Restoring), (Shown::Pending, Some(StateReasonCode::Restoring)));
        let failed = State::failed(StateReasonCode::FunctionError, "why");
        let after = State::Restoring.followed_by(failed.clone());
        assert_eq!(code(&after), (Shown::Inactive, Some(StateReasonCode::FunctionError)));
        assert_eq!(after.shown().1.unwrap(), "why");
        assert_eq!(State::Pending.followed_by(failed.clone()), failed);
        assert_eq!(State::Restoring.followed_by(State::Active), State::Active);
    }

    #[test]
    fn a_reason_names_the_error_and_repeats_nothing_of_it() {
        let report = br#"{"errorType":"Value\nError","errorMessage":"the password is hush"}"#;
        let (_, why, code) = State::failed_with(report).shown();
        let why = why.unwrap();
        assert!(why.contains("ValueError.") && !why.contains("hush"), "{why}");
        assert_eq!(code, Some(StateReasonCode::FunctionError));
        assert!(State::failed_with(b"nonsense").shown().1.unwrap().contains("Runtime.Unknown"));
    }
}
