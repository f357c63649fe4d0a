//! Pages of lists: `Marker`, `MaxItems`, `IsTruncated`.

use std::fmt::Write;

use casemate_store::{Key, ReadTx, Row};

use crate::api::Error;

/// Items on a page unless the caller says otherwise.
// AWS: IAM API reference, `MaxItems`.
const ITEMS_DEFAULT: usize = 100;

/// Rows read at a time while looking for those that fit.
const BATCH: usize = 200;

/// Which page is wanted.
#[derive(Debug)]
pub(crate) struct Paging {
    /// The name of the last item of the page before.
    after: Option<String>,
    items: usize,
}

impl Paging {
    /// The same with at most so many items in a page, and one at least.
    pub(crate) fn at_most(&self, items: usize) -> Self {
        Self { after: self.after.clone(), items: self.items.min(items.max(1)) }
    }
}

/// One page.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Asks for the next page; `None` on the last.
    pub(crate) marker: Option<String>,
}

impl<T> Page<T> {
    /// What answers say about further pages.
    pub(crate) fn is_truncated(&self) -> bool {
        self.marker.is_some()
    }
}

impl Paging {
    /// Reads `Marker` and `MaxItems`, whose bounds have been checked.
    pub(crate) fn new(marker: Option<&str>, max_items: Option<i32>) -> Result<Self, Error> {
        let after = marker.map(decoded).transpose()?;
        let items = max_items.and_then(|items| usize::try_from(items).ok()).unwrap_or(ITEMS_DEFAULT);
        Ok(Self { after, items })
    }
}

/// A marker is the hexadecimal form of a name: it must pass for opaque and survive every encoding.
fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len() * 2);
    for byte in name.bytes() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn invalid_marker() -> Error {
    Error::Validation("Invalid Marker.".to_owned())
}

fn decoded(marker: &str) -> Result<String, Error> {
    let digits = marker.as_bytes();
    let pairs = digits.chunks(2).map(|pair| {
        let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2)?;
        u8::from_str_radix(text, 16).ok()
    });
    pairs
        .collect::<Option<Vec<u8>>>()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(invalid_marker)
}

/// Cuts a page from a list in memory; each item comes with the name it is found again by.
pub(crate) fn page_of<T>(all: Vec<(String, T)>, paging: &Paging) -> Result<Page<T>, Error> {
    let mut rest = all.into_iter();
    if let Some(after) = &paging.after
        && !rest.by_ref().any(|(name, _)| name == *after)
    {
        return Err(invalid_marker());
    }
    let mut items = Vec::new();
    let mut last = None;
    for (name, item) in rest {
        if items.len() == paging.items {
            return Ok(Page { items, marker: last.map(|name: String| encoded(&name)) });
        }
        items.push(item);
        last = Some(name);
    }
    Ok(Page { items, marker: None })
}

/// Cuts a page from the numbers below `total`.
pub(crate) fn page_of_numbers(total: usize, paging: &Paging) -> Result<Page<usize>, Error> {
    let from = match &paging.after {
        None => 0,
        Some(after) => after
            .parse::<usize>()
            .ok()
            .and_then(|last| last.checked_add(1))
            .filter(|from| *from < total)
            .ok_or_else(invalid_marker)?,
    };
    let to = from.saturating_add(paging.items).min(total);
    let marker = (to < total).then(|| encoded(&to.saturating_sub(1).to_string()));
    Ok(Page { items: (from..to).collect(), marker })
}

/// Reads a page of rows below `prefix` (whose next key part is a name), keeping those that `keep` wants.
pub(crate) fn page_of_rows<T: Row>(
    tx: &ReadTx<'_>,
    prefix: &Key,
    paging: &Paging,
    keep: impl Fn(&T) -> bool,
) -> Result<Page<T>, Error> {
    let mut after = paging.after.as_ref().map(|name| prefix.clone().text(name));
    let part = prefix.parts().len();
    let mut page = Page { items: Vec::new(), marker: None };
    let mut last: Option<Key> = None;
    loop {
        let batch: Vec<(Key, T)> = tx.scan(prefix, after.as_ref(), BATCH)?;
        let Some((end, _)) = batch.last() else { return Ok(page) };
        after = Some(end.clone());
        for (key, row) in batch.into_iter().filter(|(_, row)| keep(row)) {
            if page.items.len() == paging.items {
                page.marker = last.and_then(|key| key.text_at(part)).map(|name| encoded(&name));
                return Ok(page);
            }
            page.items.push(row);
            last = Some(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_every_item_once() {
        let all: Vec<(String, u32)> = (0..7).map(|n| (format!("item é{n}"), n)).collect();
        let mut seen = Vec::new();
        let mut marker = None;
        loop {
            let paging = Paging::new(marker.as_deref(), Some(3)).unwrap();
            let page = page_of(all.clone(), &paging).unwrap();
            seen.extend(page.items);
            marker = page.marker;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn pages_of_numbers_cover_every_number_once() {
        let (mut seen, mut marker) = (Vec::new(), None);
        loop {
            let page = page_of_numbers(7, &Paging::new(marker.as_deref(), Some(3)).unwrap()).unwrap();
            seen.extend(page.items);
            marker = page.marker;
            if marker.is_none() {
                break;
            }
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
        for forged in ["37", "78", "2d31"] {
            let paging = Paging::new(Some(forged), None).unwrap();
            assert!(page_of_numbers(7, &paging).is_err(), "{forged}");
        }
    }

    #[test]
    fn forged_markers_are_refused() {
        for marker in ["x", "zz", "6", "ff", "é1"] {
            assert!(Paging::new(Some(marker), None).is_err(), "{marker}");
        }
        let paging = Paging::new(Some("6162"), None).unwrap();
        assert!(page_of(vec![("a".to_owned(), 1)], &paging).is_err());
    }
}
