//! An environment that begins from a snapshot: its template was initialised ahead, and a child of it is the environment; or the
//! snapshot is a machine's, and the environment a machine that goes on from there.
//!
//! ```text
//!   unrestored ──restore: child, hooks──▶ ready ──requests──▶ ready …
//!       ▲                  │                            │
//!       └──────────────────┴── failed, timed out, exited, for one request only
//! ```
//! What has gone wrong in a child ends with it; the template has seen none of it. A machine is restored once: with what went wrong
//! in it the environment is over, and the next request gets another machine.

use std::{
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use casemate_kernel::Fault;
use tokio::time::Instant;

use super::{Environment, NotStarted, start::CREDENTIALS_S};
use crate::{
    api::Error,
    platform::{Note, Status},
    pool::IDLE_S_MAX,
    process::Purpose,
};

/// How long a restore may take, hooks included.
// AWS: "If an after-restore runtime hook runs for longer than 10 seconds, the Restore phase times out" (developer guide,
// "Troubleshooting SnapStart errors").
const RESTORE_LIMIT: Duration = Duration::from_secs(10);

/// How long a child serves requests: what the execution role may read no more (its variables' key was asked for when the child
/// was made) it keeps no longer than other environments keep their credentials.
const CHILD_LIMIT: Duration = Duration::from_secs(CREDENTIALS_S.cast_unsigned());

/// How long one is unused before it serves nobody any more; the template stays.
const IDLE_LIMIT: Duration = Duration::from_secs(IDLE_S_MAX.cast_unsigned());

/// Why there is no child for a request.
#[derive(Debug)]
pub(crate) enum NotRestored {
    /// The environment is over, and nothing of the function's is to blame: another may serve the request.
    Gone,
    /// As where none could be started.
    NotStarted(NotStarted),
}

impl<E: Into<NotStarted>> From<E> for NotRestored {
    fn from(reason: E) -> Self {
        Self::NotStarted(reason.into())
    }
}

/// Since when there is a child, and since when it is unused.
#[derive(Debug, Clone, Copy, Default)]
struct Times {
    restored: Option<Instant>,
    unused: Option<Instant>,
}

impl Times {
    /// Has it had its time?
    fn is_old(self, now: Instant) -> bool {
        self.restored.is_none_or(|since| now.saturating_duration_since(since) >= CHILD_LIMIT)
    }

    /// Must it serve nobody any more?
    fn are_over(self, now: Instant) -> bool {
        let unused = self.unused.map(|since| now.saturating_duration_since(since));
        self.is_old(now) || unused.is_some_and(|unused| unused >= IDLE_LIMIT)
    }
}

/// How far it is.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// Does a child serve one request only?
    pub(super) once: bool,
    /// Is there a child, or something of one?
    restored: AtomicBool,
    times: Mutex<Times>,
    /// Must the child not serve another request?
    spoilt: AtomicBool,
    /// How long the restore took, until a request has reported it.
    took: Mutex<Option<Duration>>,
}

impl Snapshot {
    /// `None`: what is started for this has none.
    pub(super) fn of(purpose: Purpose) -> Option<Self> {
        let Purpose::Snapshot { once } = purpose else { return None };
        Some(Self {
            once,
            restored: AtomicBool::default(),
            times: Mutex::default(),
            spoilt: AtomicBool::default(),
            took: Mutex::default(),
        })
    }

