//! Throttling by token buckets: a bucket holds `burst` tokens, gets `rate` of them each second, and a request takes one.
//! A request takes its tokens from all of its buckets or from none.
//!
//! The time is the request's. Tokens are counted in millionths, so that nothing depends on rounding. AWS calls its limits
//! best effort; here, in one process, they are exact. Restarting fills all buckets.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use casemate_names::{Scope, Timestamp};

use crate::rows::MethodSetting;

/// How much may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Millionths of a token a millisecond.
    rate: u64,
    /// Millionths of a token.
    burst: u64,
}

/// What a bucket is for. Both kinds are made of what is deployed, never of what a request says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Account(Scope),
    /// API, stage, resource and verb.
    Method([String; 4]),
}

/// All buckets.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    buckets: Mutex<HashMap<Key, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: u64,
    at: Timestamp,
    limit: Limit,
}

impl Limit {
    /// What an account may get in a region.
    pub(crate) fn account() -> Self {
        Self::new(RATE_LIMIT, BURST_LIMIT)
    }

    /// The limit of a method by a stage's settings: its own, or the one for all. `None`: only the account's counts.
    pub(crate) fn of_method(
        settings: &BTreeMap<String, MethodSetting>,
        resource_path: &str,
        verb: &str,
    ) -> Option<Self> {
        let own = settings.iter().find(|(key, _)| {
            key.rsplit_once('/').is_some_and(|(path, of)| {
                of == verb && path.replace("~1", "/").trim_matches('/') == resource_path.trim_matches('/')
            })
        });
        let setting = own.map(|(_, setting)| setting).or_else(|| settings.get("*/*"))?;
        let (rate, burst) =
            (setting.rate_limit.unwrap_or(RATE_LIMIT), setting.burst_limit.unwrap_or(BURST_LIMIT));
        // AWS: -1 switches the method's own throttling off (as infrastructure tools set it).
        (rate >= 0.0 && burst >= 0).then(|| Self::new(rate, burst))
    }

    /// From requests a second and requests at once, neither negative.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates; limits are small and not negative"
    )]
    pub(crate) fn new(rate: f64, burst: i32) -> Self {
        let rate = (rate * 1_000.0).round() as u64;
        Self { rate, burst: u64::try_from(burst).unwrap_or(0).saturating_mul(TOKEN) }
    }
}

impl Bucket {
    fn full(limit: Limit, at: Timestamp) -> Self {
        Self { tokens: limit.burst, at, limit }
    }

    /// With what has come in since, and the limit as it is now.
    fn refilled(self, limit: Limit, now: Timestamp) -> Self {
        let elapsed_ms = u64::try_from(now - self.at).unwrap_or(0);
        let tokens = self.tokens.saturating_add(elapsed_ms.saturating_mul(self.limit.rate));
        // Readings of requests side by side come a little out of order; time counts once. A clock that is set back is not
        // waited for.
        let at = if self.at - now > BACK_MS_MAX { now } else { self.at.max(now) };
        Self { tokens: tokens.min(limit.burst), at, limit }
    }
}

impl Throttle {
    /// Takes a token from each bucket. `Err`: which one has none; then none was taken from any.
    pub(crate) fn take<'k>(&self, wanted: &'k [(Key, Limit)], now: Timestamp) -> Result<(), &'k Key> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::with_capacity(wanted.len());
        for (key, limit) in wanted {
            let bucket = buckets
                .get(key)
                .map_or_else(|| Bucket::full(*limit, now), |known| known.refilled(*limit, now));
            let tokens = bucket.tokens.checked_sub(TOKEN).ok_or(key)?;
            taken.push((key, Bucket { tokens, ..bucket }));
        }
        for (key, bucket) in taken {
            if !buckets.contains_key(key) && buckets.len() >= BUCKETS_MAX {
                make_room(&mut buckets, now);
            }
            buckets.insert(key.clone(), bucket);
        }
        Ok(())
    }
}

/// Forgets buckets that are full again, or else the one that was used longest ago.
fn make_room(buckets: &mut HashMap<Key, Bucket>, now: Timestamp) {
    buckets.retain(|_, bucket| bucket.refilled(bucket.limit, now).tokens < bucket.limit.burst);
    if buckets.len() >= BUCKETS_MAX
        && let Some(oldest) = buckets.iter().min_by_key(|(_, bucket)| bucket.at).map(|(key, _)| key.clone())
    {
        buckets.remove(&oldest);
    }
}

