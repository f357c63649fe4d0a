//! A stream as the line of a way out: one that is given up breaks, and only one that both sides have ended ends.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stream::Stream;

/// See the module.
#[derive(Debug)]
pub struct Line {
    stream: Stream,
    /// The other side has ended, or has broken it.
    read: bool,
    /// This side has ended.
    written: bool,
}

impl From<Stream> for Line {
    fn from(stream: Stream) -> Self {
        Self { stream, read: false, written: false }
    }
}

impl casemate_sandbox::Line for Line {
    fn sever(&mut self) {
        self.stream.reset();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !(self.read && self.written) {
            self.stream.reset();
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        self.read |= read.is_err() || (room > 0 && buffer.filled().len() == before);
        Poll::Ready(read)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        self.written = true;
        Poll::Ready(Ok(()))
    }
}
