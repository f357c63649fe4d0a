//! Bytes of one stream that have arrived and wait to be passed on, one after the other in one piece of memory.
//!
//! Knows nothing of frames. How many may wait is its owner's business.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use tokio::sync::Notify;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Arriving {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: BytesMut,
    closed: bool,
}

impl Arriving {
    /// Appends bytes; `false` after the end.
    #[must_use]
    pub(crate) fn put(&self, bytes: &[u8]) -> bool {
        let mut waiting = self.waiting();
        if !waiting.closed {
            waiting.bytes.extend_from_slice(bytes);
            self.changed.notify_one();
        }
        !waiting.closed
    }

    /// No more will come.
    pub(crate) fn close(&self) {
        self.waiting().closed = true;
        self.changed.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.waiting().closed
    }

    /// All that wait, when there are any; `None` at the end. For one reader.
    pub(crate) async fn all(&self) -> Option<BytesMut> {
        loop {
            {
                let mut waiting = self.waiting();
                if !waiting.bytes.is_empty() {
                    // The whole memory goes along: what comes next begins with none.
                    return Some(std::mem::take(&mut waiting.bytes));
                }
                if waiting.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Memory held, whether used or not.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.waiting().bytes.capacity()
    }
}
