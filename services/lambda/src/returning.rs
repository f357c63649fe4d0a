//! Environments on their way back: the answer is out, but what the request left is still being cleared away. A request that
//! finds none idle waits a moment for one of these rather than for a start; never more requests than environments.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use casemate_names::Arn;
use tokio::{sync::Notify, time::Instant};

/// How long a request waits in all. Ours: clearing takes some milliseconds, a start some tens.
pub(crate) const LIMIT: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Returning(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    counts: Mutex<BTreeMap<Arn, Counts>>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Counts {
    coming: usize,
    awaited: usize,
}

/// One environment on its way back, until dropped.
#[derive(Debug)]
pub(crate) struct Coming {
    returning: Returning,
    function: Arn,
}

impl Returning {
    /// An environment of this function begins its way back.
    pub(crate) fn begin(&self, function: &Arn) -> Coming {
        self.change(function, |counts| counts.coming += 1);
        Coming { returning: self.clone(), function: function.clone() }
    }

    /// Waits until an environment of this function may be back. `false`: none is coming that is not awaited already, or none
    /// came until then.
    pub(crate) async fn wait(&self, function: &Arn, until: Instant) -> bool {
        let mut changed = std::pin::pin!(self.0.changed.notified());
        // From here on no change is missed.
        changed.as_mut().enable();
        let mut waits = false;
        self.change(function, |counts| {
            waits = counts.awaited < counts.coming;
            counts.awaited += usize::from(waits);
        });
        if !waits {
            return false;
        }
        let _awaited = Awaited(self, function);
        tokio::time::timeout_at(until, changed).await.is_ok()
    }

    fn change(&self, function: &Arn, change: impl FnOnce(&mut Counts)) {
        let mut all = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = all.entry(function.clone()).or_default();
        change(counts);
        if counts.coming == 0 && counts.awaited == 0 {
            all.remove(function);
        }
    }
}

struct Awaited<'a>(&'a Returning, &'a Arn);

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.change(self.1, |counts| counts.awaited = counts.awaited.saturating_sub(1));
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.returning.change(&self.function, |counts| counts.coming = counts.coming.saturating_sub(1));
        self.returning.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn as_many_wait_as_are_coming() {
        let returning = Returning::default();
        let f = Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap();
        let g = Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:g").unwrap();
        let until = Instant::now() + Duration::from_mins(1);
        assert!(!returning.wait(&f, until).await);
        let coming = returning.begin(&f);
        assert!(!returning.wait(&g, until).await);
        let first = tokio::spawn({
            let (returning, f) = (returning.clone(), f.clone());
            async move { returning.wait(&f, until).await }
        });
        while returning.0.counts.lock().unwrap().get(&f).unwrap().awaited == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!returning.wait(&f, until).await, "the only one is awaited already");
        drop(coming);
        assert!(first.await.unwrap());
        assert!(!returning.wait(&f, until).await);
        assert!(returning.0.counts.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_waits_in_vain_is_told_so_however_much_others_change() {
        let returning = Returning::default();
        let f = Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap();
        let g = Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:g").unwrap();
        let _coming = returning.begin(&f);
        let others = tokio::spawn({
            let returning = returning.clone();
            async move {
                // For as long as the test takes.
                loop {
                    drop(returning.begin(&g));
                    tokio::task::yield_now().await;
                }
            }
        });
        let until = Instant::now() + LIMIT;
        while returning.wait(&f, until).await {}
        assert!(Instant::now() >= until);
        others.abort();
    }
}
