//! Which of the reserved user ids are in use.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// Numbers of user ids in use.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    taken: Mutex<(u32, BTreeSet<u32>)>,
}

impl Slots {
    /// The next free one; ids are not reused before all others were.
    pub(crate) fn take(self: &Arc<Self>) -> SlotLease {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, used) = &mut *taken;
        let free = (0..SLOTS).map(|step| (*next + step) % SLOTS).find(|slot| !used.contains(slot));
        let slot = free.unwrap_or(0);
        used.insert(slot);
        *next = slot + 1;
        SlotLease { slot, slots: Arc::clone(self) }
    }
}

/// A user id in use; free again when dropped.
#[derive(Debug)]
pub(crate) struct SlotLease {
    pub(crate) slot: u32,
    slots: Arc<Slots>,
}

impl Drop for SlotLease {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.1.remove(&self.slot);
    }
}

/// Environments at the same time; the last of the reserved ids is for probes.
const SLOTS: u32 = 65_535;
