//! Patterns with policy variables. A substituted value is always literal text: a `*` in a tag widens nothing.

use std::borrow::Cow;

use crate::{
    facts::{Context, Value},
    glob::{Glob, Symbol},
    truth::Truth,
};

/// One element of a text in a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// `*` as a wildcard.
    Star,
    /// `?` as a wildcard.
    Any,
    /// Itself.
    Text(String),
    /// `${key}` or `${key, 'default'}`.
    Variable {
        /// In lower case.
        key: String,
        /// Used when the key is absent.
        default: Option<String>,
    },
}

/// How to read a text of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    /// `${…}` is a variable: only in documents of version 2012-10-17.
    pub(crate) variables: bool,
    /// `*` and `?` are wildcards.
    pub(crate) wildcards: bool,
}

/// A compiled text.
#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    /// Without variables.
    Fixed(Glob),
    /// With variables: put together for each request.
    Variable(Vec<Token>),
}

impl Pattern {
    pub(crate) fn new(tokens: Vec<Token>) -> Self {
        if tokens.iter().any(|token| matches!(token, Token::Variable { .. })) {
            return Self::Variable(tokens);
        }
        Self::Fixed(Glob::new(tokens.iter().filter_map(|token| match token {
            Token::Star => Some(Symbol::Star),
            Token::Any => Some(Symbol::Any),
            Token::Text(text) => Some(Symbol::Text(text)),
            Token::Variable { .. } => None,
        })))
    }

    /// Whether `text` fits. Unknown if it depends on a variable that has no value in this request.
    pub(crate) fn matches(&self, text: &str, context: &dyn Context) -> Truth {
        match self {
            Self::Fixed(glob) => Truth::of(glob.matches(text)),
            Self::Variable(tokens) => {
                if let Some(fits) = fits_directly(tokens, text, context) {
                    return Truth::of(fits);
                }
                let (symbols, complete) = resolve(tokens, context);
                let fits = Glob::new(symbols.iter().map(Resolved::symbol)).matches(text);
                match (fits, complete) {
                    (true, true) => Truth::True,
                    (true, false) => Truth::Unknown,
                    (false, _) => Truth::False,
                }
            }
        }
    }

    /// The whole text with its variables replaced; `None` if one has no value.
    pub(crate) fn text(&self, context: &dyn Context) -> Option<Cow<'_, str>> {
        match self {
            Self::Fixed(glob) => glob.literal().map(Cow::Borrowed),
            Self::Variable(tokens) => {
                let (symbols, complete) = resolve(tokens, context);
                complete.then(|| symbols.iter().filter_map(Resolved::text).collect())
            }
        }
    }

    /// Whether this text without wildcards is `text`; `None` if it has a variable without a value.
    pub(crate) fn is(&self, text: &str, context: &dyn Context) -> Option<bool> {
        match self {
            Self::Fixed(glob) => Some(glob.literal() == Some(text)),
            Self::Variable(tokens) => {
                let mut rest = Some(text);
                for token in tokens {
                    let fixed = fixed(token, context)?;
                    rest = rest.and_then(|rest| rest.strip_prefix(&*fixed));
                }
                Some(rest == Some(""))
            }
        }
    }

    /// What every matching text starts with, and whether that is the whole text.
    pub(crate) fn literal_start(&self) -> (&str, bool) {
        match self {
            Self::Fixed(glob) => glob.literal().map_or((glob.literal_start(), false), |text| (text, true)),
            Self::Variable(tokens) => match tokens.first() {
                Some(Token::Text(text)) => (text, false),
                Some(Token::Star | Token::Any | Token::Variable { .. }) | None => ("", false),
            },
        }
    }

    /// The text, if there are neither wildcards nor variables.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self {
            Self::Fixed(glob) => glob.literal(),
            Self::Variable(_) => None,
        }
    }
}

enum Resolved<'a> {
    Star,
    Any,
    Text(Cow<'a, str>),
}

impl Resolved<'_> {
    fn symbol(&self) -> Symbol<'_> {
        match self {
            Self::Star => Symbol::Star,
            Self::Any => Symbol::Any,
            Self::Text(text) => Symbol::Text(text),
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Star | Self::Any => None,
        }
    }
}

