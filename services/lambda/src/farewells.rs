//! Turns for environments that end with a word to their extensions, and the server's end, which waits for these.
//!
//! Knows nothing of what is said.

use std::{
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

use crate::{environment::EXTERNAL_LIMIT, invoker::Invoker};

/// Environments that end so at a time; the others are killed at once. Ours: they hold their room on the host meanwhile.
const AT_A_TIME_MAX: u32 = 32;
/// How long the server's end waits for environments that have answered, to be done with the request, and for their lines to
/// be delivered. Ours.
const WORK_LIMIT: Duration = Duration::from_secs(1);
/// How long it then waits for all of them: what they have, and time for their last lines to be delivered.
const END_LIMIT: Duration = EXTERNAL_LIMIT.saturating_add(Duration::from_secs(3));

/// See the module.
#[derive(Debug, Clone)]
pub struct Farewells {
    turns: Arc<Semaphore>,
    /// How many requests are under way, and lines of the log.
    working: watch::Sender<usize>,
    invoker: Arc<OnceLock<Weak<Invoker>>>,
}

impl Default for Farewells {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_A_TIME_MAX as usize)),
            working: watch::Sender::default(),
            invoker: Arc::default(),
        }
    }
}

impl Farewells {
    /// Whose environments end with the server.
    pub(crate) fn are_of(&self, invoker: &Arc<Invoker>) {
        // The first counts: there is one.
        let _ = self.invoker.set(Arc::downgrade(invoker));
    }

    /// A turn, kept until it is dropped; `None`: too many have one.
    pub(crate) fn begin(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).try_acquire_owned().ok()
    }

    /// A request, or a line of the log, is under way until this is dropped.
    pub(crate) fn work(&self) -> Working {
        self.working.send_modify(|working| *working += 1);
        Working(self.working.clone())
    }

    /// Before the server ends: ends the environments that wait for requests, and waits until their extensions have had their
    /// time. Afterwards none is kept for further requests.
    pub async fn say(&self) {
        if let Some(invoker) = self.invoker.get().and_then(Weak::upgrade) {
            invoker.close();
        }
        let mut working = self.working.subscribe();
        drop(timeout(WORK_LIMIT, working.wait_for(|working| *working == 0)).await);
        drop(timeout(END_LIMIT, self.turns.acquire_many(AT_A_TIME_MAX)).await);
    }
}

/// See [`Farewells::work`].
#[derive(Debug)]
pub(crate) struct Working(watch::Sender<usize>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.send_modify(|working| *working = working.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn so_many_end_with_a_word_and_the_servers_end_waits_for_all_of_them() {
        let farewells = Farewells::default();
        let mut turns: Vec<_> = std::iter::from_fn(|| farewells.begin()).collect();
        assert_eq!(turns.len(), 32);
        turns.pop();
        let (again, work) = (farewells.begin(), farewells.work());
        assert!(again.is_some() && farewells.begin().is_none());
        let mut end = std::pin::pin!(farewells.say());
        let mut poll = async || {
            std::future::poll_fn(|context| std::task::Poll::Ready(end.as_mut().poll(context).is_ready()))
                .await
        };
        assert!(!poll().await);
        turns.clear();
        assert!(!poll().await, "one is still there");
        drop(again);
        assert!(!poll().await, "a request is under way, whose environment may follow");
        drop(work);
        assert!(poll().await);
    }
}
