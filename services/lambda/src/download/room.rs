//! How much of packages may be in memory at once to be sent, in all and to whom. A package is unsealed as a whole and held
//! until it has been sent. Knows nothing of packages.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use casemate_names::AccountId;

/// Bytes of all packages that are being sent. Ours.
const BYTES_MAX: u64 = 256 << 20;
/// The same of one account's packages.
const ACCOUNT_BYTES_MAX: u64 = BYTES_MAX / 2;
/// What the smallest counts as: a connection and its task are not free.
const BYTES_MIN: u64 = 256 << 10;

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Room(Arc<Mutex<Taken>>);

/// Never zero for any account.
#[derive(Debug, Default)]
struct Taken(BTreeMap<AccountId, u64>);

/// A part of it, until it is dropped.
#[derive(Debug)]
pub(super) struct Part {
    room: Room,
    account: AccountId,
    bytes: u64,
}

impl Room {
    /// Takes a part, if there is one left.
    pub(super) fn take(&self, account: &AccountId, bytes: u64) -> Option<Part> {
        let bytes = bytes.max(BYTES_MIN);
        let mut taken = self.taken();
        let all = taken.0.values().fold(bytes, |all, one| all.saturating_add(*one));
        let own = taken.0.get(account).map_or(bytes, |own| own.saturating_add(bytes));
        if all > BYTES_MAX || own > ACCOUNT_BYTES_MAX {
            return None;
        }
        taken.0.insert(account.clone(), own);
        Some(Part { room: self.clone(), account: account.clone(), bytes })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        let left = taken.0.get(&self.account).map_or(0, |own| own.saturating_sub(self.bytes));
        if left == 0 {
            taken.0.remove(&self.account);
        } else {
            taken.0.insert(self.account.clone(), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(number: usize) -> AccountId {
        AccountId::parse(&format!("{number:012}")).unwrap()
    }

    #[test]
    fn one_account_takes_half_and_all_together_no_more_than_there_is() {
        let (room, large) = (Room::default(), 50 << 20);
        let take = |number| room.take(&account(number), large);
        let own: Vec<Part> = std::iter::from_fn(|| take(1)).collect();
        assert_eq!(own.len(), 2);
        let others: Vec<Part> = (2..20).filter_map(take).collect();
        assert_eq!(others.len(), 3);
        assert!(take(99).is_none());
        drop(own);
        assert!(take(99).is_some());
        drop(others);
        assert!(room.taken().0.is_empty());
    }

    #[test]
    fn the_smallest_are_counted_too() {
        let room = Room::default();
        let all: Vec<Part> = std::iter::from_fn(|| room.take(&account(1), 0)).take(10_000).collect();
        assert_eq!(all.len(), 512);
    }
}
