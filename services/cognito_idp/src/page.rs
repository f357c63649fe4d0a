//! Page tokens: the last name shown, which is all a list needs to go on. The scope and pool of the next page come from the
//! request, so a token taken elsewhere shows nothing it should not.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use casemate_store::Key;

use crate::refusal::Refusal;

/// AWS: entries on a page at most.
pub const SIZE_MAX: usize = 60;

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page {
    /// The last name of the page before.
    pub after: Option<String>,
    /// How many entries.
    pub size: usize,
}

impl Page {
    /// Reads `Limit` and `NextToken`.
    pub fn of(limit: Option<i32>, token: Option<&str>) -> Result<Self, Refusal> {
        // AWS: 0 means the default.
        let size =
            limit.and_then(|limit| usize::try_from(limit).ok()).filter(|size| *size > 0).unwrap_or(SIZE_MAX);
        let after = match token {
            None => None,
            Some(token) => {
                let bytes = URL_SAFE_NO_PAD.decode(token).ok();
                let name =
                    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|name| name.len() <= 1024);
                Some(name.ok_or_else(|| Refusal::invalid_parameter("Invalid pagination token."))?)
            }
        };
        Ok(Self { after, size: size.min(SIZE_MAX) })
    }

    /// Where to go on, under this prefix.
    pub fn cursor(&self, prefix: &Key) -> Option<Key> {
        self.after.as_ref().map(|name| prefix.clone().text(name))
    }
}

/// Cuts what was read (one entry more than the page holds) to the page, and makes the token of the next one.
pub fn cut<T>(mut rows: Vec<T>, size: usize, name: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    if rows.len() <= size {
        return (rows, None);
    }
    rows.truncate(size);
    let token = rows.last().map(|last| URL_SAFE_NO_PAD.encode(name(last)));
    (rows, token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_shown_once() {
        let all: Vec<String> = (0..7).map(|n| format!("n{n}")).collect();
        let (mut token, mut seen) = (None, Vec::new());
        loop {
            let page = Page::of(Some(3), token.as_deref()).unwrap();
            let rest: Vec<String> = all
                .iter()
                .filter(|name| page.after.as_ref().is_none_or(|after| *name > after))
                .take(4)
                .cloned()
                .collect();
            let (shown, next) = cut(rest, page.size, Clone::clone);
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
        for token in ["!", "_w", &URL_SAFE_NO_PAD.encode("x".repeat(2000))] {
            assert!(Page::of(None, Some(token)).is_err(), "{token}");
        }
    }
}
