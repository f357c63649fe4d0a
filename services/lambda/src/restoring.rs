//! Whose turn it is in a machine that begins from a version's snapshot: its runtime has loaded the function and asks to be
//! restored, and is let go on when there is a request for it.
//!
//! ```text
//!   starting ──asks──▶ waiting ──let go on──▶ restored
//! ```
//! The machine that becomes the snapshot is never let go on: it ends while its runtime waits, and each that begins from there waits
//! anew. So what the runtime does after the answer it does in every machine for itself.
//!
//! Knows nothing of HTTP or machines.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{exchange::Refused, restored::Restored};

#[derive(Debug, Clone)]
enum Turn {
    Starting,
    Waiting,
    Restored(Arc<Restored>),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Restoring {
    turn: watch::Sender<Turn>,
}

impl Default for Restoring {
    fn default() -> Self {
        Self { turn: watch::Sender::new(Turn::Starting) }
    }
}

impl Restoring {
    // The environment's side.

    /// Resolves when the runtime waits to be restored.
    pub(crate) async fn waiting(&self) {
        let mut changes = self.turn.subscribe();
        // The sender is this very value, so waiting cannot fail while it is borrowed.
        drop(changes.wait_for(|turn| !matches!(turn, Turn::Starting)).await);
    }

    /// Lets the runtime go on, and tells it this. `false`: it does not wait for that.
    pub(crate) fn go_on(&self, told: Arc<Restored>) -> bool {
        self.turn.send_if_modified(|turn| {
            let waits = matches!(turn, Turn::Waiting);
            if waits {
                *turn = Turn::Restored(told);
            }
            waits
        })
    }

    // The runtime's side.

    /// Does the runtime still load the function? What it reports then is a failed start.
    pub(crate) fn is_starting(&self) -> bool {
        matches!(*self.turn.borrow(), Turn::Starting)
    }

    /// Has it been let go on? Before that there is no request for it.
    pub(crate) fn is_restored(&self) -> bool {
        matches!(*self.turn.borrow(), Turn::Restored(_))
    }

    /// The runtime asks to be restored, once; resolves with what it is told when it is.
    pub(crate) async fn next(&self) -> Result<Arc<Restored>, Refused> {
        let mut changes = self.turn.subscribe();
        let first = self.turn.send_if_modified(|turn| {
            let starting = matches!(turn, Turn::Starting);
            if starting {
                *turn = Turn::Waiting;
            }
            starting
        });
        if !first {
            return Err(Refused::WrongTurn);
        }
        let restored = changes.wait_for(|turn| matches!(turn, Turn::Restored(_))).await;
        match restored.as_deref() {
            Ok(Turn::Restored(told)) => Ok(Arc::clone(told)),
            _ => Err(Refused::WrongTurn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(log_stream: &str) -> Arc<Restored> {
        Arc::new(Restored { credentials: None, log_stream: log_stream.to_owned() })
    }

    #[tokio::test]
    async fn a_runtime_waits_until_it_is_let_go_on_and_asks_once() {
        let restoring = Arc::new(Restoring::default());
        assert!(restoring.is_starting() && !restoring.go_on(told("early")));
        let runtime = tokio::spawn({
            let restoring = Arc::clone(&restoring);
            async move { restoring.next().await }
        });
        restoring.waiting().await;
        assert!(!restoring.is_starting() && !restoring.is_restored());
        assert_eq!(restoring.next().await.unwrap_err(), Refused::WrongTurn, "somebody else waits");
        assert!(restoring.go_on(told("own")) && restoring.is_restored());
        assert_eq!(runtime.await.unwrap().unwrap().log_stream, "own");
        assert!(!restoring.go_on(told("again")), "one machine is restored once");
        assert_eq!(restoring.next().await.unwrap_err(), Refused::WrongTurn);
    }
}
