//! How slowly the other end of a connection may speak: a request's head must be complete some seconds after its first byte.
//!
//! HTTP's own timer also runs between two requests, and there a runtime may be silent for as long as its function works.
//! Knows nothing of what is said.

use std::{
    future::pending,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::watch,
    time::timeout,
};

/// For a whole head. Ours: everything is on the same machine.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Nothing, or answering.
    Other,
    /// A head has begun.
    Head,
}

/// One connection's pace.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    state: watch::Sender<State>,
    limit: Duration,
}

#[derive(Debug, Clone, Copy)]
struct State {
    doing: Doing,
    /// A request is being worked on: what arrives now is its body.
    busy: bool,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self::of(HEAD_LIMIT)
    }

    fn of(limit: Duration) -> Self {
        Self { state: watch::Sender::new(State { doing: Doing::Other, busy: false }), limit }
    }

    /// A head is complete: its request is worked on.
    pub(super) fn begun(&self) {
        self.state.send_replace(State { doing: Doing::Other, busy: true });
    }

    /// The answer is there.
    pub(super) fn answered(&self) {
        self.state.send_replace(State { doing: Doing::Other, busy: false });
    }

    fn heard(&self) {
        self.state.send_if_modified(|state| {
            let begins = !state.busy && state.doing == Doing::Other;
            if begins {
                state.doing = Doing::Head;
            }
            begins
        });
    }

    /// Resolves when a head has taken too long.
    pub(super) async fn too_slow(&self) {
        let mut changes = self.state.subscribe();
        loop {
            if changes.wait_for(|state| state.doing == Doing::Head).await.is_err() {
                return pending().await;
            }
            if timeout(self.limit, changes.wait_for(|state| state.doing == Doing::Other)).await.is_err() {
                return;
            }
        }
    }
}

/// A stream whose first bytes are noticed.
#[derive(Debug)]
pub(super) struct Heard<S> {
    pub(super) stream: S,
    pub(super) pace: Pace,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.pace.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Is a head under way? With no time allowed for one, it is then too slow already.
    fn is_counted(pace: &Pace) -> bool {
        pace.state.borrow().doing == Doing::Head
    }

    #[tokio::test]
    async fn a_head_that_does_not_end_is_too_slow() {
        let (mut client, stream) = tokio::io::duplex(64);
        let pace = Pace::of(Duration::ZERO);
        let mut heard = Heard { stream, pace: pace.clone() };
        assert!(!is_counted(&pace));
        client.write_all(b"G").await.unwrap();
        heard.read_u8().await.unwrap();
        assert!(is_counted(&pace));
        timeout(Duration::from_secs(10), pace.too_slow()).await.unwrap();
    }

    #[tokio::test]
    async fn work_and_silence_between_requests_may_take_long() {
        let (mut client, stream) = tokio::io::duplex(64);
        let pace = Pace::of(Duration::ZERO);
        let mut heard = Heard { stream, pace: pace.clone() };
        client.write_all(b"GE").await.unwrap();
        heard.read_u8().await.unwrap();
        pace.begun();
        // A body's bytes are no head.
        heard.read_u8().await.unwrap();
        assert!(!is_counted(&pace));
        pace.answered();
        assert!(!is_counted(&pace));
        client.write_all(b"G").await.unwrap();
        heard.read_u8().await.unwrap();
        assert!(is_counted(&pace));
    }
}
