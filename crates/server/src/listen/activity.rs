//! Knows whether a connection has a request in progress, and notices when it has had none for too long.
//!
//! This is what ends clients that finish a handshake and then say nothing, HTTP/2 clients that only answer pings, and
//! clients that never take their answer: none of them is visible to the timeouts of the HTTP layer.

use tokio::{sync::watch, time::timeout};

use super::limits::Limits;

/// Counts the requests in progress on one connection.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    in_progress: watch::Sender<Progress>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    now: usize,
    ever: bool,
}

/// One request in progress, until dropped.
#[derive(Debug)]
pub(super) struct InProgress(watch::Sender<Progress>);

impl Activity {
    pub(super) fn new() -> Self {
        Self { in_progress: watch::Sender::new(Progress::default()) }
    }

    pub(super) fn begin(&self) -> InProgress {
        self.in_progress.send_modify(|progress| {
            progress.now += 1;
            progress.ever = true;
        });
        InProgress(self.in_progress.clone())
    }

    /// Resolves when nothing has been in progress for the idle time; for the head time, if nothing ever was.
    pub(super) async fn idle(&self, limits: &Limits) {
        let mut changes = self.in_progress.subscribe();
        loop {
            let progress = *changes.borrow_and_update();
            if progress.now > 0 {
                if changes.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let allowed = if progress.ever { limits.idle } else { limits.head };
            if timeout(allowed, changes.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.send_modify(|progress| progress.now = progress.now.saturating_sub(1));
    }
}
