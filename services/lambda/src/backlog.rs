//! How many asynchronous requests wait, of each function and each account, counted with the rows themselves.
//!
//! A request counts from its acceptance until it is done for, waits between its tries included.
//!
//! DIVERGES: AWS names no bound of an asynchronous queue. Beyond ours, an asynchronous invocation is refused with 429;
//! nothing that was accepted is dropped for it.

use casemate_names::Arn;
use casemate_store::{Key, Row, StoreError, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{
    api::{Error, ThrottleReason},
    refusal,
    resource::FunctionRef,
};

/// Waiting requests of one function. Ours: at one a second, all of them run within AWS's six hours.
pub(crate) const OF_FUNCTION_MAX: u64 = 20_000;
/// Waiting requests of one account. Ours: five functions may be at their bound.
const OF_ACCOUNT_MAX: u64 = 100_000;
/// Bytes of the waiting requests of one account. Ours: bounds the disk that whoever may invoke a function can fill.
const BYTES_OF_ACCOUNT_MAX: u64 = 1024 * 1024 * 1024;

/// What waits, by function, and of the account in this region.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Backlog {
    requests: u64,
    bytes: u64,
}

impl Row for Backlog {
    const TABLE: &'static str = "lambda.backlog";
    const VERSION: u16 = 1;
}

/// The function's row and the account's.
fn keys(function: &Arn) -> Option<(Key, Key)> {
    let at = FunctionRef::of_arn(function)?;
    // No function has the empty name.
    Some((at.key(), Key::of(&at.scope).text("")))
}

/// One more waits. Refuses what is too much.
pub(crate) fn add(tx: &mut WriteTx<'_>, function: &Arn, bytes: usize) -> Result<(), Error> {
    let Some((own, all)) = keys(function) else { return Ok(()) };
    let more = |backlog: Backlog| Backlog {
        requests: backlog.requests.saturating_add(1),
        bytes: backlog.bytes.saturating_add(bytes as u64),
    };
    let (of_function, of_account) =
        (more(tx.get(&own)?.unwrap_or_default()), more(tx.get(&all)?.unwrap_or_default()));
    if of_function.requests > OF_FUNCTION_MAX {
        return Err(refusal::throttled(ThrottleReason::FunctionInvocationRateLimitExceeded));
    }
    if of_account.requests > OF_ACCOUNT_MAX || of_account.bytes > BYTES_OF_ACCOUNT_MAX {
        return Err(refusal::throttled(ThrottleReason::CallerRateLimitExceeded));
    }
    tx.put(&own, &of_function)?;
    tx.put(&all, &of_account)?;
    Ok(())
}

/// One is done for.
pub(crate) fn remove(tx: &mut WriteTx<'_>, function: &Arn, bytes: usize) -> Result<(), StoreError> {
    let Some((own, all)) = keys(function) else { return Ok(()) };
    for key in [own, all] {
        let Some(backlog) = tx.get::<Backlog>(&key)? else { continue };
        let less = Backlog {
            requests: backlog.requests.saturating_sub(1),
            bytes: backlog.bytes.saturating_sub(bytes as u64),
        };
        if less.requests == 0 {
            tx.delete::<Backlog>(&key)?;
        } else {
            tx.put(&key, &less)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use casemate_names::NamedEntropy;
    use casemate_store::Store;

    use super::*;

    fn full(requests: u64, bytes: u64, key: fn(&Arn) -> Key) -> Result<(), Error> {
        let store = Store::in_memory(Arc::new(NamedEntropy::seeded(1)));
        let arn = Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap();
        store.write_blocking(move |tx| {
            tx.put(&key(&arn), &Backlog { requests, bytes })?;
            add(tx, &arn, 10)
        })
    }

    fn own(arn: &Arn) -> Key {
        keys(arn).unwrap().0
    }

    fn all(arn: &Arn) -> Key {
        keys(arn).unwrap().1
    }

    #[test]
    fn what_is_beyond_a_bound_is_refused() {
        assert!(full(OF_FUNCTION_MAX - 1, 0, own).is_ok());
        assert!(full(OF_FUNCTION_MAX, 0, own).is_err());
        assert!(full(OF_ACCOUNT_MAX - 1, 0, all).is_ok());
        assert!(full(OF_ACCOUNT_MAX, 0, all).is_err());
        assert!(full(1, BYTES_OF_ACCOUNT_MAX - 10, all).is_ok());
        assert!(full(1, BYTES_OF_ACCOUNT_MAX - 9, all).is_err());
    }

    #[test]
    fn what_is_done_for_counts_no_more() {
        let store = Store::in_memory(Arc::new(NamedEntropy::seeded(1)));
        let count = store.write_blocking(|tx| {
            let arn = |name: &str| {
                Arn::parse(&format!("arn:aws:lambda:us-east-1:123456789012:function:{name}")).unwrap()
            };
            // A version and its function share a bound.
            for name in ["f", "f:1", "g"] {
                add(tx, &arn(name), 10)?;
            }
            assert_eq!(tx.get::<Backlog>(&own(&arn("f")))?, Some(Backlog { requests: 2, bytes: 20 }));
            assert_eq!(tx.get::<Backlog>(&all(&arn("f")))?, Some(Backlog { requests: 3, bytes: 30 }));
            for name in ["f", "f:1", "g", "g"] {
                remove(tx, &arn(name), 10)?;
            }
            let left = [own(&arn("f")), own(&arn("g")), all(&arn("f"))];
            Ok::<_, Error>(left.iter().filter(|key| tx.exists::<Backlog>(key).unwrap()).count())
        });
        assert_eq!(count.unwrap(), 0);
    }
}
