//! Bodies of answers that are made while they are sent.
//!
//! ```text
//!   whoever runs the request ──BodySender──▶ BodyStream ──▶ listener
//! ```
//! A body is complete only when its sender says so: one that is dropped before has broken off, and the listener breaks the
//! connection off, too. The request's audit record stays open until then. Knows nothing of what is sent.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::audit::Bracket;

/// Pieces that wait to be sent. Ours: bounds memory; whoever makes them waits.
const PIECES_WAITING_MAX: usize = 4;
/// A piece must have been taken after this long. Ours, as listeners have it for whole answers.
const TAKE_LIMIT: Duration = Duration::from_mins(1);

/// The receiving end: what a listener sends.
#[derive(Debug)]
pub struct BodyStream {
    pieces: mpsc::Receiver<Piece>,
    state: State,
    bracket: Option<Bracket>,
    made: Option<oneshot::Receiver<()>>,
}

/// The making end.
#[derive(Debug, Clone)]
pub struct BodySender {
    pieces: mpsc::Sender<Piece>,
    /// Dropped with the last clone.
    _making: Arc<oneshot::Sender<()>>,
}

/// The body ended before it was complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenOff;

#[derive(Debug)]
enum Piece {
    Data(Bytes),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Complete,
    Broken,
}

/// Where a running operation leaves the body that follows its output.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streamed(Arc<Mutex<Option<BodyStream>>>);

impl Streamed {
    pub(crate) fn put(&self, body: BodyStream) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }

    pub(crate) fn take(&self) -> Option<BodyStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl BodyStream {
    /// Both ends of a new body.
    pub fn channel() -> (BodySender, Self) {
        let (sender, pieces) = mpsc::channel(PIECES_WAITING_MAX);
        let (making, made) = oneshot::channel();
        let sender = BodySender { pieces: sender, _making: Arc::new(making) };
        (sender, Self { pieces, state: State::Open, bracket: None, made: Some(made) })
    }

    /// The next piece; `None` after the last.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        if self.state != State::Open {
            return Poll::Ready(None);
        }
        match self.pieces.poll_recv(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Piece::Data(bytes))) => Poll::Ready(Some(Ok(bytes))),
            Poll::Ready(Some(Piece::End)) => {
                self.state = State::Complete;
                self.bracket = None;
                Poll::Ready(None)
            }
            Poll::Ready(None) => {
                self.state = State::Broken;
                Poll::Ready(Some(Err(BrokenOff)))
            }
        }
    }

    /// The next piece; `None` after the last.
    pub async fn piece(&mut self) -> Option<Result<Bytes, BrokenOff>> {
        std::future::poll_fn(|cx| self.poll_piece(cx)).await
    }

    /// Resolves when no more of the body is made, whether or not it has been taken.
    pub fn made(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let made = self.made.take();
        async move {
            if let Some(made) = made {
                // The other end is never used, only dropped.
                drop(made.await);
            }
        }
    }

    /// From now on the record is closed when the body has ended, and says so if it did not end well.
    pub(crate) fn hold(&mut self, bracket: Bracket) {
        self.bracket = Some(bracket);
    }
}

impl Drop for BodyStream {
    fn drop(&mut self) {
        if let Some(mut bracket) = self.bracket.take() {
            bracket.detail(if self.state == State::Broken {
                "the answer broke off before it was complete"
            } else {
                "the client did not take the whole answer"
            });
        }
    }
}

impl BodySender {
    /// Sends a piece; waits until there is room. `Err`: nobody takes the body any more.
    pub async fn send(&self, bytes: Bytes) -> Result<(), BrokenOff> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.put(Piece::Data(bytes)).await
    }

    /// The body is complete.
    pub async fn finish(self) {
        // A client that is gone needs no end.
        let _ = self.put(Piece::End).await;
    }

    async fn put(&self, piece: Piece) -> Result<(), BrokenOff> {
        match timeout(TAKE_LIMIT, self.pieces.send(piece)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(BrokenOff),
        }
    }
}

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body broke off")
    }
}

impl std::error::Error for BrokenOff {}

#[cfg(test)]
mod tests {
    use casemate_names::{RequestId, Timestamp};

    use super::*;
    use crate::{
        Peer,
        audit::{Audit, Kind},
    };

    fn held(audit: &Audit) -> (BodySender, BodyStream) {
        let (sender, mut stream) = BodyStream::channel();
        let id = RequestId::new("r".to_owned());
        let mut bracket =
            Bracket::open(audit, Kind::Request, &id, Timestamp::from_seconds(0), &Peer::Internal);
        bracket.answered(200);
        stream.hold(bracket);
        (sender, stream)
    }

    #[tokio::test]
    async fn the_record_is_closed_when_the_body_is_complete() {
        let audit = Audit::in_memory();
        let (sender, mut stream) = held(&audit);
        sender.send(Bytes::from_static(b"a")).await.unwrap();
        assert_eq!(stream.piece().await.unwrap().unwrap(), "a");
        assert_eq!(audit.records().len(), 0);
        sender.finish().await;
        assert_eq!(stream.piece().await, None);
        let record = audit.records().pop().unwrap();
        assert_eq!((record.outcome.status, record.detail), (200, None));
    }

    #[tokio::test]
    async fn a_dropped_sender_breaks_the_body_off_and_the_record_says_so() {
        let audit = Audit::in_memory();
        let (sender, mut stream) = held(&audit);
        drop(sender);
        assert_eq!(stream.piece().await, Some(Err(BrokenOff)));
        assert_eq!(stream.piece().await, None);
        drop(stream);
        let record = audit.records().pop().unwrap();
        assert_eq!(record.detail.unwrap(), "the answer broke off before it was complete");
    }

    #[tokio::test]
    async fn a_client_that_goes_away_ends_the_sending() {
        let audit = Audit::in_memory();
        let (sender, stream) = held(&audit);
        drop(stream);
        assert_eq!(sender.send(Bytes::from_static(b"a")).await, Err(BrokenOff));
        let record = audit.records().pop().unwrap();
        assert_eq!(record.detail.unwrap(), "the client did not take the whole answer");
    }
}
