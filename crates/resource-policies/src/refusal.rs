//! Why a document may not be attached, as the service says it and as people need it.

use std::fmt;

/// A document that a service does not take for its resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The error's code on the wire; its status is 400.
    pub code: &'static str,
    /// The error's message: AWS's own, where it is known.
    pub message: String,
    /// What is wrong, in the document's words, which most services do not say.
    pub why: String,
    /// The statement's position in the document, from 0; `None` for the whole.
    pub statement: Option<usize>,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, message: impl Into<String>, why: impl Into<String>) -> Self {
        Self { code, message: message.into(), why: why.into(), statement: None }
    }

    /// The same, of one statement.
    pub(crate) fn at(self, statement: usize) -> Self {
        Self { statement: Some(statement), ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({}", self.code, self.message, self.why)?;
        if let Some(at) = self.statement {
            write!(f, ", in statement {at}")?;
        }
        f.write_str(")")
    }
}

impl std::error::Error for Refusal {}