/// The text of a token, `None` of a wildcard and of a variable without a value.
// AWS: a multi-valued key cannot be used as a variable; a default stands in for an absent key only.
fn fixed<'a>(token: &'a Token, context: &'a dyn Context) -> Option<Cow<'a, str>> {
    match token {
        Token::Star | Token::Any => None,
        Token::Text(text) => Some(Cow::Borrowed(text)),
        Token::Variable { key, default } => match (context.value(key), default) {
            (Value::One(text), _) => Some(text),
            (Value::Absent, Some(default)) => Some(Cow::Borrowed(default)),
            (Value::Absent, None) | (Value::Unknown | Value::Many(_), _) => None,
        },
    }
}

/// Matches a pattern with at most one star without building anything: what is before the star from the front, what is
/// after it from the back. `None` if it takes more than that.
fn fits_directly(tokens: &[Token], text: &str, context: &dyn Context) -> Option<bool> {
    let mut stars = tokens.split(|token| *token == Token::Star);
    let (before, after) = (stars.next()?, stars.next());
    if stars.next().is_some() {
        return None;
    }
    let (mut rest, mut fits) = (text, true);
    let mut take = |token: &Token, from_front: bool| {
        let left = match token {
            Token::Any => {
                let mut chars = rest.chars();
                let some = if from_front { chars.next() } else { chars.next_back() };
                some.map(|_| chars.as_str())
            }
            token => {
                let fixed = fixed(token, context)?;
                // The end of `rest` borrows from the text, not from the value.
                if from_front { rest.strip_prefix(&*fixed) } else { rest.strip_suffix(&*fixed) }
            }
        };
        match left {
            Some(left) => rest = left,
            None => fits = false,
        }
        Some(())
    };
    for token in before {
        take(token, true)?;
    }
    for token in after.unwrap_or_default().iter().rev() {
        take(token, false)?;
    }
    Some(fits && (after.is_some() || rest.is_empty()))
}

/// Fills in the variables. One without a value becomes a star, and the answer incomplete: if not even that fits, no
/// value could.
fn resolve<'a>(tokens: &'a [Token], context: &'a dyn Context) -> (Vec<Resolved<'a>>, bool) {
    let mut complete = true;
    let symbols = tokens
        .iter()
        .map(|token| match token {
            Token::Star => Resolved::Star,
            Token::Any => Resolved::Any,
            Token::Text(text) => Resolved::Text(Cow::Borrowed(text)),
            Token::Variable { .. } => {
                let value = fixed(token, context);
                complete &= value.is_some();
                value.map_or(Resolved::Star, Resolved::Text)
            }
        })
        .collect();
    (symbols, complete)
}

/// Cuts `text` into tokens.
pub(crate) fn tokens(text: &str, reading: Reading) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let variable = if reading.variables { rest.find("${") } else { None };
        let (plain, tail) = variable.and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
        push_plain(&mut found, plain, reading.wildcards);
        rest = match variable_at(tail) {
            Some((Token::Text(text), after)) => {
                push_text(&mut found, &text);
                after
            }
            Some((token, after)) => {
                found.push(token);
                after
            }
            None => {
                // An unclosed `${` is text.
                let (opening, after) = tail.split_at_checked(2).unwrap_or((tail, ""));
                push_text(&mut found, opening);
                after
            }
        };
    }
    found
}

fn push_plain(found: &mut Vec<Token>, text: &str, wildcards: bool) {
    if !wildcards {
        push_text(found, text);
        return;
    }
    for symbol in crate::glob::symbols(text) {
        match symbol {
            Symbol::Star => found.push(Token::Star),
            Symbol::Any => found.push(Token::Any),
            Symbol::Text(text) => push_text(found, text),
        }
    }
}

fn push_text(found: &mut Vec<Token>, text: &str) {
    if text.is_empty() {
        return;
    }
    if let Some(Token::Text(before)) = found.last_mut() {
        before.push_str(text);
    } else {
        found.push(Token::Text(text.to_owned()));
    }
}

