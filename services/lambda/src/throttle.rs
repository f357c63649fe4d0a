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

/// Counts running requests.
// DIVERGES: a reservation limits its function; it does not set capacity aside, so the others may use it meanwhile.
#[derive(Debug, Clone, Default)]
pub(crate) struct Throttle {
    running: Arc<Mutex<Running>>,
}

#[derive(Debug, Default)]
struct Running {
    accounts: BTreeMap<AccountId, usize>,
    functions: BTreeMap<Arn, usize>,
}

/// One running request, until dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    throttle: Throttle,
    account: AccountId,
    function: Arn,
}

impl Throttle {
    /// A slot, unless the account or the function has none left.
    pub(crate) fn enter(
        &self,
        account: &AccountId,
        function: &Arn,
        reserved: Option<usize>,
    ) -> Result<Slot, ThrottleReason> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let of_function = running.functions.get(function).copied().unwrap_or_default();
        if reserved.is_some_and(|reserved| of_function >= reserved) {
            return Err(ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded);
        }
        let of_account = running.accounts.get(account).copied().unwrap_or_default();
        if of_account >= CONCURRENT_MAX {
            return Err(ThrottleReason::ConcurrentInvocationLimitExceeded);
        }
        running.accounts.insert(account.clone(), of_account + 1);
        running.functions.insert(function.clone(), of_function + 1);
        Ok(Slot { throttle: self.clone(), account: account.clone(), function: function.clone() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut running = self.throttle.running.lock().unwrap_or_else(PoisonError::into_inner);
        one_less(&mut running.accounts, &self.account);
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
    use super::*;

    fn arn(name: &str) -> Arn {
        Arn::parse(&["arn:aws:lambda:us-east-1:123456789012:function", name].join(":")).unwrap()
    }

    #[test]
    fn the_limit_is_per_account_and_slots_come_back() {
        let throttle = Throttle::default();
        let one = AccountId::parse("123456789012").unwrap();
        let mut slots: Vec<_> =
            (0..CONCURRENT_MAX).map(|_| throttle.enter(&one, &arn("f"), None).unwrap()).collect();
        assert_eq!(
            throttle.enter(&one, &arn("g"), None).unwrap_err(),
            ThrottleReason::ConcurrentInvocationLimitExceeded
        );
        let other = AccountId::parse("210987654321").unwrap();
        assert!(throttle.enter(&other, &arn("f"), None).is_ok());
        slots.pop();
        assert!(throttle.enter(&one, &arn("g"), None).is_ok());
    }

    #[test]
    fn a_reservation_limits_its_function_and_zero_stops_it() {
        let throttle = Throttle::default();
        let account = AccountId::parse("123456789012").unwrap();
        let held = throttle.enter(&account, &arn("f"), Some(1)).unwrap();
        assert_eq!(
            throttle.enter(&account, &arn("f"), Some(1)).unwrap_err(),
            ThrottleReason::ReservedFunctionConcurrentInvocationLimitExceeded
        );
        assert!(throttle.enter(&account, &arn("g"), None).is_ok());
        drop(held);
        assert!(throttle.enter(&account, &arn("f"), Some(1)).is_ok());
        assert!(throttle.enter(&account, &arn("f"), Some(0)).is_err());
    }
}
