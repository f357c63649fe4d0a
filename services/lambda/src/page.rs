//! Pages of lists: rows in the order of their keys, and a marker that names the last one given.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use casemate_store::{Key, ReadTx, Row};

use crate::api::Error;

/// Rows read at a time by [`Page::scan_for`]. Ours.
const SCANNED: usize = 100;

/// Which part of a list is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// Below which all of the list is.
    pub(crate) prefix: Key,
    /// The last one that was given.
    pub(crate) after: Option<Key>,
    /// How many at most.
    pub(crate) limit: usize,
}

impl Page {
    /// Reads what a request says. A marker leads nowhere but into the list it was given for.
    pub(crate) fn of(
        prefix: Key,
        marker: Option<&str>,
        max_items: Option<i32>,
        page_max: usize,
    ) -> Result<Self, Error> {
        let limit = max_items.and_then(|n| usize::try_from(n).ok()).unwrap_or(page_max).clamp(1, page_max);
        let after = match marker.filter(|marker| !marker.is_empty()) {
            None => None,
            Some(marker) => {
                let key = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|bytes| Key::from_bytes(&bytes));
                let key = key.filter(|key| key.starts_with(&prefix));
                Some(key.ok_or_else(|| {
                    Error::invalid_parameter_value_exception(
                        "The marker is not one that this operation has given.",
                    )
                })?)
            }
        };
        Ok(Self { prefix, after, limit })
    }

    /// The rows of the page and one more, if there is one.
    pub(crate) fn scan<T: Row>(&self, tx: &ReadTx<'_>) -> Result<Vec<(Key, T)>, Error> {
        Ok(tx.scan::<T>(&self.prefix, self.after.as_ref(), self.limit.saturating_add(1))?)
    }

    /// The same of those rows only that are wanted; the others take no place on the page, and are never held all at once.
    pub(crate) fn scan_for<T: Row>(
        &self,
        tx: &ReadTx<'_>,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Vec<(Key, T)>, Error> {
        let (mut found, mut after) = (Vec::new(), self.after.clone());
        loop {
            let rows = tx.scan::<T>(&self.prefix, after.as_ref(), SCANNED)?;
            let whole = rows.len() == SCANNED;
            after = rows.last().map(|(key, _)| key.clone());
            let missing = self.limit.saturating_add(1).saturating_sub(found.len());
            found.extend(rows.into_iter().filter(|(_, row)| wanted(row)).take(missing));
            if !whole || found.len() > self.limit {
                return Ok(found);
            }
        }
    }

    /// Cuts what was found to the page, and makes the marker for the next.
    pub(crate) fn cut<T>(&self, mut found: Vec<(Key, T)>) -> (Vec<T>, Option<String>) {
        let more = found.len() > self.limit;
        found.truncate(self.limit);
        let next = found.last().filter(|_| more).map(|(key, _)| URL_SAFE_NO_PAD.encode(key.as_bytes()));
        (found.into_iter().map(|(_, row)| row).collect(), next)
    }
}
