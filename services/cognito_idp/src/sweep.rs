//! Forgetting rows that no longer mean anything: used nonces, ended sessions, dead families, quiet ladders. Rows whose end is
//! known when they are made get a line in a calendar, ordered by that end; a background task reads its beginning.

use std::{sync::Weak, time::Duration};

use casemate_names::Timestamp;
use casemate_store::{Key, Row, StoreError, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{
    CognitoIdp,
    challenge::Session,
    codes::{Attempts, Code},
    lockout::Lockout,
    sign_in::UsedNonce,
    tokens,
};

/// Which table a line of the calendar is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Swept {
    /// Nonces of answered secret blocks.
    Nonce,
    /// Challenge sessions.
    Session,
    /// Token families.
    Family,
    /// Refresh tokens.
    Refresh,
    /// Lockout ladders: swept only if still quiet.
    Lockout,
    /// Hourly attempts, likewise.
    Attempts,
    /// Confirmation codes: swept only if not sent again.
    Code,
}

impl Swept {
    fn tag(self) -> u64 {
        match self {
            Self::Nonce => 1,
            Self::Session => 2,
            Self::Family => 3,
            Self::Refresh => 4,
            Self::Lockout => 5,
            Self::Attempts => 6,
            Self::Code => 7,
        }
    }
}

/// One line of the calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    what: Swept,
    #[serde(with = "serde_bytes")]
    key: Vec<u8>,
}

impl Row for Line {
    const TABLE: &'static str = "cognito.calendar";
    const VERSION: u16 = 1;
}

/// Rows forgotten in one transaction at most, so that sweeping never holds up sign-ins.
const BATCH: usize = 200;

/// Marks the row at `key` to be forgotten at `end`.
pub fn at(tx: &mut WriteTx<'_>, end: Timestamp, what: Swept, key: &Key) -> Result<(), StoreError> {
    let line = Line { what, key: key.as_bytes().to_vec() };
    let at = u64::try_from(end.millis()).unwrap_or(0);
    tx.put(&Key::global().number(at).number(what.tag()).bytes(&line.key), &line)
}

/// Forgets what has ended. Says whether there may be more.
pub fn sweep(tx: &mut WriteTx<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let due = tx.scan::<Line>(&Key::global(), None, BATCH)?;
    let full = due.len() == BATCH;
    let mut reached = true;
    for (at, line) in due {
        let end = at.number_at(0).and_then(|millis| i64::try_from(millis).ok()).unwrap_or(0);
        if end > now.millis() {
            reached = false;
            break;
        }
        tx.delete::<Line>(&at)?;
        if let Some(key) = Key::from_bytes(&line.key) {
            forget(tx, line.what, &key, now)?;
        }
    }
    Ok(full && reached)
}

fn forget(tx: &mut WriteTx<'_>, what: Swept, key: &Key, now: Timestamp) -> Result<(), StoreError> {
    match what {
        Swept::Nonce => tx.delete::<UsedNonce>(key),
        Swept::Session => tx.delete::<Session>(key),
        Swept::Family => tx.delete::<tokens::Family>(key),
        Swept::Refresh => tx.delete::<tokens::RefreshToken>(key),
        Swept::Lockout => match tx.get::<Lockout>(key)? {
            Some(ladder) if ladder.is_stale(now) => tx.delete::<Lockout>(key),
            _ => Ok(()),
        },
        Swept::Attempts => match tx.get::<Attempts>(key)? {
            Some(attempts) if attempts.is_stale(now) => tx.delete::<Attempts>(key),
            _ => Ok(()),
        },
        Swept::Code => match tx.get::<Code>(key)? {
            Some(code) if code.is_expired(now) => tx.delete::<Code>(key),
            _ => Ok(()),
        },
    }
}

/// Seconds between two looks at the calendar.
const PERIOD_S: u64 = 60;

/// Sweeps from time to time, until the service is gone.
pub(crate) async fn run(service: Weak<CognitoIdp>) {
    loop {
        tokio::time::sleep(Duration::from_secs(PERIOD_S)).await;
        let Some(service) = service.upgrade() else { return };
        let now = service.env.clock.now();
        // A failed sweep is tried again a minute later; nothing depends on it but space.
        while let Ok(true) = service.env.store.write(move |tx| sweep(tx, now)).await {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use casemate_names::NamedEntropy;
    use casemate_store::Store;

    use super::*;

    #[test]
    fn only_what_has_ended_is_forgotten() {
        let store = Store::in_memory(Arc::new(NamedEntropy::seeded(1)));
        let key = |name: &str| Key::global().text(name);
        let ends = |seconds| Timestamp::from_seconds(seconds);
        store
            .write_blocking(move |tx| {
                for (name, end) in [("a", 10), ("b", 20)] {
                    tx.put(&key(name), &UsedNonce { at: ends(1) })?;
                    at(tx, ends(end), Swept::Nonce, &key(name))?;
                }
                sweep(tx, ends(15))
            })
            .unwrap();
        let left = |name: &str| store.read(|tx| tx.exists::<UsedNonce>(&key(name))).unwrap();
        assert!(!left("a") && left("b"));
    }

    #[test]
    fn a_ladder_that_moved_again_is_kept() {
        let store = Store::in_memory(Arc::new(NamedEntropy::seeded(1)));
        let now = Timestamp::from_seconds(100_000);
        let kept = store
            .write_blocking(move |tx| {
                let key = Key::global().text("ladder");
                tx.put(&key, &Lockout::default().failed(now))?;
                at(tx, now, Swept::Lockout, &key)?;
                sweep(tx, now)?;
                tx.exists::<Lockout>(&key)
            })
            .unwrap();
        assert!(kept);
    }
}
