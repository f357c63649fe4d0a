//! Patterns of terms.

use regex::{Regex, RegexBuilder};

use super::InvalidPattern;

/// Compiled size of one regular expression, bytes. Matching is linear in the text whatever the expression.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// Terms an event's text is searched for.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    required: Vec<Term>,
    excluded: Vec<Term>,
    optional: Vec<Term>,
}

#[derive(Debug)]
enum Term {
    Text(String),
    Regex(Regex),
}

impl Terms {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let mut terms = Self::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (list, after) = match rest.split_at_checked(1) {
                Some(("-", after)) => (&mut terms.excluded, after),
                Some(("?", after)) => (&mut terms.optional, after),
                _ => (&mut terms.required, rest),
            };
            let (term, after) = term(after)?;
            list.push(term);
            rest = after.trim_start();
        }
        Ok(terms)
    }

    pub(super) fn match_text(&self, message: &str) -> bool {
        let found = |term: &Term| term.is_in(message);
        // AWS: "?" is ignored when combined with other terms.
        let optional = self.optional.is_empty()
            || !(self.required.is_empty() && self.excluded.is_empty())
            || self.optional.iter().any(found);
        optional && self.required.iter().all(found) && !self.excluded.iter().any(found)
    }
}

impl Term {
    fn is_in(&self, message: &str) -> bool {
        match self {
            Self::Text(text) => message.contains(text),
            Self::Regex(regex) => regex.is_match(message),
        }
    }
}

fn term(text: &str) -> Result<(Term, &str), InvalidPattern> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (phrase, after) = quoted_text(quoted, '"')?;
        return Ok((Term::Text(phrase), after));
    }
    if let Some(expression) = text.strip_prefix('%') {
        let (expression, after) = quoted_text(expression, '%')?;
        let regex = RegexBuilder::new(&expression).size_limit(REGEX_BYTES_MAX).build();
        let regex =
            regex.map_err(|_| InvalidPattern(format!("%{expression}% is not a regular expression")))?;
        return Ok((Term::Regex(regex), after));
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, after) = text.split_at_checked(end).unwrap_or((text, ""));
    // AWS: terms with other characters than letters, digits and underscores must be quoted.
    match word.chars().find(|c| !c.is_alphanumeric() && *c != '_') {
        None if !word.is_empty() => Ok((Term::Text(word.to_owned()), after)),
        _ => Err(InvalidPattern(format!("Invalid character(s) in term '{word}'"))),
    }
}

/// Reads up to the closing `quote`; a backslash before it (or before itself, in quotes) takes its meaning away.
fn quoted_text(text: &str, quote: char) -> Result<(String, &str), InvalidPattern> {
    let mut content = String::new();
    let mut chars = text.chars();
    while let Some(next) = chars.next() {
        match next {
            '\\' => match chars.next() {
                Some(escaped) if escaped == quote || (quote == '"' && escaped == '\\') => {
                    content.push(escaped);
                }
                Some(other) => content.extend(['\\', other]),
                None => break,
            },
            _ if next == quote => return Ok((content, chars.as_str())),
            _ => content.push(next),
        }
    }
    Err(InvalidPattern(format!("a {quote} is not closed")))
}
