//! Environments that nobody uses: which are stopped for their age, and which where room runs short.

use std::sync::Weak;

use casemate_sandbox::HostMemory;

use super::*;
use crate::pool::{Evicted, IDLE_S_MAX};

/// Environments of a function that were put back so many seconds after one time, and are nobody's but the pool's.
struct Put {
    function: Arc<Function>,
    environments: Vec<Weak<Environment>>,
}

impl Put {
    /// Which of them are still there.
    fn left(&self) -> Vec<usize> {
        let there = |(number, one): (usize, &Weak<Environment>)| (one.strong_count() > 0).then_some(number);
        self.environments.iter().enumerate().filter_map(there).collect()
    }
}

impl super::Host {
    async fn put(&self, name: &str, (start, seconds): (Timestamp, &[i64])) -> Put {
        let function = self.function(name, KIND, &[]).await;
        self.invoker.keep_ready(Arc::clone(&function), seconds.len());
        self.invoker.start_missing();
        self.fresh(&function, seconds.len()).await;
        self.invoker.keep_ready(Arc::clone(&function), 0);
        let pool = &self.invoker.pool;
        let taken: Vec<_> =
            seconds.iter().map(|_| pool.take(&function, Wanted::Any, start).unwrap()).collect();
        // Whoever started them lets them go a moment after they are frozen.
        while taken.iter().any(|one| Arc::strong_count(one) > 1) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let environments = taken.iter().map(Arc::downgrade).collect();
        for (environment, after) in taken.into_iter().zip(seconds) {
            pool.put(environment, FitFor::Reuse, start.plus_seconds(*after));
        }
        Put { function, environments }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_unused_for_long_is_stopped_and_as_many_stay_as_are_kept() {
    let host = host(8);
    let start = host.later(0);
    let put = host.put("f", (start, &[0, 100, 200, 300])).await;
    let look = |seconds: i64, kept: usize| {
        host.invoker.pool.reclaim(start.plus_seconds(seconds), |_| kept);
        put.left()
    };
    assert_eq!(look(IDLE_S_MAX - 1, 0), [0, 1, 2, 3]);
    assert_eq!(look(IDLE_S_MAX, 0), [1, 2, 3]);
    // Those that were unused longest go, and no more of them than are too many.
    assert_eq!(look(IDLE_S_MAX + 1_000, 2), [2, 3]);
    assert_eq!(look(IDLE_S_MAX + 1_000, 1), [3]);
    assert_eq!(look(IDLE_S_MAX + 1_000, 0), [0_usize; 0]);
    assert_eq!(host.invoker.pool.idle(&put.function), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_used_again_is_as_young_as_its_last_use() {
    let host = host(8);
    let start = host.later(0);
    let put = host.put("f", (start, &[0, 100])).await;
    let pool = &host.invoker.pool;
    // The one used last is given out first.
    let used = pool.take(&put.function, Wanted::Any, start).unwrap();
    assert!(std::ptr::eq(Arc::as_ptr(&used), put.environments[1].as_ptr()));
    let older = pool.take(&put.function, Wanted::Any, start).unwrap();
    pool.put(used, FitFor::Reuse, start.plus_seconds(100));
    pool.put(older, FitFor::Reuse, start.plus_seconds(150));
    pool.reclaim(start.plus_seconds(100 + IDLE_S_MAX), |_| 0);
    assert_eq!(put.left(), [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_pressure_whatever_was_unused_longest_goes_first_whosever_it_is() {
    let host = host(8);
    let start = host.later(0);
    let f = host.put("f", (start, &[10, 50, 60])).await;
    let g = host.put("g", (start, &[20, 40])).await;
    let evict = || {
        let kept = |function: &str| usize::from(function == f.function.arn.as_str());
        let went = host.invoker.pool.evict(kept);
        (went, f.left(), g.left())
    };
    let now = Some(Evicted::Now);
    assert_eq!(evict(), (now, vec![1, 2], vec![0, 1]));
    assert_eq!(evict(), (now, vec![1, 2], vec![1]));
    assert_eq!(evict(), (now, vec![1, 2], vec![]));
    // One of these is kept, although it is the only function that has any.
    assert_eq!(evict(), (now, vec![2], vec![]));
    assert_eq!(evict(), (None, vec![2], vec![]));
    assert_eq!(host.invoker.pool.evict(|_| 0), now);
    assert_eq!((f.left(), host.invoker.pool.evict(|_| 0)), (vec![], None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_a_host_that_is_short_of_memory_stops_what_is_unused_and_starts_nothing() {
    let host = host(8);
    let start = host.later(0);
    let put = host.put("f", (start, &[10, 20, 30])).await;
    let memory =
        |available_bytes| HostMemory { total_bytes: 16 << 30, available_bytes, waiting_percent: None };
    host.invoker.look(start.plus_seconds(40), Some(memory(8 << 30))).await;
    host.invoker.look(start.plus_seconds(40), None).await;
    assert_eq!(put.left(), [0, 1, 2]);
    // Two are to be ready: what is kept stays, however short memory is, and no more are started.
    host.invoker.keep_ready(Arc::clone(&put.function), 2);
    host.invoker.look(start.plus_seconds(40), Some(memory(1 << 20))).await;
    assert_eq!(put.left(), [1, 2]);
    host.invoker.keep_ready(Arc::clone(&put.function), 3);
    host.invoker.look(start.plus_seconds(40), Some(memory(1 << 20))).await;
    assert_eq!((put.left(), host.invoker.pool.idle(&put.function)), (vec![1, 2], 2));
    host.invoker.keep_ready(Arc::clone(&put.function), 0);
    host.invoker.look(start.plus_seconds(40), Some(memory(1 << 20))).await;
    assert_eq!((put.left(), host.invoker.pool.idle(&put.function)), (vec![], 0));
}
