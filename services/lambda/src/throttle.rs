//! How many requests may run at once, per account and per function.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use casemate_names::{AccountId, Arn};

use crate::api::ThrottleReason;

/// Requests of one account that may run at once.
// AWS: 1,000 (Lambda quotas, "Concurrent executions").
pub(crate) const CONCURRENT_MAX: usize = 1_000;

/// What reservations must leave to functions without one.
// AWS: 100 (Lambda developer guide, "Configuring reserved concurrency").
pub(crate) const UNRESERVED_MIN: usize = 100;

/// Counts running requests. What functions have reserved is set aside: the others have what is left.
#[derive(Debug, Clone, Default)]
pub(crate) struct Throttle {
    running: Arc<Mutex<Running>>,
}

#[derive(Debug, Default)]
struct Running {
    /// Requests of functions without a reservation.
    accounts: BTreeMap<AccountId, usize>,
    /// Requests of each function.
    functions: BTreeMap<Arn, usize>,
    /// What the functions of an account have reserved together; absent until somebody has added it up.
    set_aside: BTreeMap<AccountId, usize>,
    /// How often reservations have changed: what was added up before a change is not kept after it.
    changes: u64,
}

/// One running request, until dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    throttle: Throttle,
    /// Whose unreserved capacity it uses; `None`: its function's own.
    account: Option<AccountId>,
    function: Arn,
}

impl Throttle {
    /// A slot, unless the account or the function has none left. `set_aside` adds up the account's reservations.
    pub(crate) fn enter<E>(
        &self,
        account: &AccountId,
        function: &Arn,
        reserved: Option<usize>,
        set_aside: impl FnOnce() -> Result<usize, E>,
    ) -> Result<Result<Slot, ThrottleReason>, E> {
        // Adding up reads every function of the account: not while all other requests wait for the lock.
        let (known, changes) = {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            (running.set_aside.get(account).copied(), running.changes)
        };
        let aside = match (reserved, known) {
            (Some(_), _) => 0,
            (None, Some(known)) => known,
            (None, None) => set_aside()?,
        };
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let of_function = running.functions.get(function).copied().unwrap_or_default();
        if let Some(reserved) = reserved {
            if of_function >= reserved {
                return Ok(Err(ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded));
            }
        } else {
            if running.changes == changes {
                running.set_aside.insert(account.clone(), aside);
            }
            let unreserved = running.accounts.get(account).copied().unwrap_or_default();
            if unreserved >= CONCURRENT_MAX.saturating_sub(aside) {
                return Ok(Err(ThrottleReason::ConcurrentInvocationLimitExceeded));
            }
            running.accounts.insert(account.clone(), unreserved + 1);
        }
        running.functions.insert(function.clone(), of_function + 1);
        let account = reserved.is_none().then(|| account.clone());
        Ok(Ok(Slot { throttle: self.clone(), account, function: function.clone() }))
    }

    /// Reservations of this account have changed: they are added up anew.
    pub(crate) fn forget_reservations(&self, account: &AccountId) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.set_aside.remove(account);
        running.changes = running.changes.wrapping_add(1);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut running = self.throttle.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = &self.account {
            one_less(&mut running.accounts, account);
        }
        one_less(&mut running.functions, &self.function);
    }
}

fn one_less<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn arn(name: &str) -> Arn {
        Arn::parse(&["arn:aws:lambda:us-east-1:123456789012:function", name].join(":")).unwrap()
    }

    fn account() -> AccountId {
        AccountId::parse("123456789012").unwrap()
    }

    fn enter(throttle: &Throttle, name: &str, reserved: Option<usize>) -> Result<Slot, ThrottleReason> {
        let Ok(entered) = throttle.enter(&account(), &arn(name), reserved, || Ok::<_, Infallible>(0));
        entered
    }

    #[test]
    fn the_limit_is_per_account_and_slots_come_back() {
        let throttle = Throttle::default();
        let mut slots: Vec<_> = (0..CONCURRENT_MAX).map(|_| enter(&throttle, "f", None).unwrap()).collect();
        assert_eq!(
            enter(&throttle, "g", None).unwrap_err(),
            ThrottleReason::ConcurrentInvocationLimitExceeded
        );
        let other = AccountId::parse("210987654321").unwrap();
        let Ok(entered) = throttle.enter(&other, &arn("f"), None, || Ok::<_, Infallible>(0));
        assert!(entered.is_ok());
        slots.pop();
        assert!(enter(&throttle, "g", None).is_ok());
    }

    #[test]
    fn a_reservation_limits_its_function_and_zero_stops_it() {
        let throttle = Throttle::default();
        let held = enter(&throttle, "f", Some(1)).unwrap();
        assert_eq!(
            enter(&throttle, "f", Some(1)).unwrap_err(),
            ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded
        );
        assert!(enter(&throttle, "g", None).is_ok());
        drop(held);
        assert!(enter(&throttle, "f", Some(1)).is_ok());
        assert!(enter(&throttle, "f", Some(0)).is_err());
    }

    #[test]
    fn what_is_reserved_is_set_aside() {
        let throttle = Throttle::default();
        let reserved = CONCURRENT_MAX - UNRESERVED_MIN;
        let others = |name| {
            let Ok(entered) = throttle.enter(&account(), &arn(name), None, || Ok::<_, Infallible>(reserved));
            entered
        };
        let flood: Vec<_> = (0..UNRESERVED_MIN).map(|_| others("flood").unwrap()).collect();
        assert_eq!(others("flood").unwrap_err(), ThrottleReason::ConcurrentInvocationLimitExceeded);
        // The reserving function has all of its own, whatever the others do.
        let own: Vec<_> =
            (0..reserved).map(|_| enter(&throttle, "reserving", Some(reserved)).unwrap()).collect();
        drop(own);
        assert!(others("flood").is_err(), "what is set aside is not lent");
        throttle.forget_reservations(&account());
        assert!(enter(&throttle, "flood", None).is_ok(), "added up anew");
        drop(flood);
    }

    #[test]
    fn where_reservations_cannot_be_added_up_nothing_runs() {
        let throttle = Throttle::default();
        assert_eq!(
            throttle.enter(&account(), &arn("f"), None, || Err("unreadable")).unwrap_err(),
            "unreadable"
        );
        assert!(enter(&throttle, "f", None).is_ok());
    }
}
