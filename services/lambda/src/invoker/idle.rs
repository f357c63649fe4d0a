//! Versions with snapshots that nobody has invoked for 14 days: nothing of them is kept. Whoever invokes one has it made again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use casemate_names::{Arn, Timestamp};
use casemate_store::{Key, StoreError};

use super::Invoker;
use crate::{
    function::Function,
    resource::FunctionRef,
    snapshot::{self, NOTED_EVERY_S, State, Used},
    version::{Published, Version},
};

/// Versions whose last use is remembered; beyond it all are forgotten, and noted again.
const REMEMBERED_MAX: usize = 10_000;

/// What has been noted.
#[derive(Debug, Default)]
pub(super) struct Uses {
    noted: Mutex<BTreeMap<Arn, Used>>,
    /// When all were looked through last.
    looked: Mutex<Option<Timestamp>>,
}

impl Uses {
    /// Is this use to be noted?
    fn is_news(&self, version: &Arn, now: Timestamp) -> bool {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.get(version).is_some_and(|used| !used.is_vague(now)) {
            return false;
        }
        if noted.len() >= REMEMBERED_MAX {
            noted.clear();
        }
        noted.insert(version.clone(), Used(now));
        true
    }

    fn forget(&self, version: &Arn) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).remove(version);
    }

    /// Is it time to look again?
    fn is_time(&self, now: Timestamp) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = looked.is_none_or(|last| now >= last.plus_seconds(NOTED_EVERY_S));
        if due {
            *looked = Some(now);
        }
        due
    }
}

/// Where a published version's rows are.
pub(super) fn key_of(version: &Function) -> Option<Key> {
    let Version::Published(number) = version.version else { return None };
    Some(FunctionRef::of_arn(&version.arn)?.key().number(number))
}

impl Invoker {
    /// A version is invoked. What is noted late only makes it stay longer.
    pub(super) fn note_invoked(self: &Arc<Self>, version: &Function) {
        let now = self.env.clock.now();
        if !self.uses.is_news(&version.arn, now) {
            return;
        }
        let Some(key) = key_of(version) else { return };
        let (invoker, arn) = (Arc::clone(self), version.arn.clone());
        drop(tokio::spawn(async move {
            let noted = invoker.env.store.write(move |tx| {
                // What is deleted leaves nothing behind.
                if tx.exists::<Published>(&key)? {
                    tx.put(&key, &Used(now))?;
                }
                Ok::<_, StoreError>(())
            });
            if noted.await.is_err() {
                invoker.uses.forget(&arn);
            }
        }));
    }

    /// Every hour: makes inactive what was not invoked for long.
    pub(super) async fn look_for_unused(&self, now: Timestamp) {
        if !self.uses.is_time(now) {
            return;
        }
        let unused = self.env.store.read(|tx| {
            let mut unused = Vec::new();
            for (key, Published(version)) in tx.scan::<Published>(&Key::every_scope(), None, usize::MAX)? {
                if snapshot::is_of(&version)
                    && version.state == State::Active
                    && tx.get::<Used>(&key)?.is_none_or(|used| used.is_long_ago(now))
                {
                    unused.push(version);
                }
            }
            Ok::<_, StoreError>(unused)
        });
        for version in unused.unwrap_or_default() {
            // What cannot be written now is looked at again in an hour.
            drop(self.look_at(&version, now).await);
        }
    }

    async fn look_at(&self, version: &Function, now: Timestamp) -> Result<(), StoreError> {
        let Some(key) = key_of(version) else { return Ok(()) };
        let revision = version.revision_id.clone();
        let unused = self.env.store.write(move |tx| {
            let found = tx.get::<Published>(&key)?.filter(|found| found.0.revision_id == revision);
            let Some(Published(mut version)) = found.filter(|found| found.0.state == State::Active) else {
                return Ok(false);
            };
            let Some(used) = tx.get::<Used>(&key)? else {
                // Made before this was noted.
                tx.put(&key, &Used(now))?;
                return Ok(false);
            };
            if used.is_long_ago(now) {
                version.state = State::Inactive { failed: None };
                tx.put(&key, &Published(version))?;
            }
            Ok::<_, StoreError>(used.is_long_ago(now))
        });
        if unused.await? {
            self.uses.forget(&version.arn);
            self.retire(&version.arn);
        }
        Ok(())
    }

    /// Has a version made again that was invoked while it was inactive. Of others, nothing.
    // AWS: "When you try to invoke a function that is inactive, the invocation fails and Lambda sets the function to pending
    // state until the function resources are recreated" (developer guide, "Lambda function states").
    pub(crate) async fn make_again(self: &Arc<Self>, version: &Function) -> Result<(), StoreError> {
        let (State::Inactive { .. }, Some(key)) = (&version.state, key_of(version)) else { return Ok(()) };
        let revision = version.revision_id.clone();
        let again = self.env.store.write(move |tx| {
            let found = tx.get::<Published>(&key)?.filter(|found| found.0.revision_id == revision);
            let Some(Published(mut version)) = found else { return Ok(None) };
            if matches!(version.state, State::Inactive { .. }) {
                version.state = State::Restoring;
                tx.put(&key, &Published(version.clone()))?;
            }
            Ok::<_, StoreError>(Some(version))
        });
        if let Some(again) = again.await? {
            self.make_snapshot(&again);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_noted_once_an_hour_and_all_are_looked_through_as_often() {
        let version = Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f:1").unwrap();
        let (uses, at) = (Uses::default(), |seconds: i64| Timestamp::from_millis(0).plus_seconds(seconds));
        assert!(uses.is_news(&version, at(0)) && !uses.is_news(&version, at(3_599)));
        assert!(uses.is_news(&version, at(3_600)) && !uses.is_news(&version, at(7_199)));
        uses.forget(&version);
        assert!(uses.is_news(&version, at(7_199)));
        assert!(uses.is_time(at(0)) && !uses.is_time(at(3_599)) && uses.is_time(at(3_600)));
    }

    #[test]
    fn fourteen_days_are_fourteen_days() {
        let used = Used(Timestamp::from_millis(0));
        let after = |seconds| used.is_long_ago(Timestamp::from_millis(0).plus_seconds(seconds));
        assert!(!after(14 * 86_400 - 1) && after(14 * 86_400));
    }
}
