//! Idle environments. One is given out again for the same revision of the same function only, and only to a request that may
//! follow those it has served; the one used last first.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use casemate_names::{Arn, Timestamp};

use crate::{environment::Environment, function::Function};

/// An unused environment is stopped after this long, seconds.
// AWS: not documented; observed as some minutes.
pub(crate) const IDLE_S_MAX: i64 = 300;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: Mutex<BTreeMap<String, Vec<Idle>>>,
    /// The server ends: none is kept any more.
    closed: AtomicBool,
}

#[derive(Debug)]
struct Idle {
    environment: Arc<Environment>,
    since: Timestamp,
    fit_for: FitFor,
}

/// Whom an idle environment may serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FitFor {
    /// It has served nobody, or nothing of those it served is left.
    Everybody,
    /// It has served all kinds of requests.
    Reuse,
    /// It has served this principal only.
    Principal(String),
}

/// When the room of an environment that gave way is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evicted {
    Now,
    /// When its extensions have ended.
    Soon,
}

/// What a request may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted<'a> {
    /// Any environment of the revision.
    Any,
    /// One that has served only this principal, or nobody.
    Of(&'a str),
    /// One that has served nobody.
    Fresh,
}

impl Wanted<'_> {
    fn takes(self, fit_for: &FitFor) -> bool {
        match (self, fit_for) {
            (Wanted::Any, FitFor::Everybody | FitFor::Reuse)
            | (Wanted::Of(_) | Wanted::Fresh, FitFor::Everybody) => true,
            (Wanted::Of(principal), FitFor::Principal(of)) => principal == of,
            (Wanted::Any, FitFor::Principal(_))
            | (Wanted::Of(_), FitFor::Reuse)
            | (Wanted::Fresh, FitFor::Reuse | FitFor::Principal(_)) => false,
        }
    }
}

impl Pool {
    /// An idle environment of exactly this revision, fit for a whole request more.
    pub(crate) fn take(
        &self,
        function: &Function,
        wanted: Wanted<'_>,
        now: Timestamp,
    ) -> Option<Arc<Environment>> {
        let mut worn = Vec::new();
        let found = {
            let mut all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            let idle = all.get_mut(function.arn.as_str())?;
            worn.extend(idle.extract_if(.., |one| !one.environment.fits(function, now)));
            // One that has served the same principal before one that is fit for everybody.
            let place = |own: bool| {
                idle.iter()
                    .rposition(|one| (one.fit_for != FitFor::Everybody) == own && wanted.takes(&one.fit_for))
            };
            let found = place(true).or_else(|| place(false)).map(|at| idle.remove(at).environment);
            if idle.is_empty() {
                all.remove(function.arn.as_str());
            }
            found
        };
        // Dropped outside of the lock: dropping ends the process.
        drop(worn);
        found
    }

    /// Takes an environment back.
    pub(crate) fn put(&self, environment: Arc<Environment>, fit_for: FitFor, now: Timestamp) {
        let mut all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if self.closed.load(Ordering::SeqCst) {
            return;
        }
        let arn = environment.function.arn.as_str().to_owned();
        all.entry(arn).or_default().push(Idle { environment, since: now, fit_for });
    }

    /// How many idle environments of this function are fit for everybody.
    pub(crate) fn fresh(&self, function: &Function) -> usize {
        let all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = all.get(function.arn.as_str()).into_iter().flatten();
        idle.filter(|one| {
            one.fit_for == FitFor::Everybody && one.environment.function.revision_id == function.revision_id
        })
        .count()
    }

    /// How many idle environments of this function's revision there are.
    pub(crate) fn idle(&self, function: &Function) -> usize {
        let all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = all.get(function.arn.as_str()).into_iter().flatten();
        idle.filter(|one| one.environment.function.revision_id == function.revision_id).count()
    }

