//! Questions to the guest, and who waits for which answer.
//!
//! The guest may be hostile: it may stop reading as well as answering. Nobody waits longer than a question's limit, the sending
//! included, and nothing is kept of a question that nobody waits for.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use crate::{
    error::{Error, doing},
    mux::Mux,
    protocol::Answer,
};

/// What the guest says to a question.
pub(crate) type Outcome = Result<Answer, String>;

/// Questions under way.
#[derive(Debug, Default)]
pub(crate) struct Asking {
    waiting: Mutex<BTreeMap<u64, oneshot::Sender<Outcome>>>,
}

/// Somebody waits for an answer as long as this is there.
struct Waiting<'a>(&'a Asking, u64);

impl Asking {
    /// Sends a question and waits for its answer; `None` when that took longer than `limit`. `ended` is the machine's end.
    pub(crate) async fn ask(
        &self,
        mux: &Mux,
        (number, text): (u64, Vec<u8>),
        (limit, ended): (Duration, impl Future<Output = ()>),
    ) -> Option<Result<Outcome, Error>> {
        let (sender, answer) = oneshot::channel();
        self.table().insert(number, sender);
        let _waiting = Waiting(self, number);
        let asked = async {
            mux.control(text).await.map_err(doing("request to the guest"))?;
            answer.await.map_err(|_| Error::Gone)
        };
        let either = async {
            tokio::select! {
                outcome = asked => outcome,
                () = ended => Err(Error::Gone),
            }
        };
        timeout(limit, either).await.ok()
    }

    /// Hands an answer to whoever waits for it.
    pub(crate) fn answered(&self, number: u64, outcome: Outcome) {
        if let Some(waiting) = self.table().remove(&number) {
            let _ = waiting.send(outcome);
        }
    }

    /// No answer will come any more.
    pub(crate) fn end(&self) {
        self.table().clear();
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<u64, oneshot::Sender<Outcome>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.table().remove(&self.1);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::io::{duplex, split};

    use super::*;

    const LIMIT: Duration = Duration::from_millis(50);

    /// A guest that reads nothing: its wire and all that waits for it are full.
    async fn deaf() -> (Mux, impl Sized) {
        let (ours, theirs) = duplex(64);
        let (read, write) = split(ours);
        let (mux, incoming) = Mux::start(read, write);
        while timeout(LIMIT, mux.control(vec![b' '; 1_024])).await.is_ok() {}
        (mux, (theirs, incoming))
    }

    #[tokio::test]
    async fn guest_that_does_not_read_holds_nobody_up() {
        let (mux, _kept) = deaf().await;
        let asking = Asking::default();
        assert!(asking.ask(&mux, (1, b"{}".to_vec()), (LIMIT, pending())).await.is_none());
        assert!(asking.table().is_empty());
        let ended = asking.ask(&mux, (2, b"{}".to_vec()), (LIMIT, ready(()))).await;
        assert!(matches!(ended, Some(Err(Error::Gone))), "{ended:?}");
        assert!(asking.table().is_empty());
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_question_that_is_given_up() {
        let (mux, _kept) = deaf().await;
        let asking = Asking::default();
        let asked = asking.ask(&mux, (1, b"{}".to_vec()), (LIMIT * 900, pending()));
        assert!(timeout(LIMIT, asked).await.is_err());
        assert!(asking.table().is_empty());
    }
}
