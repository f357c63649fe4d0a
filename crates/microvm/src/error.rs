//! Why a machine was not started or is no more. Nothing was started in a weaker form instead.
//!
//! What an error prints is for the operator: it may hold the guest's words and the host's paths. Callers are told
//! [`Error::for_callers`].

use std::{borrow::Cow, fmt, io, sync::Arc, time::Duration};

use casemate_sandbox::Step;

/// What went wrong.
#[derive(Debug)]
pub enum Error {
    /// The host lacks something this driver needs, for the reason given.
    Absent {
        /// What.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// A file could not be made or read, a socket not used.
    Io {
        /// While doing what.
        doing: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The guest did not do what it was asked, in its words.
    Guest(String),
    /// The function could not be stopped, so that no copy was made of its machine; in the guest's words.
    NotStopped(String),
    /// The function's program could not begin, by its own doing.
    NotBegun {
        /// What could not be done.
        step: Step,
        /// The guest's error.
        source: io::Error,
    },
    /// The guest did not answer in time; the end of its console follows.
    TimedOut(String),
    /// The machine has ended.
    Gone,
    /// What was asked for is not allowed.
    Refused(&'static str),
    /// It took longer than it may.
    TookTooLong(Duration),
    /// What others waited for as well.
    Shared(Arc<Error>),
    /// What went wrong a moment ago; nothing was tried again.
    Remembered(Arc<Error>),
}

impl Error {
    /// What went wrong, without the guest's words and the host's paths.
    pub fn for_callers(&self) -> Cow<'static, str> {
        match self {
            Self::Absent { what, .. } => format!("this host has no usable {what}").into(),
            Self::Io { doing, .. } => format!("{doing} failed").into(),
            Self::Guest(_) => "the guest refused".into(),
            Self::NotStopped(_) => "its processes could not be stopped to be copied".into(),
            Self::NotBegun { .. } => "the function's program cannot begin".into(),
            Self::TimedOut(_) => "the guest did not answer in time".into(),
            Self::Gone => "the machine has ended".into(),
            Self::Refused(what) => (*what).into(),
            Self::TookTooLong(limit) => format!("it took longer than {} s", limit.as_secs()).into(),
            Self::Shared(why) => why.for_callers(),
            Self::Remembered(why) => format!("{}; it is not tried again yet", why.for_callers()).into(),
        }
    }

    /// Whether the operator has been told already.
    pub fn is_remembered(&self) -> bool {
        matches!(self, Self::Remembered(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent { what, why } => {
                write!(f, "this host has no usable {what}: {why}; the machine was not started")
            }
            Self::Io { doing, source } => write!(f, "{doing}: {source}"),
            Self::Guest(why) => write!(f, "the guest refused: {why}"),
            Self::NotStopped(why) => write!(f, "the function could not be stopped to be copied: {why}"),
            Self::NotBegun { step, source } => write!(f, "the program cannot begin: {step:?}: {source}"),
            Self::TimedOut(console) => {
                write!(f, "the guest did not answer in time; its console ends: {console}")
            }
            Self::Gone => f.write_str("the machine has ended"),
            Self::Refused(what) => write!(f, "refused: {what}"),
            Self::TookTooLong(limit) => write!(f, "it took longer than {} s", limit.as_secs()),
            Self::Shared(why) => why.fmt(f),
            Self::Remembered(why) => write!(f, "failed a moment ago: {why}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// `map_err(doing("…"))`: names what an I/O error interrupted.
pub(crate) fn doing(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { doing: what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_told_neither_the_guests_words_nor_the_hosts_paths() {
        let secret = "/host/secret console words";
        let source = || io::Error::other(secret);
        let all = || {
            [
                Error::Absent { what: "QEMU", why: secret.into() },
                Error::Io { doing: "restoring", source: source() },
                Error::Guest(secret.into()),
                Error::NotStopped(secret.into()),
                Error::NotBegun { step: Step::Execute, source: source() },
                Error::TimedOut(secret.into()),
                Error::Gone,
                Error::Refused("a reason"),
                Error::TookTooLong(Duration::from_secs(7)),
            ]
        };
        let wrapped = all().into_iter().zip(all()).flat_map(|(one, other)| {
            [Error::Shared(Arc::new(one)), Error::Remembered(Arc::new(Error::Shared(Arc::new(other))))]
        });
        for error in all().into_iter().chain(wrapped) {
            let told = error.for_callers();
            assert!(!told.is_empty() && !told.contains("secret") && !told.contains('/'), "{told}");
        }
        assert!(Error::TimedOut(secret.into()).to_string().contains(secret), "the operator is told");
    }
}
