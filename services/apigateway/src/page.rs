//! Pages of listings. A position is the key where the next page begins, in hexadecimal so that nobody builds on its form.

use crate::api::Error;

/// AWS: default and largest page.
const PAGE_DEFAULT: usize = 25;
const PAGE_MAX: usize = 500;

/// One page of items that come in the order of their keys, and the position of the next.
pub(crate) fn page<T>(
    items: impl IntoIterator<Item = (String, T)>,
    limit: Option<i32>,
    position: Option<&str>,
) -> Result<(Vec<T>, Option<String>), Error> {
    let limit = match limit {
        None => PAGE_DEFAULT,
        Some(limit) => usize::try_from(limit).ok().filter(|limit| *limit > 0).ok_or_else(|| {
            Error::bad_request_exception("Invalid limit specified: it must be between 1 and 500")
        })?,
    };
    let after = position.map(parse).transpose()?;
    let mut found: Vec<(String, T)> =
        items.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| key > after)).collect();
    let more = found.len() > limit.min(PAGE_MAX);
    found.truncate(limit.min(PAGE_MAX));
    let next = found.last().filter(|_| more).map(|(key, _)| token(key));
    Ok((found.into_iter().map(|(_, item)| item).collect(), next))
}

fn token(key: &str) -> String {
    key.bytes().fold(String::with_capacity(2 * key.len()), |text, byte| text + &format!("{byte:02x}"))
}

fn parse(token: &str) -> Result<String, Error> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let hex = token.len().is_multiple_of(2) && token.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bytes: Option<Vec<u8>> = token.as_bytes().chunks(2).map(byte).collect();
    let key = bytes.filter(|_| hex).and_then(|bytes| String::from_utf8(bytes).ok());
    key.ok_or_else(|| Error::bad_request_exception("Invalid position specified"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_every_item_once() {
        let all = || (0..60).map(|n| (format!("{n:02}"), n));
        let (mut seen, mut position) = (Vec::new(), None);
        loop {
            let (items, next) = page(all(), None, position.as_deref()).unwrap();
            seen.extend(items);
            position = next;
            if position.is_none() {
                break;
            }
        }
        assert_eq!(seen, (0..60).collect::<Vec<_>>());
    }

    #[test]
    fn bad_limits_and_positions_are_refused() {
        assert!(page([("a".to_owned(), 1)], Some(0), None).is_err());
        assert!(page([("a".to_owned(), 1)], Some(-1), None).is_err());
        for position in ["x", "zz", "ff"] {
            assert!(page([("a".to_owned(), 1)], None, Some(position)).is_err());
        }
    }
}
