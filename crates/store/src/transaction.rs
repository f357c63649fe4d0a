//! What a closure sees: typed reads over a source and the transaction's own changes.

use std::{
    collections::BTreeMap,
    fmt,
    ops::{Bound, Deref},
};

use zeroize::Zeroizing;

use crate::{
    Key, Row, StoreError,
    engine::Source,
    key::after_prefix,
    row,
    seal::{Opened, Sealer},
};

/// Largest sum of keys and values one transaction may change. FoundationDB's limit (10 MB).
pub const TRANSACTION_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Which way a range is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// A changed row, not yet sealed.
pub(crate) struct Change {
    pub(crate) version: u16,
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

/// A transaction's changes by full name; `None` deletes.
pub(crate) type Changes = BTreeMap<Vec<u8>, Option<Change>>;

/// Reads. In [`crate::Store::read`] of a snapshot; in [`crate::Store::write`], by way of [`WriteTx`], of everything
/// before this transaction and its own changes.
pub struct ReadTx<'a> {
    source: &'a dyn Source,
    sealer: &'a Sealer,
    own: Changes,
}

/// Reads and changes.
pub struct WriteTx<'a> {
    view: ReadTx<'a>,
    bytes: usize,
}

enum Found<'c> {
    Sealed(Vec<u8>),
    Own(&'c Change),
}

impl<'a> ReadTx<'a> {
    pub(crate) fn new(source: &'a dyn Source, sealer: &'a Sealer) -> Self {
        Self { source, sealer, own: Changes::new() }
    }

    /// The row at `key`.
    pub fn get<T: Row>(&self, key: &Key) -> Result<Option<T>, StoreError> {
        let name = name::<T>(key.whole()?);
        match self.find(&name)? {
            Some(found) => self.decoded(&name, found).map(Some),
            None => Ok(None),
        }
    }

    /// Whether there is a row at `key`. Does not open it.
    pub fn exists<T: Row>(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(self.find(&name::<T>(key.whole()?))?.is_some())
    }

    /// The first `limit` rows whose keys begin with `prefix`, ascending, strictly after `after`.
    pub fn scan<T: Row>(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, T)>, StoreError> {
        let (mut lower, upper) = span::<T>(prefix);
        if let Some(after) = after {
            let mut next = name::<T>(after.as_bytes());
            next.push(0);
            lower = lower.max(next);
        }
        self.rows(&lower, &upper, limit, Order::Ascending)
    }

    /// The last `limit` rows whose keys begin with `prefix`, descending, strictly before `before`.
    pub fn scan_reverse<T: Row>(
        &self,
        prefix: &Key,
        before: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, T)>, StoreError> {
        let (lower, mut upper) = span::<T>(prefix);
        if let Some(before) = before {
            upper = upper.min(name::<T>(before.as_bytes()));
        }
        self.rows(&lower, &upper, limit, Order::Descending)
    }

    /// Rows whose keys begin with `prefix` and lie within the bounds. A bound stands for every key that begins with
    /// it: an included bound takes all of them in, an excluded one leaves all of them out.
    pub fn range<T: Row>(
        &self,
        prefix: &Key,
        lower: Bound<&Key>,
        upper: Bound<&Key>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Key, T)>, StoreError> {
        let (mut from, mut to) = span::<T>(prefix);
        match lower {
            Bound::Included(key) => from = from.max(name::<T>(key.as_bytes())),
            Bound::Excluded(key) => from = from.max(after_prefix(name::<T>(key.as_bytes()))),
            Bound::Unbounded => {}
        }
        match upper {
            Bound::Included(key) => to = to.min(after_prefix(name::<T>(key.as_bytes()))),
            Bound::Excluded(key) => to = to.min(name::<T>(key.as_bytes())),
            Bound::Unbounded => {}
        }
        self.rows(&from, &to, limit, order)
    }

    /// The first `limit` keys that begin with `prefix`, ascending, strictly after `after`. Opens no row.
    pub fn keys<T: Row>(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<Key>, StoreError> {
        let (mut lower, upper) = span::<T>(prefix);
        if let Some(after) = after {
            let mut next = name::<T>(after.as_bytes());
            next.push(0);
            lower = lower.max(next);
        }
        self.merged(&lower, &upper, limit, Order::Ascending, |name, _| key_of::<T>(name))
    }

    fn find(&self, name: &[u8]) -> Result<Option<Found<'_>>, StoreError> {
        match self.own.get(name) {
            Some(change) => Ok(change.as_ref().map(Found::Own)),
            None => Ok(self.source.value(name)?.map(Found::Sealed)),
        }
    }

    fn decoded<T: Row>(&self, name: &[u8], found: Found<'_>) -> Result<T, StoreError> {
        match found {
            Found::Own(change) => row::decode(change.version, &change.bytes),
            Found::Sealed(sealed) => {
                let tampered = || StoreError::Tampered { table: T::TABLE.to_owned() };
                let Opened { version, bytes } = self.sealer.open(name, sealed).ok_or_else(tampered)?;
                row::decode(version, &Zeroizing::new(bytes))
            }
        }
    }

