//! Idle environments. One is given out again for the same revision of the same function only, the one used last first.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use casemate_names::{Arn, Timestamp};

use crate::{environment::Environment, function::Function};

/// An unused environment is stopped after this long, seconds.
// AWS: not documented; observed as some minutes.
pub(crate) const IDLE_S_MAX: i64 = 300;
/// Idle environments kept in all. Ours: bounds memory; the longest unused goes first.
const IDLE_MAX: usize = 200;
/// Credentials must outlive a request by this much, seconds.
const CREDENTIALS_MARGIN_S: i64 = 60;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: Mutex<BTreeMap<String, Vec<Idle>>>,
}

#[derive(Debug)]
struct Idle {
    environment: Arc<Environment>,
    since: Timestamp,
}

impl Pool {
    /// An idle environment of exactly this revision, fit for a whole request more.
    pub(crate) fn take(&self, function: &Function, now: Timestamp) -> Option<Arc<Environment>> {
        let needed = now.plus_seconds(i64::from(function.settings.timeout_s) + CREDENTIALS_MARGIN_S);
        let (mut found, mut worn) = (None, Vec::new());
        {
            let mut all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = all.get_mut(function.arn.as_str())?;
            while let Some(Idle { environment, .. }) = idle.pop() {
                let same = environment.function.revision_id == function.revision_id;
                if same && environment.credentials_end > needed {
                    found = Some(environment);
                    break;
                }
                worn.push(environment);
            }
            if idle.is_empty() {
                all.remove(function.arn.as_str());
            }
        }
        // Dropped outside of the lock: dropping ends the process.
        drop(worn);
        found
    }

    /// Takes an environment back.
    pub(crate) fn put(&self, environment: Arc<Environment>, now: Timestamp) {
        let excess = {
            let mut all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let arn = environment.function.arn.as_str().to_owned();
            all.entry(arn).or_default().push(Idle { environment, since: now });
            let count: usize = all.values().map(Vec::len).sum();
            (count > IDLE_MAX).then(|| take_oldest(&mut all))
        };
        drop(excess);
    }

    /// Stops every idle environment of a function.
    pub(crate) fn retire(&self, function: &Arn) {
        let gone = self.idle.lock().unwrap_or_else(PoisonError::into_inner).remove(function.as_str());
        drop(gone);
    }

    /// Stops the environment that was unused longest. `false` when none is idle.
    pub(crate) fn evict(&self) -> bool {
        let oldest = take_oldest(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        oldest.is_some()
    }

    /// Stops what was unused for too long.
    pub(crate) fn reclaim(&self, now: Timestamp) {
        let mut gone = Vec::new();
        {
            let mut all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            for idle in all.values_mut() {
                gone.extend(idle.extract_if(.., |one| now >= one.since.plus_seconds(IDLE_S_MAX)));
            }
            all.retain(|_, idle| !idle.is_empty());
        }
        drop(gone);
    }
}

fn take_oldest(all: &mut BTreeMap<String, Vec<Idle>>) -> Option<Idle> {
    // The first of each function is the one unused longest.
    let arn =
        all.iter().min_by_key(|(_, idle)| idle.first().map(|one| one.since)).map(|(arn, _)| arn.clone())?;
    let idle = all.get_mut(&arn)?;
    let oldest = (!idle.is_empty()).then(|| idle.remove(0));
    if idle.is_empty() {
        all.remove(&arn);
    }
    oldest
}
