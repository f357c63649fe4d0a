//! What is wrong with a template, and where.

use std::fmt;

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TemplateError {
    text: String,
    line: u32,
    logical_id: Option<String>,
}

impl TemplateError {
    /// Something wrong on `line` (0: nowhere in particular).
    pub(crate) fn at(line: u32, text: impl Into<String>) -> Self {
        Self { text: text.into(), line, logical_id: None }
    }

    /// Names the resource it is about, unless a narrower one is named already.
    #[must_use]
    pub(crate) fn of(mut self, logical_id: &str) -> Self {
        self.logical_id.get_or_insert_with(|| logical_id.to_owned());
        self
    }
}

/// `text (resource Id, line N)`: AWS's sentence first, because tools look for it; the place is ours.
// DIVERGES: AWS's template errors carry no line, and rarely the logical id.
impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match (&self.logical_id, self.line) {
            (Some(id), 0) => write!(f, " (resource {id})"),
            (Some(id), line) => write!(f, " (resource {id}, line {line})"),
            (None, 0) => Ok(()),
            (None, line) => write!(f, " (line {line})"),
        }
    }
}

impl std::error::Error for TemplateError {}
