//! Does one pattern lie within another? Answers yes only when it is certain: everything here errs towards no.

/// One element of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Star,
    Any,
    Char(char),
    /// A policy variable, whatever its value.
    Variable(String),
}

/// Parts of an ARN before the resource.
const PREFIX_PARTS: usize = 5;

/// Whether every text that `narrow` matches is matched by `wide`, whatever the values of variables are.
pub(crate) fn within(narrow: &str, wide: &str) -> bool {
    narrow == wide
        || !has_default(narrow)
            && !has_default(wide)
            && tokens_within(&tokens(narrow, true), &tokens(wide, true))
}

/// `${key, 'default'}`: the default may contain anything, so such texts are compared as wholes only.
fn has_default(text: &str) -> bool {
    text.split("${").skip(1).any(|tail| tail.split('}').next().is_some_and(|inner| inner.contains(',')))
}

/// The same for values of operators that know no wildcards.
pub(crate) fn equal_within(narrow: &str, wide: &str) -> bool {
    narrow == wide
        || !has_default(narrow) && !has_default(wide) && tokens(narrow, false) == tokens(wide, false)
}

/// The same for resource patterns, whose first five colons divide them.
pub(crate) fn arn_within(narrow: &str, wide: &str) -> bool {
    if narrow == wide || wide == "*" {
        return true;
    }
    let (n, w) = (parts(narrow), parts(wide));
    // A wildcard before the resource could mean more than its part: leave that to others.
    let plain = |part: &&str| !part.contains(['*', '?', '$']);
    if n.len() != PREFIX_PARTS + 1 || w.len() < 3 || !n.iter().take(PREFIX_PARTS).all(plain) {
        return false;
    }
    n.iter().zip(w.iter().copied().chain(std::iter::repeat("*"))).all(|(n, w)| within(n, w))
}

/// Whether an action's full name fits an action pattern.
pub(crate) fn action_within(action: &str, pattern: &str) -> bool {
    let (action, pattern) = (action.to_ascii_lowercase(), pattern.to_ascii_lowercase());
    if pattern == "*" {
        return true;
    }
    match (action.split_once(':'), pattern.split_once(':')) {
        (Some((service, name)), Some((of_service, of_name))) => {
            within(service, of_service) && within(name, of_name)
        }
        _ => false,
    }
}

/// Whether two resource patterns surely have nothing in common: their texts differ before any wildcard or variable.
pub(crate) fn apart(a: &str, b: &str) -> bool {
    let start = |text: &str| -> Vec<Token> {
        tokens(text, true).into_iter().take_while(|token| matches!(token, Token::Char(_))).collect()
    };
    let whole = |text: &str, start: &[Token]| tokens(text, true).len() == start.len();
    let (x, y) = (start(a), start(b));
    let differ = x.iter().zip(&y).any(|(x, y)| x != y);
    // A whole text that ends where the other goes on is another text; short ARNs count as going on.
    let ends = |text: &str, own: &[Token], other: &[Token]| {
        whole(text, own) && own.len() < other.len() && parts(text).len() > PREFIX_PARTS
    };
    differ || ends(a, &x, &y) || ends(b, &y, &x)
}

fn parts(text: &str) -> Vec<&str> {
    text.splitn(PREFIX_PARTS + 1, ':').collect()
}

/// Cuts a pattern into tokens; `${*}`, `${?}` and `${$}` are characters.
fn tokens(text: &str, wildcards: bool) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let closing = rest.strip_prefix("${").and_then(|inner| inner.split_once('}'));
        if let Some((name, after)) = closing {
            found.push(match name.trim() {
                "*" | "?" | "$" => Token::Char(name.trim().chars().next().unwrap_or('$')),
                name => Token::Variable(name.to_ascii_lowercase()),
            });
            rest = after;
            continue;
        }
        found.push(match c {
            '*' if wildcards => Token::Star,
            '?' if wildcards => Token::Any,
            c => Token::Char(c),
        });
        rest = rest.get(c.len_utf8()..).unwrap_or("");
    }
    found
}

/// Whether `wide` matches `narrow` taken as a text: its stars are matched by stars only, its variables by the same
/// variables or a star.
fn tokens_within(narrow: &[Token], wide: &[Token]) -> bool {
    // `reached[i]`: the part of `wide` read so far matches the first `i` tokens of `narrow`.
    let mut reached: Vec<bool> = std::iter::once(true).chain(narrow.iter().map(|_| false)).collect();
    for token in wide {
        let before = reached.clone();
        if *token == Token::Star {
            let first = before.iter().position(|yes| *yes).unwrap_or(usize::MAX);
            for (at, slot) in reached.iter_mut().enumerate() {
                *slot = at >= first;
            }
            continue;
        }
        let fits = |other: &Token| match (token, other) {
            (Token::Any, Token::Char(_) | Token::Any) => true,
            (token, other) => *other != Token::Star && token == other,
        };
        let next = before.iter().zip(narrow).map(|(before, other)| *before && fits(other));
        reached = std::iter::once(false).chain(next).collect();
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use casemate_policy::{Form, quoted};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_lie_within_wider_ones_only() {
        assert!(within("a*", "a*") && within("ab", "a*") && within("a?c*", "a*") && within("x${u}y", "x*y"));
        assert!(
            !within("a*", "ab*") && !within("*", "?*") && !within("${u}", "?") && !within("${u}", "${v}")
        );
        assert!(within("a${*}", "a?") && !within("a*", "a${*}"));
        assert!(arn_within("arn:aws:s3:::b/x*", "arn:aws:s3:::b/*"));
        assert!(arn_within("arn:aws:sqs:r:1:q", "arn:aws:sqs"));
        assert!(!arn_within("arn:aws:s3:::b*", "arn:aws:s3:::b/*") && !arn_within("*", "arn:aws:s3:::b"));
        assert!(!arn_within("arn:aws:s3:::b:c", "arn:aws:*:b:c"));
        assert!(action_within("s3:GetObject", "S3:get*") && !action_within("s3:GetObject", "s3*:Put*"));
    }

    #[test]
    fn patterns_are_apart_only_when_certainly_so() {
        assert!(apart("arn:aws:s3:::a/*", "arn:aws:s3:::b/*"));
        assert!(apart("arn:aws:s3:::ab", "arn:aws:s3:::a"));
        assert!(!apart("arn:aws:s3:::a*", "arn:aws:s3:::ab") && !apart("*", "arn:aws:s3:::a"));
        assert!(!apart("arn:aws:s3:::${u}", "arn:aws:s3:::x") && !apart("arn:aws:sqs", "arn:aws:sqs:r:1:q"));
    }

    proptest! {
        #[test]
        fn what_lies_within_matches_no_more(narrow in "[ab*?]{0,5}", wide in "[ab*?]{0,5}", text in "[ab]{0,5}") {
            // The engine's own matcher is asked through `within` with a literal on the left, which is plain matching.
            let matches = |pattern: &str| within(&quoted(&text), pattern);
            if within(&narrow, &wide) && matches(&narrow) {
                prop_assert!(matches(&wide));
            }
            let form = Form::Prefix(text.clone());
            prop_assert!(within(&quoted(&text), &form.text()));
        }
    }
}
