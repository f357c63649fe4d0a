//! What is done for environments apart from requests: how many wait ready, and which are stopped.

use std::{sync::Arc, time::Duration};

use casemate_names::{AccountId, Arn, Timestamp};
use casemate_sandbox::HostMemory;

use super::Invoker;
use crate::{function::Function, ready};

/// How often idle environments are looked through.
pub(super) const RECLAIM_EVERY: Duration = Duration::from_secs(1);
/// Idle environments stopped at one look where memory runs short. Ours: a few tens of megabytes; the next look comes soon.
pub(super) const EVICTED_AT_ONCE: usize = 16;

impl Invoker {
    /// Keeps `count` environments of a function ready, started before there are requests: provisioned concurrency. Zero ends
    /// it; environments above the number are stopped when they have been idle for as long as any other.
    pub(crate) fn keep_ready(&self, function: Arc<Function>, count: usize) {
        self.ready.provision(function, count);
        self.missing.notify_one();
    }

    /// How many environments of a function there are that have been started.
    pub(crate) fn ready_now(&self, function: &Function) -> usize {
        let held = self.host.as_ref().map_or(0, |host| host.room.held(&function.arn));
        held.saturating_sub(self.ready.starting(&function.arn))
    }

    /// A function has changed or is gone: its idle environments end now, those with extensions after their last two seconds;
    /// its working ones after their request.
    pub(crate) fn retire(&self, function: &Arn) {
        self.ready.retire(function);
        self.pool.retire(function);
        self.machines.forget(function);
        if let Some(account) = function.account_id() {
            self.reservations_changed(&account);
        }
    }

    /// What functions of this account have reserved has changed.
    pub(crate) fn reservations_changed(&self, account: &AccountId) {
        self.throttle.forget_reservations(account);
    }

    /// Starts what is to be ready and stops what is unused or in the way, for as long as the kernel runs.
    pub(crate) async fn reclaim(self: &Arc<Self>) {
        self.resume_snapshots();
        while self.env.kernel().is_ok() && !self.pool.is_closed() {
            self.look(self.env.clock.now(), HostMemory::now().ok()).await;
            drop(tokio::time::timeout(RECLAIM_EVERY, self.missing.notified()).await);
        }
    }

    /// One look at what is unused and what is missing. A host whose memory cannot be told is not short of it.
    pub(super) async fn look(self: &Arc<Self>, now: Timestamp, memory: Option<HostMemory>) {
        self.pool.reclaim(now, |function| self.ready.kept(function));
        self.reclaim_snapshots().await;
        self.look_for_unused(now).await;
        let short = memory.is_some_and(ready::is_short);
        if let Ok(host) = &self.host {
            host.blanks.reclaim(now, short);
        }
        if !short {
            self.start_missing();
            return;
        }
        for _ in 0..EVICTED_AT_ONCE {
            if self.pool.evict(|function| self.ready.kept(function)).is_none() {
                break;
            }
        }
    }

    /// From now on no environment waits for requests.
    pub(crate) fn close(&self) {
        self.pool.close();
        self.missing.notify_one();
    }

    /// Stops idle snapshots that are over or of what is no more: no idle time ends these.
    pub(super) async fn reclaim_snapshots(&self) {
        for environment in self.pool.snapshots() {
            if environment.is_over().await || !self.is_current(&environment.function) {
                self.pool.remove(&environment);
            }
        }
    }
}
