//! An environment between two requests: settled, frozen, woken. Knows nothing of what a request is.

use std::{
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::Environment;
use crate::extensions::Reason;

/// An environment in which more left-over processes had to be ended is not used again: what ended without its parent's
/// notice still counts as a process.
const STRAYS_MAX: usize = 64;

impl Environment {
    /// Waits, at most for what is left of the function's time, until the runtime asks for its next request. `false`: the
    /// environment is over.
    pub(crate) async fn settle(&self) -> bool {
        let settled = if self.is_snapshot() {
            self.settle_snapshot().await
        } else if self.is_template() {
            self.wipe().await
        } else {
            self.finished_in_time().await && self.end_strays().await
        };
        self.stand_by();
        settled
    }

    /// Ends the processes that a request has left behind. `false`: the environment must not be used again.
    pub(super) async fn end_strays(&self) -> bool {
        let ended = match self.sandbox.end_strays(self.exchange.since_answer()).await {
            Ok(ended) => ended,
            Err(error) => {
                self.witness_unclear(&error);
                return false;
            }
        };
        self.witness_strays(ended);
        self.strays.fetch_add(ended, Ordering::SeqCst).saturating_add(ended) <= STRAYS_MAX
    }

    /// The runtime, and the extensions within the time of the request.
    pub(super) async fn finished_in_time(&self) -> bool {
        let limit = Duration::from_secs(u64::from(self.function.settings.timeout_s));
        if !self.has_extensions() {
            return tokio::time::timeout(limit, self.next_or_exit()).await.unwrap_or(false);
        }
        let finished = async {
            if !self.next_or_exit().await {
                return false;
            }
            tokio::select! {
                biased;
                () = self.extensions.idle() => true,
                _ = self.extension_failed() => false,
                _ = self.sandbox.exited() => false,
            }
        };
        let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        // AWS: what extensions do after the runtime counts as part of the request.
        match tokio::time::timeout_at(deadline.unwrap_or_else(|| Instant::now() + limit), finished).await {
            Ok(true) => true,
            Ok(false) => {
                self.ends_for(Reason::Failure);
                false
            }
            Err(_) => {
                self.ends_for(Reason::Timeout);
                false
            }
        }
    }

    pub(super) async fn next_or_exit(&self) -> bool {
        tokio::select! {
            biased;
            _ = self.sandbox.exited() => false,
            _ = self.child_ended() => false,
            waiting = self.exchange.waiting() => waiting.is_ok(),
        }
    }

    /// Stops every process of the environment until [`Self::wake`], and has its credentials refused; not if a request came first.
    pub(crate) async fn freeze(&self) {
        let mut frozen = self.frozen.lock().await;
        let mut wanted = std::pin::pin!(self.wanted.notified());
        // From here on no call for it is missed.
        wanted.as_mut().enable();
        if self.busy.load(Ordering::SeqCst) || *frozen {
            return;
        }
        *frozen = true;
        self.telemetry.set_running(false);
        tokio::select! {
            biased;
            () = wanted => {}
            done = self.sandbox.freeze() => {
                // Not before: what a process had sent when it was stopped is still served.
                self.duty.end(Instant::now());
                if done.is_err() {
                    // What cannot be stopped is ended.
                    self.sandbox.kill();
                }
            }
        }
    }

    /// It was started ahead of any request: what happens in it belongs to none, and it may be frozen.
    pub(crate) fn await_request(&self) {
        self.access.forget();
        self.stand_by();
    }

    /// From here on what happens in it belongs to no request.
    fn stand_by(&self) {
        self.attribution.end();
        self.busy.store(false, Ordering::SeqCst);
    }

    /// Lets the environment work again. `false` when it cannot.
    pub(crate) async fn wake(&self) -> bool {
        self.busy.store(true, Ordering::SeqCst);
        self.wanted.notify_waiters();
        let mut frozen = self.frozen.lock().await;
        // What it had left to do it goes on with as soon as it is woken.
        self.duty.begin();
        // Not woken even for a moment: what ends it lets the template alone run again.
        let old = self.has_old_child();
        if *frozen {
            if !old && self.sandbox.thaw().await.is_err() {
                return false;
            }
            self.telemetry.set_running(true);
            *frozen = false;
        }
        if old {
            return self.begin_again().await;
        }
        if self.is_over().await {
            return false;
        }
        if self.is_unrestored() {
            return true;
        }
        if self.is_childless().await {
            // It died before it was frozen, and takes no request.
            return self.begin_again().await;
        }
        self.is_ready()
    }

    /// Has the child ended that was to wait for a request?
    pub(crate) async fn is_childless(&self) -> bool {
        let Some(forks) = &self.forks else { return false };
        tokio::select! {
            biased;
            _ = forks.ended() => true,
            () = std::future::ready(()) => false,
        }
    }

    /// Has its process ended, whether or not anybody has noticed?
    pub(crate) async fn is_over(&self) -> bool {
        tokio::select! {
            biased;
            _ = self.sandbox.exited() => true,
            () = std::future::ready(()) => false,
        }
    }

    /// Does everything in it wait for a request?
    pub(super) fn is_ready(&self) -> bool {
        self.exchange.is_waiting() && self.extensions.is_idle()
    }
}
