//! The only place that prints.

use std::io::{self, Write};

/// A line for people or scripts on standard output. A closed pipe (`| head`) is not an error.
pub(crate) fn line(text: &str) {
    let mut out = io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// A line of progress on standard error, so that standard output stays clean.
pub(crate) fn progress(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// An error on standard error.
pub(crate) fn error(text: &str) {
    drop(writeln!(io::stderr().lock(), "casemate: {text}"));
}
