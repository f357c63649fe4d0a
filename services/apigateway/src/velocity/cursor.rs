//! A place in a template's text. Refuses to know the language.

use super::ParseError;

/// Reads a text from left to right.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Where it is, in bytes.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What was read since `start`.
    pub(super) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Moves on by this many bytes, at most to the end.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes).min(self.text.len());
    }

    /// Reads exactly this, if it is next.
    pub(super) fn eat(&mut self, expected: &str) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len();
        }
        found
    }

    /// Reads as long as characters fit.
    pub(super) fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    /// Spaces, tabs and line ends.
    pub(super) fn skip_space(&mut self) {
        self.take_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
    }

    /// The rest of a line, if it is blank.
    pub(super) fn skip_line_end(&mut self) {
        let blank = self.rest().trim_start_matches([' ', '\t']);
        for end in ["\r\n", "\n", "\r"] {
            if blank.starts_with(end) {
                self.at += self.rest().len() - blank.len() + end.len();
                return;
            }
        }
    }

    /// A name: a letter or underscore, then letters, digits, `_`, `-`.
    pub(super) fn name(&mut self) -> Option<&'a str> {
        self.peek().filter(|c| is_name_start(*c))?;
        Some(self.take_while(|c| is_name_start(c) || c.is_ascii_digit() || c == '-'))
    }

    /// An error at a place.
    pub(super) fn error(&self, at: usize, what: impl Into<String>) -> ParseError {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        ParseError { line, column, what: what.into() }
    }

    /// An error here.
    pub(super) fn error_here(&self, what: impl Into<String>) -> ParseError {
        self.error(self.at, what)
    }
}

/// May a name begin with this?
pub(super) fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}