    /// Stops every idle environment, and from now on whatever is put back.
    pub(crate) fn close(&self) {
        let mut all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::SeqCst);
        let gone = std::mem::take(&mut *all);
        drop(all);
        drop(gone);
    }

    /// Is none kept any more?
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Idle ones that begin from a snapshot.
    pub(crate) fn snapshots(&self) -> Vec<Arc<Environment>> {
        let all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = all.values().flatten().map(|one| &one.environment);
        idle.filter(|environment| environment.is_snapshot()).cloned().collect()
    }

    /// Stops this one, if it is idle.
    pub(crate) fn remove(&self, environment: &Arc<Environment>) {
        // Dropped outside of the lock.
        drop(self.extract(environment, |_| true));
    }

    /// Takes this one back out, if it is idle and any request may have it; says whom it may serve now, which may have changed since it
    /// was put there.
    pub(crate) fn take_back(&self, environment: &Arc<Environment>) -> Option<FitFor> {
        let taken = self.extract(environment, |fit_for| Wanted::Any.takes(fit_for))?;
        Some(taken.fit_for)
    }

    fn extract(&self, environment: &Arc<Environment>, may: impl Fn(&FitFor) -> bool) -> Option<Idle> {
        let mut all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let arn = environment.function.arn.as_str();
        let idle = all.get_mut(arn)?;
        let at =
            idle.iter().position(|one| Arc::ptr_eq(&one.environment, environment) && may(&one.fit_for))?;
        let found = idle.remove(at);
        if idle.is_empty() {
            all.remove(arn);
        }
        Some(found)
    }

    /// Stops every idle environment of a function.
    pub(crate) fn retire(&self, function: &Arn) {
        let gone = self.idle.lock().unwrap_or_else(PoisonError::into_inner).remove(function.as_str());
        drop(gone);
    }

    /// Stops the environment that was unused longest, of functions that have more idle ones than `kept` says stay. `None`
    /// when there is none.
    pub(crate) fn evict(&self, kept: impl Fn(&str) -> usize) -> Option<Evicted> {
        let oldest = take_oldest(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner), kept)?;
        Some(if oldest.environment.ends_slowly() { Evicted::Soon } else { Evicted::Now })
    }

    /// Stops what cannot serve any more and what was unused for too long; of each function at least as many as `kept` says stay.
    pub(crate) fn reclaim(&self, now: Timestamp, kept: impl Fn(&str) -> usize) {
        let mut gone = Vec::new();
        {
            let mut all = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            for (arn, idle) in all.iter_mut() {
                // Whose credentials are nearly over is of no use to anybody; where some are to be ready, new ones follow.
                gone.extend(idle.extract_if(.., |one| !one.environment.fits(&one.environment.function, now)));
                // The first were unused longest.
                // The last one with a snapshot stays: what it would cost to make another is what it is for.
                let snapshots = usize::from(idle.iter().any(|one| one.environment.is_snapshot()));
                let spare = idle.len().saturating_sub(kept(arn).max(snapshots));
                let old = idle.iter().take(spare).filter(|one| now >= one.since.plus_seconds(IDLE_S_MAX));
                let old = old.count();
                gone.extend(idle.drain(..old));
            }
            all.retain(|_, idle| !idle.is_empty());
        }
        drop(gone);
    }
}

fn take_oldest(all: &mut BTreeMap<String, Vec<Idle>>, kept: impl Fn(&str) -> usize) -> Option<Idle> {
    let spare = all.iter().filter(|(arn, idle)| idle.len() > kept(arn));
    // The first of each function is the one unused longest.
    let arn = spare.min_by_key(|(_, idle)| idle.first().map(|one| one.since)).map(|(arn, _)| arn.clone())?;
    let idle = all.get_mut(&arn)?;
    let oldest = (!idle.is_empty()).then(|| idle.remove(0));
    if idle.is_empty() {
        all.remove(&arn);
    }
    oldest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_given_what_another_principal_has_used() {
        let of = |name: &str| FitFor::Principal(name.to_owned());
        for (wanted, fit_for, taken) in [
            (Wanted::Any, FitFor::Everybody, true),
            (Wanted::Any, FitFor::Reuse, true),
            (Wanted::Any, of("a"), false),
            (Wanted::Of("a"), FitFor::Everybody, true),
            (Wanted::Of("a"), FitFor::Reuse, false),
            (Wanted::Of("a"), of("a"), true),
            (Wanted::Of("a"), of("b"), false),
            (Wanted::Fresh, FitFor::Everybody, true),
            (Wanted::Fresh, FitFor::Reuse, false),
            (Wanted::Fresh, of("a"), false),
        ] {
            assert_eq!(wanted.takes(&fit_for), taken, "{wanted:?} {fit_for:?}");
        }
    }
}