    fn rows<T: Row>(
        &self,
        lower: &[u8],
        upper: &[u8],
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Key, T)>, StoreError> {
        self.merged(lower, upper, limit, order, |name, found| {
            Ok((key_of::<T>(name)?, self.decoded(name, found)?))
        })
    }

    /// Merges the source's pairs with this transaction's changes, which win.
    fn merged<R>(
        &self,
        lower: &[u8],
        upper: &[u8],
        limit: usize,
        order: Order,
        read: impl Fn(&[u8], Found<'_>) -> Result<R, StoreError>,
    ) -> Result<Vec<R>, StoreError> {
        let mut rows = Vec::new();
        if lower >= upper || limit == 0 {
            return Ok(rows);
        }
        let mut below = self.source.walk(lower, upper, order)?.peekable();
        let range = (Bound::Included(lower.to_vec()), Bound::Excluded(upper.to_vec()));
        let own = self.own.range(range);
        let own: Box<dyn Iterator<Item = _>> = match order {
            Order::Ascending => Box::new(own),
            Order::Descending => Box::new(own.rev()),
        };
        let mut own = own.peekable();
        while rows.len() < limit {
            let before = |a: &[u8], b: &[u8]| match order {
                Order::Ascending => a < b,
                Order::Descending => a > b,
            };
            // An unreadable pair counts as the next one, so that its error is not passed over.
            let from_below = match (below.peek(), own.peek()) {
                (None, None) => break,
                (Some(Ok((name, _))), Some((mine, _))) => before(name, mine),
                (Some(_), _) => true,
                (None, Some(_)) => false,
            };
            if from_below {
                if let Some(pair) = below.next() {
                    let (name, sealed) = pair?;
                    rows.push(read(&name, Found::Sealed(sealed))?);
                }
            } else if let Some((name, change)) = own.next() {
                below.next_if(|pair| matches!(pair, Ok((same, _)) if same == name));
                if let Some(change) = change {
                    rows.push(read(name, Found::Own(change))?);
                }
            }
        }
        Ok(rows)
    }
}

impl<'a> WriteTx<'a> {
    pub(crate) fn new(source: &'a dyn Source, sealer: &'a Sealer) -> Self {
        Self { view: ReadTx::new(source, sealer), bytes: 0 }
    }

    pub(crate) fn into_changes(self) -> Changes {
        self.view.own
    }

    /// Sets the row at `key`.
    pub fn put<T: Row>(&mut self, key: &Key, row: &T) -> Result<(), StoreError> {
        let name = name::<T>(key.whole()?);
        let bytes = Zeroizing::new(row::encode(row)?);
        self.change(name, Some(Change { version: T::VERSION, bytes }))
    }

    /// Removes the row at `key`, if there is one.
    pub fn delete<T: Row>(&mut self, key: &Key) -> Result<(), StoreError> {
        self.change(name::<T>(key.whole()?), None)
    }

    fn change(&mut self, name: Vec<u8>, change: Option<Change>) -> Result<(), StoreError> {
        let size =
            |name: &[u8], change: &Option<Change>| name.len() + change.as_ref().map_or(0, |c| c.bytes.len());
        let replaced = self.view.own.get(&name).map_or(0, |old| size(&name, old));
        let bytes = self.bytes - replaced + size(&name, &change);
        if bytes > TRANSACTION_BYTES_MAX {
            return Err(StoreError::TransactionTooLarge { bytes });
        }
        self.bytes = bytes;
        self.view.own.insert(name, change);
        Ok(())
    }
}

/// Helpers that only read take `&ReadTx<'_>` and serve both.
impl<'a> Deref for WriteTx<'a> {
    type Target = ReadTx<'a>;

    fn deref(&self) -> &ReadTx<'a> {
        &self.view
    }
}

impl fmt::Debug for ReadTx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadTx(..)")
    }
}

impl fmt::Debug for WriteTx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteTx({} changes)", self.view.own.len())
    }
}

/// A row's full name: its table, a zero byte, its key. Associated data of its seal.
fn name<T: Row>(key: &[u8]) -> Vec<u8> {
    debug_assert!(!T::TABLE.is_empty() && !T::TABLE.contains('\0'));
    let mut name = Vec::with_capacity(T::TABLE.len() + 1 + key.len());
    name.extend_from_slice(T::TABLE.as_bytes());
    name.push(0);
    name.extend_from_slice(key);
    name
}

/// The names that begin with `prefix`.
fn span<T: Row>(prefix: &Key) -> (Vec<u8>, Vec<u8>) {
    let lower = name::<T>(prefix.as_bytes());
    let upper = after_prefix(lower.clone());
    (lower, upper)
}

fn key_of<T: Row>(name: &[u8]) -> Result<Key, StoreError> {
    let key = name.get(T::TABLE.len() + 1..).and_then(Key::from_bytes);
    key.ok_or_else(|| StoreError::Tampered { table: T::TABLE.to_owned() })
}