/// AWS: requests a second of an account in a region, and at once (quotas).
pub(crate) const RATE_LIMIT: f64 = 10_000.0;
pub(crate) const BURST_LIMIT: i32 = 5_000;
/// Ours: how far behind a reading may be and still be one of requests side by side, milliseconds.
const BACK_MS_MAX: i64 = 60_000;
/// A token in the unit they are counted in.
const TOKEN: u64 = 1_000_000;
/// Ours: buckets kept in memory.
const BUCKETS_MAX: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn method(name: &str) -> Key {
        Key::Method(["api", "prod", name, "GET"].map(str::to_owned))
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn taken(throttle: &Throttle, wanted: &[(Key, Limit)], now: i64) -> usize {
        (0..100).take_while(|_| throttle.take(wanted, at(now)).is_ok()).count()
    }

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let (throttle, wanted) = (Throttle::default(), [(method("a"), Limit::new(2.0, 5))]);
        assert_eq!(taken(&throttle, &wanted, 0), 5);
        assert_eq!(taken(&throttle, &wanted, 499), 0);
        assert_eq!(taken(&throttle, &wanted, 500), 1);
        assert_eq!(taken(&throttle, &wanted, 1_500), 2);
        assert_eq!(taken(&throttle, &wanted, 1_000_000), 5, "never more than the burst");
        assert_eq!(taken(&throttle, &wanted, 0), 0, "a clock set back fills nothing");
        assert_eq!(
            taken(&throttle, &[(method("b"), Limit::new(0.5, 1))], 0),
            1,
            "another method, another bucket"
        );
        assert_eq!(taken(&throttle, &[(method("b"), Limit::new(0.5, 1))], 1_999), 0);
        assert_eq!(taken(&throttle, &[(method("b"), Limit::new(0.5, 1))], 2_000), 1);
    }

    #[test]
    fn a_limit_of_nothing_lets_nothing_through() {
        for limit in [Limit::new(0.0, 0), Limit::new(100.0, 0)] {
            let throttle = Throttle::default();
            assert_eq!(taken(&throttle, &[(method("a"), limit)], 0), 0);
            assert_eq!(taken(&throttle, &[(method("a"), limit)], 10_000), 0);
        }
        let (throttle, once) = (Throttle::default(), [(method("a"), Limit::new(0.0, 1))]);
        assert_eq!((taken(&throttle, &once, 0), taken(&throttle, &once, 1_000_000)), (1, 0));
    }

    #[test]
    fn one_empty_bucket_leaves_the_others_as_they_were() {
        let throttle = Throttle::default();
        let (small, large) = ((method("a"), Limit::new(0.0, 1)), (method("b"), Limit::new(0.0, 3)));
        let both = [small.clone(), large.clone()];
        assert_eq!(throttle.take(&both, at(0)), Ok(()));
        assert_eq!(throttle.take(&both, at(0)), Err(&small.0));
        assert_eq!(taken(&throttle, &[large], 0), 2, "the refused request took nothing");
    }

    #[test]
    fn a_new_limit_counts_at_once() {
        let throttle = Throttle::default();
        assert_eq!(throttle.take(&[(method("a"), Limit::new(1.0, 50))], at(0)), Ok(()));
        assert_eq!(taken(&throttle, &[(method("a"), Limit::new(1.0, 2))], 0), 2);
    }

    #[test]
    fn the_accounts_limit_is_awss() {
        let wanted = [(method("account"), Limit::account())];
        let throttle = Throttle::default();
        let all = (0..6_000).filter(|_| throttle.take(&wanted, at(0)).is_ok()).count();
        let next = (0..6_000).filter(|_| throttle.take(&wanted, at(100)).is_ok()).count();
        assert_eq!((all, next), (5_000, 1_000));
    }

    #[test]
    fn the_number_of_buckets_is_bounded_and_those_in_use_stay() {
        let throttle = Throttle::default();
        let used = [(method("used"), Limit::new(0.0, 1))];
        assert_eq!(throttle.take(&used, at(1_000)), Ok(()));
        for number in 0..BUCKETS_MAX + 10 {
            let _ = throttle.take(&[(method(&number.to_string()), Limit::new(1_000.0, 2))], at(1_000));
        }
        let _ = throttle.take(&[(method("later"), Limit::new(1.0, 1))], at(2_000));
        assert!(throttle.buckets.lock().unwrap().len() <= BUCKETS_MAX);
        let throttle = Throttle::default();
        assert_eq!(throttle.take(&used, at(1_000)), Ok(()));
        for number in 0..BUCKETS_MAX {
            let now = at(2_000 + i64::try_from(number).unwrap());
            assert_eq!(throttle.take(&[(method(&number.to_string()), Limit::new(1_000.0, 2))], now), Ok(()));
        }
        assert!(
            throttle.take(&used, at(1_000_000)).is_err(),
            "an empty bucket outlives those that are full again"
        );
    }
}
