//! Pages of listings. A marker is the last item's own name, in hexadecimal so that nobody builds on its form.

use casemate_names::hex;

use crate::api::Error;

/// Default page.
// AWS: 50 for ListGrants, ListAliases and ListResourceTags, 100 for ListKeys (API reference).
pub(crate) const PAGE: usize = 50;

/// Cuts one page out of `items`, which are in the order of their names. The marker of the next page, if there is one.
pub(crate) fn cut<T>(
    items: Vec<T>,
    name: impl Fn(&T) -> &str,
    limit: Option<i32>,
    usual: usize,
    marker: Option<&String>,
) -> Result<(Vec<T>, Option<String>), Error> {
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usual).max(1);
    let after = marker.map(|marker| parse(marker)).transpose()?;
    let rest = items.into_iter().filter(|item| after.as_deref().is_none_or(|after| name(item) > after));
    let mut page: Vec<T> = rest.take(limit + 1).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| more).map(|item| hex(name(item).as_bytes()));
    Ok((page, next))
}

fn parse(marker: &str) -> Result<String, Error> {
    // AWS: text of the service.
    let invalid = || Error::invalid_marker_exception("Could not deserialize pagination marker");
    if !marker.len().is_multiple_of(2) || !marker.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(invalid());
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = marker.as_bytes().chunks(2).map(byte).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_comes_once() {
        let items = || ["a", "b", "c", "d", "e"].to_vec();
        let mut marker = None;
        let mut seen = Vec::new();
        loop {
            let (page, next) = cut(items(), |item| item, Some(2), PAGE, marker.as_ref()).unwrap();
            seen.extend(page);
            marker = next;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(seen, items());
    }

    #[test]
    fn foreign_markers_are_refused() {
        for bad in ["x", "zz", "ff", "é", "+1"] {
            assert!(cut(vec!["a"], |item| item, None, PAGE, Some(&bad.to_owned())).is_err(), "{bad}");
        }
    }
}