/// Reads a variable at the start of `text`; the rest follows.
fn variable_at(text: &str) -> Option<(Token, &str)> {
    let inner = text.strip_prefix("${")?;
    let key_end = inner.find(['}', ','])?;
    let (key, after_key) = inner.split_at_checked(key_end)?;
    let key = key.trim();
    if key.is_empty() {
        return None;
    }
    if let Some(after) = after_key.strip_prefix('}') {
        // AWS: `${*}`, `${?}` and `${$}` are the characters themselves.
        let token = match key {
            "*" | "?" | "$" => Token::Text(key.to_owned()),
            _ => Token::Variable { key: key.to_ascii_lowercase(), default: None },
        };
        return Some((token, after));
    }
    let quoted = after_key.strip_prefix(',')?.trim_start().strip_prefix('\'')?;
    let (default, after) = quoted.split_once('\'')?;
    let after = after.trim_start().strip_prefix('}')?;
    Some((Token::Variable { key: key.to_ascii_lowercase(), default: Some(default.to_owned()) }, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoContext;

    const ALL: Reading = Reading { variables: true, wildcards: true };

    #[test]
    fn variables_wildcards_and_escapes_are_told_apart() {
        let variable = |key: &str, default: Option<&str>| Token::Variable {
            key: key.to_owned(),
            default: default.map(str::to_owned),
        };
        let text = |text: &str| Token::Text(text.to_owned());
        assert_eq!(
            tokens("a*${aws:UserName}?${*}${$}{x}", ALL),
            [text("a"), Token::Star, variable("aws:username", None), Token::Any, text("*${x}")]
        );
        assert_eq!(tokens("${k, 'a}b'}z", ALL), [variable("k", Some("a}b")), text("z")]);
        assert_eq!(tokens("${k*", ALL), [text("${k"), Token::Star]);
        assert_eq!(tokens("${}", ALL), [text("${}")]);
        let old = Reading { variables: false, wildcards: false };
        assert_eq!(tokens("${k}*", old), [text("${k}*")]);
    }

    #[test]
    fn unresolved_variable_is_unknown_only_where_some_value_could_fit() {
        let pattern = Pattern::new(tokens("home/${aws:username}/x", ALL));
        assert_eq!(pattern.matches("home/ann/x", &NoContext), Truth::Unknown);
        assert_eq!(pattern.matches("home/ann/y", &NoContext), Truth::False);
    }

    struct Ann;

    impl Context for Ann {
        fn value<'v>(&'v self, key: &str) -> Value<'v> {
            if key == "aws:username" { Value::One(Cow::Borrowed("ann")) } else { Value::Absent }
        }
    }

    #[test]
    fn a_text_with_variables_is_exactly_what_they_make_of_it() {
        let pattern = Pattern::new(tokens("home/${aws:username}/x", Reading { wildcards: false, ..ALL }));
        assert_eq!(pattern.is("home/ann/x", &Ann), Some(true));
        for other in ["home/ann/", "home/ann/xy", "home/bob/x", "home/${aws:username}/x", ""] {
            assert_eq!(pattern.is(other, &Ann), Some(false), "{other}");
        }
        assert_eq!(pattern.is("home/ann/x", &NoContext), None);
        assert_eq!(pattern.text(&Ann).as_deref(), Some("home/ann/x"));
        assert_eq!(pattern.text(&NoContext), None);
    }

    #[test]
    fn a_pattern_with_a_variable_fits_what_the_variable_makes_of_it() {
        for (text, fitting, other) in [
            ("${aws:username}", "ann", ["bob", "", "annx"]),
            ("*${aws:username}", "x/ann", ["x/bob", "nn", "annx"]),
            ("${aws:username}*", "ann/x", ["bob/x", "an", "xann"]),
            ("a?${aws:username}", "abann", ["aann", "abbob", "abannx"]),
            ("*${aws:username}*x", "1ann2x", ["1bob2x", "1ann2", "x"]),
        ] {
            let pattern = Pattern::new(tokens(text, ALL));
            assert_eq!(pattern.matches(fitting, &Ann), Truth::True, "{text}");
            for other in other {
                assert_eq!(pattern.matches(other, &Ann), Truth::False, "{text} {other}");
            }
        }
    }

    #[test]
    fn the_start_of_a_pattern_is_what_every_match_begins_with() {
        for (text, start, whole, literal) in [
            ("abc", "abc", true, Some("abc")),
            ("ab*c", "ab", false, None),
            ("*", "", false, None),
            ("ab${aws:username}", "ab", false, None),
            ("${aws:username}ab", "", false, None),
        ] {
            let pattern = Pattern::new(tokens(text, ALL));
            assert_eq!(pattern.literal_start(), (start, whole), "{text}");
            assert_eq!(pattern.literal(), literal, "{text}");
        }
        let abc = Pattern::new(tokens("abc", ALL));
        assert_eq!((abc.is("abc", &NoContext), abc.is("abd", &NoContext)), (Some(true), Some(false)));
    }
}
