//! The password lockout ladder of one user: a pure state machine, told the time, shared by every flow that proves a password.
//! Knows no users, flows or storage.
//!
//! ```text
//!               wrong (n < 5)                     wrong, n ≥ 5
//!   open(0) ───▶ open(n) ───────────▶ locked(n) until + 2^(n-5) s (at most 15 min)
//!      ▲            │                   │    ▲
//!      │ right,     │ right             │    │ wrong, once `until` has passed: n + 1
//!      │ or 15 min  ▼                   ▼    │
//!      └───────── open(0) ◀───────── open(n) ┘       while locked: every attempt is refused unseen, counts nothing
//! ```
//! AWS: <https://docs.aws.amazon.com/cognito/latest/developerguide/authentication.html> (lockout behaviour for failed sign-in).

use casemate_names::Timestamp;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// Wrong attempts that cost nothing.
const FREE_FAILURES: u32 = 5;

/// Longest lock, and the idle time after which everything is forgotten, in milliseconds: 15 minutes.
pub const CAP_MS: i64 = 15 * 60 * 1000;

/// One user's ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lockout {
    /// Consecutive wrong attempts.
    pub failures: u32,
    /// When the last attempt that counted was made.
    pub last_attempt_at: Timestamp,
    /// Until then every attempt is refused.
    pub locked_until: Timestamp,
}

impl Lockout {
    /// May an attempt be looked at now?
    pub fn check(&self, now: Timestamp) -> Result<(), Refusal> {
        if now < self.locked_until {
            // AWS: documented text.
            return Err(Refusal::not_authorized("Password attempts exceeded"));
        }
        Ok(())
    }

    /// The ladder after a wrong attempt at `now`. Call only when [`Self::check`] passed.
    #[must_use]
    pub fn failed(self, now: Timestamp) -> Self {
        let failures = if self.is_stale(now) { 1 } else { self.failures.saturating_add(1) };
        let locked_until = match failures.checked_sub(FREE_FAILURES) {
            None => now,
            Some(step) => {
                let wait_ms = 1000_i64.checked_shl(step.min(20)).unwrap_or(CAP_MS).min(CAP_MS);
                now.plus_millis(wait_ms)
            }
        };
        Self { failures, last_attempt_at: now, locked_until }
    }

    /// Has nobody tried for so long that the row can be forgotten?
    pub fn is_stale(&self, now: Timestamp) -> bool {
        // AWS leaves open whether the 15 minutes may overlap a lock; counted after it, the longest lock keeps its weight.
        now - self.last_attempt_at.max(self.locked_until) >= CAP_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_000_000);

    fn after(failures: u32) -> (Lockout, Timestamp) {
        let (mut ladder, mut now) = (Lockout::default(), START);
        for _ in 0..failures {
            now = now.max(ladder.locked_until);
            ladder.check(now).unwrap();
            ladder = ladder.failed(now);
        }
        (ladder, now)
    }

    #[test]
    fn four_failures_are_free() {
        let (ladder, now) = after(4);
        assert_eq!(ladder.check(now), Ok(()));
    }

    #[test]
    fn the_wait_doubles_from_one_second_at_the_fifth_and_stops_at_fifteen_minutes() {
        for (failures, seconds) in
            [(5, 1), (6, 2), (7, 4), (8, 8), (14, 512), (15, 900), (16, 900), (200, 900)]
        {
            let (ladder, now) = after(failures);
            assert_eq!(ladder.locked_until - now, seconds * 1000, "after {failures}");
            assert!(ladder.check(ladder.locked_until.plus_millis(-1)).is_err());
            assert!(ladder.check(ladder.locked_until).is_ok());
        }
    }

    #[test]
    fn attempts_while_locked_are_refused_with_the_documented_text() {
        let (ladder, now) = after(5);
        assert_eq!(ladder.check(now).unwrap_err().text, "Password attempts exceeded");
    }

    #[test]
    fn fifteen_minutes_of_silence_forget_everything() {
        let (ladder, _) = after(6);
        let later = ladder.locked_until.plus_millis(CAP_MS);
        assert_eq!(ladder.failed(later).failures, 1);
        assert_eq!(ladder.failed(later.plus_millis(-1)).failures, 7);
    }
}
