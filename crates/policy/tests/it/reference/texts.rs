//! Texts of policies: wildcards, variables and ARNs, sign by sign.

use super::{Maybe, all};

use crate::support::{Fact, Facts};

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Sign {
    Star,
    Any,
    Is(char),
    /// A variable without a value.
    Hole,
}

/// Which beginnings of the text each beginning of the pattern fits, sign by sign.
fn fits(pattern: &[Sign], text: &[char]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for sign in pattern {
        let before = reached.clone();
        for end in 0..=text.len() {
            reached[end] = match sign {
                Sign::Star | Sign::Hole => before[..=end].contains(&true),
                Sign::Any => end > 0 && before[end - 1],
                Sign::Is(c) => end > 0 && before[end - 1] && text[end - 1] == *c,
            };
        }
    }
    reached[text.len()]
}

pub(super) fn compare(pattern: &[Sign], text: &str) -> Maybe {
    let text: Vec<char> = text.chars().collect();
    if !fits(pattern, &text) {
        Some(false)
    } else if pattern.contains(&Sign::Hole) {
        None
    } else {
        Some(true)
    }
}

/// Writes out a text of the policy; `break_at_colons` cuts ARNs into six.
pub(super) fn signs(text: &str, wildcards: bool, variables: bool, facts: &Facts) -> Vec<Vec<Sign>> {
    let mut parts = vec![Vec::new()];
    let mut rest: &str = text;
    while let Some(c) = rest.chars().next() {
        if variables
            && rest.starts_with("${")
            && let Some((replacement, after)) = variable(rest, facts)
        {
            let part = parts.last_mut().unwrap();
            match replacement {
                Some(value) => part.extend(value.chars().map(Sign::Is)),
                None => part.push(Sign::Hole),
            }
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            ':' if parts.len() < 6 => parts.push(Vec::new()),
            '*' if wildcards => parts.last_mut().unwrap().push(Sign::Star),
            '?' if wildcards => parts.last_mut().unwrap().push(Sign::Any),
            c => parts.last_mut().unwrap().push(Sign::Is(c)),
        }
    }
    parts
}

pub(super) fn joined(parts: &[Vec<Sign>]) -> Vec<Sign> {
    parts.join(&Sign::Is(':'))
}

fn variable<'a>(text: &'a str, facts: &Facts) -> Option<(Option<String>, &'a str)> {
    let inner = &text[2..];
    let end = inner.find(['}', ','])?;
    let key = inner[..end].trim();
    if key.is_empty() {
        return None;
    }
    let value = |default: Option<&str>| match facts.0.get(&key.to_ascii_lowercase()) {
        Some(Fact::One(value)) => Some(value.clone()),
        Some(Fact::Unknown | Fact::Many(_)) => None,
        None => default.map(str::to_owned),
    };
    if inner[end..].starts_with('}') {
        let literal = ["*", "?", "$"].contains(&key).then(|| key.to_owned());
        return Some((literal.or_else(|| value(None)), &inner[end + 1..]));
    }
    let default = inner[end + 1..].trim_start().strip_prefix('\'')?;
    let (default, after) = default.split_once('\'')?;
    Some((value(Some(default)), after.trim_start().strip_prefix('}')?))
}

/// Whether a variable, not an escape, stands before the fifth colon.
fn variable_in_prefix(pattern: &str) -> bool {
    let (mut rest, mut colons) = (pattern, 0);
    while let Some(c) = rest.chars().next() {
        let found = if rest.starts_with("${") { variable(rest, &Facts::default()) } else { None };
        if let Some((replacement, after)) = found {
            let inner = rest[2..rest.len() - after.len()].trim_end_matches('}').trim();
            let escape = replacement.is_some() && ["*", "?", "$"].contains(&inner);
            if colons < 5 && !escape {
                return true;
            }
            rest = after;
            continue;
        }
        colons += usize::from(c == ':');
        rest = &rest[c.len_utf8()..];
    }
    false
}

/// Whether a star ends one of the first five parts, or only variables stand between it and the end: it may reach beyond the
/// colon, but only a Deny counts on that.
fn open(pattern: &str, variables: bool) -> bool {
    let (mut rest, mut colons, mut star) = (pattern, 0, false);
    while let Some(c) = rest.chars().next() {
        let found =
            if variables && rest.starts_with("${") { variable(rest, &Facts::default()) } else { None };
        if let Some((replacement, after)) = found {
            let inner = rest[2..rest.len() - after.len()].trim_end_matches('}').trim();
            let escape = replacement.is_some() && ["*", "?", "$"].contains(&inner);
            star = star && !escape;
            rest = after;
            continue;
        }
        if c == ':' && star {
            return true;
        }
        star = c == '*';
        colons += usize::from(c == ':');
        if colons == 5 {
            return false;
        }
        rest = &rest[c.len_utf8()..];
    }
    star
}

pub(super) fn arn(raw: &str, text: &str, short: bool, variables: bool, facts: &Facts) -> Maybe {
    let written = signs(raw, true, variables, facts);
    let mut pattern = written.clone();
    while short && pattern.len() < 6 {
        pattern.push(vec![Sign::Star]);
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    if parts.len() < 6 {
        return Some(false);
    }
    let by_parts = all(pattern.iter().zip(parts).map(|(pattern, part)| compare(pattern, part)));
    let open = short && open(raw, variables);
    if by_parts == Some(true) && short && variables && variable_in_prefix(raw) {
        return None;
    }
    if by_parts == Some(false) && open && compare(&joined(&written), text) != Some(false) {
        return None;
    }
    by_parts
}