    /// The child must not serve another request.
    pub(super) fn spoil(&self) {
        self.spoilt.store(true, Ordering::SeqCst);
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Environment {
    /// Does it begin from a snapshot?
    pub(crate) fn is_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Is it a machine that goes on where another became the snapshot?
    pub(super) fn is_clone_of_snapshot(&self) -> bool {
        self.is_snapshot() && self.restoring.is_some()
    }

    /// Must it be restored before it can take a request?
    pub(crate) fn is_unrestored(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|snapshot| !snapshot.restored.load(Ordering::SeqCst))
    }

    /// Makes a child and waits until its hooks have run and it asks for a request. Where there is one already, or no
    /// snapshot, nothing is done.
    pub(crate) async fn restore(&self) -> Result<(), NotRestored> {
        let Some(snapshot) = self.snapshot.as_ref().filter(|_| self.is_unrestored()) else { return Ok(()) };
        let began = Instant::now();
        snapshot.spoilt.store(false, Ordering::SeqCst);
        snapshot.restored.store(true, Ordering::SeqCst);
        *snapshot.times() = Times { restored: Some(began), unused: None };
        self.output.note(&Note::restore_start(&self.function));
        let restored = self.restored().await;
        let took = began.elapsed();
        let status = match &restored {
            Ok(()) => Status::Success,
            Err(NotRestored::NotStarted(NotStarted::Refused(Error::SnapStartTimeoutException(_)))) => {
                Status::Timeout
            }
            Err(_) => Status::Error,
        };
        for note in [Note::restore_runtime_done(status), Note::restore_report(took, status)] {
            self.output.note(&note);
        }
        if let Err(error) = restored {
            snapshot.spoil();
            return Err(error);
        }
        *snapshot.took.lock().unwrap_or_else(PoisonError::into_inner) = Some(took);
        Ok(())
    }

    async fn restored(&self) -> Result<(), NotRestored> {
        self.access.check(&self.env, &self.function).await?;
        self.sandbox.begin_init().await.map_err(|error| self.not_obeyed(error))?;
        if !self.order_restored().await? {
            return Err(Fault::broken("a snapshot's template took no order").into());
        }
        // AWS: texts of the API reference of Invoke.
        let failed = || {
            Error::snap_start_exception(
                "The afterRestore() runtime hook encountered an error. For more information, check the Amazon CloudWatch \
                 logs.",
            )
        };
        tokio::select! {
            biased;
            waiting = self.exchange.waiting() => waiting.map_err(|_| failed())?,
            // In a machine it is the runtime itself that runs the hooks.
            _ = self.sandbox.exited(), if self.is_clone_of_snapshot() => {
                return Err(if self.sandbox.is_lost() { NotRestored::Gone } else { failed().into() });
            }
            // With the template or whoever started it, not by a hook.
            _ = self.sandbox.exited() => return Err(NotRestored::Gone),
            _ = self.child_ended() => return Err(failed().into()),
            () = tokio::time::sleep(RESTORE_LIMIT * self.patience()) => {
                return Err(Error::snap_start_timeout_exception(
                    "Lambda couldn't restore the snapshot within the timeout limit.",
                )
                .into());
            }
        }
        self.sandbox.end_init().await.map_err(|error| self.not_obeyed(error))?;
        self.sandbox.note_residents().await.map_err(|error| self.not_obeyed(error))?;
        Ok(())
    }

    /// Has the template make a child, or lets the runtime in a machine go on, with credentials of its own. `false`: there is none
    /// that waits for that.
    async fn order_restored(&self) -> Result<bool, NotStarted> {
        let Some(restoring) = &self.restoring else { return self.order_child().await };
        self.renewed_credentials().await?;
        let told = self.restored.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(told.is_some_and(|told| restoring.go_on(told)))
    }

    /// What holds the environment has not done what it was told to. A machine that does not answer has been ended for that, and
    /// another may serve the request.
    fn not_obeyed(&self, error: io::Error) -> NotRestored {
        if self.is_clone_of_snapshot() { NotRestored::Gone } else { Fault::internal(error).into() }
    }

    /// How long the restore took, told once.
    pub(super) fn take_restore(&self) -> Option<Duration> {
        self.snapshot.as_ref()?.took.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// After a request: the child goes on, or nothing is left of it. `false`: the environment is over.
    pub(super) async fn settle_snapshot(&self) -> bool {
        let Some(snapshot) = &self.snapshot else { return false };
        let fresh = !snapshot.times().is_old(Instant::now());
        let goes_on = fresh && !snapshot.once && !snapshot.spoilt.load(Ordering::SeqCst);
        if goes_on && self.finished_in_time().await && self.end_strays().await {
            snapshot.times().unused = Some(Instant::now());
            return true;
        }
        self.rewind(snapshot).await
    }

    /// Is there a child that has had its time?
    pub(super) fn has_old_child(&self) -> bool {
        let child = self.snapshot.as_ref().filter(|_| !self.is_unrestored());
        child.is_some_and(|snapshot| snapshot.times().are_over(Instant::now()))
    }

    /// Ends the child, if it has a snapshot to begin from again. `false`: the environment is over.
    pub(super) async fn begin_again(&self) -> bool {
        match &self.snapshot {
            Some(snapshot) => self.rewind(snapshot).await,
            None => false,
        }
    }

    /// Back to where the template ended.
    async fn rewind(&self, snapshot: &Snapshot) -> bool {
        // There is no way back in a machine, whose processes are all of them gone on.
        if !self.bare().await {
            return false;
        }
        self.exchange.renew();
        *snapshot.took.lock().unwrap_or_else(PoisonError::into_inner) = None;
        snapshot.restored.store(false, Ordering::SeqCst);
        *snapshot.times() = Times::default();
        self.sandbox.end_init().await.is_ok()
    }
}

#[cfg(test)]
impl Environment {
    /// As if it ended by itself.
    pub(crate) fn end_now(&self) {
        self.sandbox.kill();
    }

    /// Reads what it has used so far, as after each request.
    pub(crate) async fn read_use(&self) -> casemate_sandbox::Usage {
        self.sandbox.usage().await
    }

    /// What its log has of a request that began and could not be given to the runtime.
    pub(crate) async fn log_of_given_up(&self, id: &str) -> String {
        self.output.begin(&Note::start(id, self.function.version, ""));
        self.given_up((id, ""), Duration::ZERO).await;
        String::from_utf8(self.output.end(&[])).unwrap()
    }

    /// As if its child had been made, and last used, so long ago.
    pub(crate) fn age_child(&self, restored: Duration, unused: Duration) {
        let now = Instant::now();
        let ago = |time| now.checked_sub(time);
        *self.snapshot.as_ref().unwrap().times() = Times { restored: ago(restored), unused: ago(unused) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_has_an_hour_and_when_it_is_unused_the_time_of_any_idle_environment() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let times = Times { restored: Some(began), unused: Some(after(3_000)) };
        assert!(!times.is_old(after(3_599)) && times.is_old(after(3_600)));
        assert!(!times.are_over(after(3_299)) && times.are_over(after(3_300)));
        let working = Times { unused: None, ..times };
        assert!(!working.are_over(after(3_599)) && working.are_over(after(3_600)));
        assert!(Times::default().is_old(began), "whose age is not known is old");
    }
}
