//! Page tokens of listings: the last id shown, in hexadecimal so that nobody builds on its form. What the next page shows
//! is found from the caller's own organisation, so a token taken elsewhere shows nothing more.

use std::fmt::Write;

use crate::{
    api::{Error, InvalidInputExceptionReason},
    refusal,
};

/// Entries on a page at most, and when none are asked for.
// AWS: API reference, `MaxResults`.
const PAGE_MAX: usize = 20;

/// One page of `items`, which come in the order of their ids, and the token of the next.
pub(crate) fn cut<T>(
    items: impl IntoIterator<Item = (String, T)>,
    max: Option<i32>,
    token: Option<&str>,
) -> Result<(Vec<T>, Option<String>), Error> {
    let after = token.map(parse).transpose()?;
    let size = max.and_then(|max| usize::try_from(max).ok()).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let mut rest =
        items.into_iter().skip_while(|(id, _)| after.as_ref().is_some_and(|after| id <= after)).peekable();
    let (mut shown, mut last) = (Vec::new(), String::new());
    while shown.len() < size {
        let Some((id, item)) = rest.next() else { break };
        last = id;
        shown.push(item);
    }
    Ok((shown, rest.peek().map(|_| made(&last))))
}

fn made(id: &str) -> String {
    id.bytes().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn parse(token: &str) -> Result<String, Error> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let whole = token.len().is_multiple_of(2) && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bytes: Option<Vec<u8>> = if whole { token.as_bytes().chunks(2).map(byte).collect() } else { None };
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
        refusal::invalid(InvalidInputExceptionReason::InvalidNextToken, "You specified an invalid token.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_shown_once() {
        let all: Vec<String> = (10..57).map(|n| format!("n{n}")).collect();
        let (mut token, mut seen) = (None, Vec::new());
        loop {
            let items = all.iter().map(|id| (id.clone(), id.clone()));
            let (shown, next) = cut(items, Some(7), token.as_deref()).unwrap();
            assert!(shown.len() <= 7);
            seen.extend(shown);
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn made_up_tokens_are_refused() {
        for token in ["a", "zz", "ff", "é"] {
            assert!(cut(Vec::<(String, ())>::new(), None, Some(token)).is_err(), "{token}");
        }
    }
}
