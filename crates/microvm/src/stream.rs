//! One stream of the multiplexer, as its user has it.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    sync::OwnedSemaphorePermit,
};

use crate::{heard::Heard, mux::Mux};

/// A connection to or from the guest.
#[derive(Debug)]
pub struct Stream {
    pipe: DuplexStream,
    /// Counts as long as its user has it.
    place: Arc<OwnedSemaphorePermit>,
    /// Who else learns what is read.
    heard: Option<Arc<Heard>>,
    /// Where it is known; nowhere where another stands between.
    known: Option<(Mux, u32)>,
    /// Whether the other side has reset it.
    broken: Arc<AtomicBool>,
}

impl Stream {
    pub(crate) fn new(
        pipe: DuplexStream,
        place: Arc<OwnedSemaphorePermit>,
        (known, broken): ((Mux, u32), Arc<AtomicBool>),
    ) -> Self {
        Self { pipe, place, heard: None, known: Some(known), broken }
    }

    /// The same connection with another pipe between it and its user.
    pub(crate) fn by_way_of(pipe: DuplexStream, of: &Self) -> Self {
        let broken = Arc::default();
        Self { pipe, place: Arc::clone(&of.place), heard: None, known: None, broken }
    }

    /// Ends it in both directions, now: the other side learns that it broke.
    pub(crate) fn reset(&mut self) {
        if let Some((mux, id)) = self.known.take() {
            mux.break_off(id);
        }
    }

    /// From now on what is read is also kept, until the answer to it is written.
    pub(crate) fn hear(&mut self) -> Arc<Heard> {
        Arc::clone(self.heard.get_or_insert_default())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.pipe).poll_read(context, buffer);
        let ended = matches!(read, Poll::Ready(Ok(()))) && buffer.filled().len() == before;
        if ended && self.broken.load(Ordering::Acquire) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if let Some(heard) = &self.heard {
            heard.read(buffer.filled().get(before..).unwrap_or_default());
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.pipe).poll_write(context, bytes);
        if let (Some(heard), Poll::Ready(Ok(1..))) = (&self.heard, &written) {
            heard.answered();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(context)
    }
}
