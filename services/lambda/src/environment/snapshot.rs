//! An environment that begins from a snapshot: its template was initialised ahead, and a child of it is the environment.
//!
//! ```text
//!   unrestored ──restore: child, hooks──▶ ready ──requests──▶ ready …
//!       ▲                  │                            │
//!       └──────────────────┴── failed, timed out, exited, for one request only
//! ```
//! What has gone wrong in a child ends with it; the template has seen none of it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use casemate_kernel::Fault;
use tokio::time::Instant;

use super::{Environment, start::NotStarted};
use crate::{
    api::Error,
    platform::{Note, Status},
    process::Purpose,
};

/// How long a restore may take, hooks included.
// AWS: "If an after-restore runtime hook runs for longer than 10 seconds, the Restore phase times out" (developer guide,
// "Troubleshooting SnapStart errors").
const RESTORE_LIMIT: Duration = Duration::from_secs(10);

/// How far it is.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// Does a child serve one request only?
    pub(super) once: bool,
    /// Is there a child, or something of one?
    restored: AtomicBool,
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
            spoilt: AtomicBool::default(),
            took: Mutex::default(),
        })
    }

    /// The child must not serve another request.
    pub(super) fn spoil(&self) {
        self.spoilt.store(true, Ordering::SeqCst);
    }
}

impl Environment {
    /// Does it begin from a snapshot?
    pub(crate) fn is_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Must it be restored before it can take a request?
    pub(super) fn is_unrestored(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|snapshot| !snapshot.restored.load(Ordering::SeqCst))
    }

    /// Makes a child and waits until its hooks have run and it asks for a request. Where there is one already, or no
    /// snapshot, nothing is done.
    pub(crate) async fn restore(&self) -> Result<(), NotStarted> {
        let Some(snapshot) = self.snapshot.as_ref().filter(|_| self.is_unrestored()) else { return Ok(()) };
        let began = Instant::now();
        snapshot.spoilt.store(false, Ordering::SeqCst);
        snapshot.restored.store(true, Ordering::SeqCst);
        self.output.note(Note::restore_start(&self.function)).await;
        let restored = self.restored().await;
        let took = began.elapsed();
        let status = match &restored {
            Ok(()) => Status::Success,
            Err(Error::SnapStartTimeoutException(_)) => Status::Timeout,
            Err(_) => Status::Error,
        };
        self.output.note(Note::restore_report(took, status)).await;
        if let Err(error) = restored {
            snapshot.spoil();
            return Err(NotStarted::Refused(error));
        }
        *snapshot.took.lock().unwrap_or_else(PoisonError::into_inner) = Some(took);
        Ok(())
    }

    async fn restored(&self) -> Result<(), Error> {
        self.sandbox.begin_init().await.map_err(Fault::internal)?;
        if !self.order_child().await {
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
            _ = self.sandbox.exited() => return Err(failed()),
            _ = self.child_ended() => return Err(failed()),
            () = tokio::time::sleep(RESTORE_LIMIT) => {
                return Err(Error::snap_start_timeout_exception(
                    "Lambda couldn't restore the snapshot within the timeout limit.",
                ));
            }
        }
        self.sandbox.end_init().await.map_err(Fault::internal)?;
        self.sandbox.note_residents().await.map_err(Fault::internal)?;
        Ok(())
    }

    /// How long the restore took, told once.
    pub(super) fn take_restore(&self) -> Option<Duration> {
        self.snapshot.as_ref()?.took.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// After a request: the child goes on, or nothing is left of it. `false`: the environment is over.
    pub(super) async fn settle_snapshot(&self) -> bool {
        let Some(snapshot) = &self.snapshot else { return false };
        let goes_on = !snapshot.once && !snapshot.spoilt.load(Ordering::SeqCst);
        if goes_on && self.finished_in_time().await && self.end_strays().await {
            return true;
        }
        self.rewind(snapshot).await
    }

    /// Back to where the template ended.
    async fn rewind(&self, snapshot: &Snapshot) -> bool {
        if !self.bare().await {
            return false;
        }
        self.exchange.renew();
        *snapshot.took.lock().unwrap_or_else(PoisonError::into_inner) = None;
        snapshot.restored.store(false, Ordering::SeqCst);
        self.sandbox.end_init().await.is_ok()
    }
}
