//! What has been read from a connection since it was last answered: the question that waits, and nothing else.
//!
//! Knows nothing of what the bytes mean.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{machine::Connection, template::Pending};

/// What is kept of one connection.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    /// There was more than is kept.
    beyond: bool,
}

impl Heard {
    pub(crate) fn read(&self, bytes: &[u8]) {
        let mut kept = self.kept();
        if kept.bytes.len().saturating_add(bytes.len()) > BYTES_MAX {
            *kept = Kept { bytes: Vec::new(), beyond: true };
        } else if !kept.beyond {
            kept.bytes.extend_from_slice(bytes);
        }
    }

    pub(crate) fn answered(&self) {
        *self.kept() = Kept::default();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listens to a connection that somebody else has.
#[derive(Debug)]
pub struct Tap {
    port: u16,
    id: u32,
    heard: Arc<Heard>,
}

impl Tap {
    pub(crate) fn of(connection: &mut Connection) -> Self {
        Self { port: connection.port, id: connection.id, heard: connection.stream.hear() }
    }

    /// Whether somebody still has the connection.
    pub fn is_open(&self) -> bool {
        Arc::strong_count(&self.heard) > 1
    }

    /// The connection with what has been read from it since its last answer. `None`: more than any question has.
    pub fn pending(&self) -> Option<Pending> {
        let kept = self.heard.kept();
        (!kept.beyond).then(|| Pending { port: self.port, id: self.id, read: kept.bytes.clone() })
    }
}

/// A question for an event has some hundred bytes.
const BYTES_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn tap() -> Tap {
        Tap { port: 9_001, id: 3, heard: Arc::default() }
    }

    #[test]
    fn what_was_answered_is_forgotten_and_what_came_since_is_kept() {
        let tap = tap();
        for piece in ["GET /a ", "HTTP/1.1"] {
            tap.heard.read(piece.as_bytes());
        }
        assert_eq!(tap.pending().unwrap().read, b"GET /a HTTP/1.1");
        tap.heard.answered();
        tap.heard.read(b"GET /b");
        assert_eq!(tap.pending().unwrap().read, b"GET /b");
    }

    #[test]
    fn nothing_is_kept_of_what_is_too_long_until_it_is_answered() {
        let tap = tap();
        tap.heard.read(&[b'a'; BYTES_MAX]);
        assert!(tap.pending().is_some());
        tap.heard.read(b"b");
        tap.heard.read(b"c");
        assert!(tap.pending().is_none() && tap.heard.kept().bytes.is_empty());
        tap.heard.answered();
        assert_eq!(tap.pending().unwrap().read, b"");
    }

    #[test]
    fn it_is_known_whether_somebody_has_the_connection() {
        let tap = tap();
        assert!(!tap.is_open());
        let connection = Arc::clone(&tap.heard);
        assert!(tap.is_open());
        drop(connection);
        assert!(!tap.is_open());
    }
}
