//! Why a machine was not started or is no more. Nothing was started in a weaker form instead.

use std::{fmt, io};

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
    /// The guest did not answer in time; the end of its console follows.
    TimedOut(String),
    /// The machine has ended.
    Gone,
    /// What was asked for is not allowed.
    Refused(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent { what, why } => {
                write!(f, "this host has no usable {what}: {why}; the machine was not started")
            }
            Self::Io { doing, source } => write!(f, "{doing}: {source}"),
            Self::Guest(why) => write!(f, "the guest refused: {why}"),
            Self::TimedOut(console) => {
                write!(f, "the guest did not answer in time; its console ends: {console}")
            }
            Self::Gone => f.write_str("the machine has ended"),
            Self::Refused(what) => write!(f, "refused: {what}"),
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
