//! Environments on their way back: the answer is out, but what the request left is still being cleared away. A request that
//! finds none idle waits for one of these rather than for a start; never more requests than environments. For what only the
//! platform has still to do it waits however busy the host is, for a function's runtime only a moment.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use casemate_names::Arn;
use tokio::{sync::Notify, time::Instant};

/// How long a request waits in all for what may never end. Ours: a runtime asks for its next request within a millisecond or
/// two, a start takes some tens.
const LIMIT: Duration = Duration::from_millis(100);
/// The same for what ends by itself. Ours: some milliseconds, and many times that on a host on which a start takes as many times
/// longer; only files without number in `/tmp` take a second to remove.
const CLEARED_LIMIT: Duration = Duration::from_secs(2);

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
    /// Those among them that wait for the platform alone.
    cleared: usize,
    awaited: usize,
}

/// Who has still to do something before an environment is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Its runtime must ask for the next request; when it does is its own affair.
    Runtime,
    /// Only the platform, which ends what it does not wait for.
    Platform,
}

/// One environment on its way back, until dropped.
#[derive(Debug)]
pub(crate) struct Coming {
    returning: Returning,
    function: Arn,
    left: Left,
}

impl Returning {
    /// An environment of this function begins its way back.
    pub(crate) fn begin(&self, function: &Arn, left: Left) -> Coming {
        self.change(function, |counts| {
            counts.coming += 1;
            counts.cleared += usize::from(left == Left::Platform);
        });
        Coming { returning: self.clone(), function: function.clone(), left }
    }

    /// Waits until an environment of this function may be back. `false`: none is coming that is not awaited already, or none
    /// came in time; time is counted from `since`.
    pub(crate) async fn wait(&self, function: &Arn, since: Instant) -> bool {
        let mut changed = std::pin::pin!(self.0.changed.notified());
        // From here on no change is missed.
        changed.as_mut().enable();
        let (mut waits, mut surely) = (false, false);
        self.change(function, |counts| {
            (waits, surely) = (counts.awaited < counts.coming, counts.awaited < counts.cleared);
            counts.awaited += usize::from(waits);
        });
        if !waits {
            return false;
        }
        let _awaited = Awaited(self, function);
        let limit = if surely { CLEARED_LIMIT } else { LIMIT };
        tokio::time::timeout_at(since + limit, changed).await.is_ok()
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
        self.returning.change(&self.function, |counts| {
            counts.coming = counts.coming.saturating_sub(1);
            counts.cleared = counts.cleared.saturating_sub(usize::from(self.left == Left::Platform));
        });
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
        // Longer than any of them may take.
        let since = Instant::now() + Duration::from_mins(1);
        assert!(!returning.wait(&f, since).await);
        let coming = returning.begin(&f, Left::Runtime);
        assert!(!returning.wait(&g, since).await);
        let first = tokio::spawn({
            let (returning, f) = (returning.clone(), f.clone());
            async move { returning.wait(&f, since).await }
        });
        while returning.0.counts.lock().unwrap().get(&f).unwrap().awaited == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!returning.wait(&f, since).await, "the only one is awaited already");
        drop(coming);
        assert!(first.await.unwrap());
        assert!(!returning.wait(&f, since).await);
        assert!(returning.0.counts.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_the_platform_clears_is_waited_for_longer_and_by_as_many_as_come() {
        let returning = Returning::default();
        let f = Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap();
        // For a runtime nobody waits any more; how busy this host is plays no part.
        let since = Instant::now().checked_sub(LIMIT).unwrap();
        let _perhaps = returning.begin(&f, Left::Runtime);
        let surely = returning.begin(&f, Left::Platform);
        let first = tokio::spawn({
            let (returning, f) = (returning.clone(), f.clone());
            async move { returning.wait(&f, since + Duration::from_mins(1)).await }
        });
        while returning.0.counts.lock().unwrap().get(&f).unwrap().awaited == 0 {
            tokio::task::yield_now().await;
        }
        assert!(!returning.wait(&f, since).await, "the second would wait for the runtime");
        assert!(!first.is_finished());
        drop(surely);
        assert!(first.await.unwrap());
        assert!(!returning.wait(&f, since).await);
    }

    #[tokio::test]
    async fn who_waits_in_vain_is_told_so_however_much_others_change() {
        let returning = Returning::default();
        let f = Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap();
        let g = Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:g").unwrap();
        let _coming = returning.begin(&f, Left::Runtime);
        let others = tokio::spawn({
            let returning = returning.clone();
            async move {
                // For as long as the test takes.
                loop {
                    drop(returning.begin(&g, Left::Runtime));
                    tokio::task::yield_now().await;
                }
            }
        });
        let since = Instant::now();
        while returning.wait(&f, since).await {}
        assert!(Instant::now() >= since + LIMIT);
        others.abort();
    }
}
