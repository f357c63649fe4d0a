//! The one thread that writes. It takes whatever is queued, runs each transaction on the state its predecessors left,
//! makes one durable commit of all, and only then answers.
//!
//! ```text
//! queue ─▶ run: changes of its own ─┬─ Ok  ─▶ applied to the batch ─┐
//!                                   └─ Err ─▶ dropped               ├─▶ durable commit ─▶ every caller is answered
//! ```
//! A refused transaction also waits for the commit: what it saw may be a predecessor's change, which is no fact before.

use std::{
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::Receiver,
    },
};

use redb::Database;

use crate::{
    StoreError, WriteTx,
    engine::{self, Pending, Source},
    seal::Sealer,
    transaction::Changes,
};

/// Writes that share one durable commit. Measured: more gains nothing.
pub const BATCH_WRITES_MAX: usize = 512;
/// Writes that may wait; further ones are refused with [`StoreError::Busy`]. Above what the listener admits at a time.
pub const QUEUE_WRITES_MAX: usize = 8_192;
/// Changes of one batch, in bytes, after which it is committed although more is queued.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Counters since start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) waiting: AtomicU64,
}

/// How often a closure runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rehearsal {
    /// Once.
    Never,
    /// Twice, the first time for nothing: shows closures that are not re-runnable. For tests.
    Always,
}

/// A queued transaction.
pub(crate) trait Job: Send {
    /// Runs it. `true` if its changes are to be kept.
    fn run(&mut self, transaction: &mut WriteTx<'_>) -> bool;
    /// Answers its caller.
    fn finish(self: Box<Self>, committed: Result<(), StoreError>);
}

/// A closure, its outcome, and whom to tell.
pub(crate) struct Task<F, A, R, E> {
    pub(crate) closure: F,
    pub(crate) outcome: Option<Result<R, E>>,
    pub(crate) answer: A,
}

impl<F, A, R, E> Job for Task<F, A, R, E>
where
    F: Fn(&mut WriteTx<'_>) -> Result<R, E> + Send,
    A: FnOnce(Result<R, E>) + Send,
    R: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, transaction: &mut WriteTx<'_>) -> bool {
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.closure)(transaction)))
            .unwrap_or_else(|_| Err(StoreError::Panicked.into()));
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        keep
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = match committed {
            Ok(()) => self.outcome.unwrap_or_else(|| Err(StoreError::Closed.into())),
            Err(error) => Err(error.into()),
        };
        (self.answer)(outcome);
    }
}

/// The committer's state. Ends when every sender is gone and the queue is empty.
pub(crate) struct Committer {
    pub(crate) database: Arc<Database>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) rehearsal: Rehearsal,
}

impl Committer {
    pub(crate) fn work(&self, queue: &Receiver<Box<dyn Job>>) {
        let mut waiting = VecDeque::new();
        loop {
            if waiting.is_empty() {
                match queue.recv() {
                    Ok(job) => waiting.push_back(job),
                    Err(_) => return,
                }
            }
            while waiting.len() < BATCH_WRITES_MAX {
                match queue.try_recv() {
                    Ok(job) => waiting.push_back(job),
                    Err(_) => break,
                }
            }
            let mut done = Vec::new();
            let committed = self.batch(&mut waiting, &mut done);
            let count = u64::try_from(done.len()).unwrap_or(u64::MAX);
            self.counters.waiting.fetch_sub(count, Ordering::Relaxed);
            self.counters.writes.fetch_add(count, Ordering::Relaxed);
            for job in done {
                // The answer runs the caller's code (a waker); a panic there must not end the committer.
                let _ = catch_unwind(AssertUnwindSafe(|| job.finish(committed.clone())));
            }
        }
    }

    /// Moves jobs from `waiting` to `done` while there is room, and commits what they did.
    fn batch(
        &self,
        waiting: &mut VecDeque<Box<dyn Job>>,
        done: &mut Vec<Box<dyn Job>>,
    ) -> Result<(), StoreError> {
        let transaction = match engine::begin(&self.database) {
            Ok(transaction) => transaction,
            Err(error) => {
                done.extend(waiting.drain(..));
                return Err(error);
            }
        };
        let (mut bytes, mut applied) = (0, Ok(()));
        match Pending::of(&transaction) {
            Ok(mut pending) => {
                while let Some(mut job) = waiting.pop_front() {
                    let changes = self.changes_of(&mut *job, &pending);
                    done.push(job);
                    applied = self.apply(&mut pending, changes).map(|more| bytes += more);
                    if applied.is_err() || bytes > BATCH_BYTES_MAX {
                        break;
                    }
                }
            }
            Err(error) => {
                done.extend(waiting.drain(..));
                applied = Err(error);
            }
        }
        if applied.is_err() || bytes == 0 {
            let aborted = transaction.abort().map_err(engine::engine);
            return applied.and(aborted);
        }
        transaction.commit().map_err(engine::engine)?;
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn changes_of(&self, job: &mut dyn Job, pending: &dyn Source) -> Changes {
        if self.rehearsal == Rehearsal::Always {
            job.run(&mut WriteTx::new(pending, &self.sealer));
        }
        let mut transaction = WriteTx::new(pending, &self.sealer);
        if job.run(&mut transaction) { transaction.into_changes() } else { Changes::new() }
    }

    /// Seals and applies one transaction's changes. An error here fails the whole batch, so nothing is half applied.
    fn apply(&self, pending: &mut Pending<'_>, changes: Changes) -> Result<usize, StoreError> {
        let mut bytes = 0;
        for (name, change) in changes {
            bytes += name.len();
            match change {
                Some(change) => {
                    bytes += change.bytes.len();
                    pending.put(&name, &self.sealer.seal(&name, change.version, &change.bytes)?)?;
                }
                None => pending.delete(&name)?,
            }
        }
        Ok(bytes)
    }
}

impl fmt::Debug for Committer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Committer(..)")
    }
}
