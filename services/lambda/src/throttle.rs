//! How many requests may run at once, per account.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use casemate_names::AccountId;

/// Requests of one account that may run at once.
// AWS: 1,000 (Lambda quotas, "Concurrent executions").
pub(crate) const CONCURRENT_MAX: usize = 1_000;

/// Counts running requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Throttle {
    running: Arc<Mutex<BTreeMap<AccountId, usize>>>,
}

/// One running request, until dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    throttle: Throttle,
    account: AccountId,
}

impl Throttle {
    /// A slot, unless the account has none left.
    pub(crate) fn enter(&self, account: &AccountId) -> Option<Slot> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(account.clone()).or_default();
        if *count >= CONCURRENT_MAX {
            return None;
        }
        *count += 1;
        Some(Slot { throttle: self.clone(), account: account.clone() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut running = self.throttle.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_per_account_and_slots_come_back() {
        let throttle = Throttle::default();
        let one = AccountId::parse("123456789012").unwrap();
        let mut slots: Vec<_> = (0..CONCURRENT_MAX).map(|_| throttle.enter(&one).unwrap()).collect();
        assert!(throttle.enter(&one).is_none());
        assert!(throttle.enter(&AccountId::parse("210987654321").unwrap()).is_some());
        slots.pop();
        assert!(throttle.enter(&one).is_some());
    }
}
