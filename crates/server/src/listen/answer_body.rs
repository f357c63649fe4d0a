//! An answer's body as HTTP sends it: one that is there, or one that is still being made.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use casemate_kernel::{BodyStream, BrokenOff};
use hyper::body::{Body, Frame, SizeHint};

use super::activity::InProgress;

/// See the module.
#[derive(Debug)]
pub(super) struct AnswerBody {
    begun: Option<Bytes>,
    stream: Option<BodyStream>,
}

impl AnswerBody {
    pub(super) fn new(begun: Bytes, stream: Option<BodyStream>) -> Self {
        Self { begun: Some(begun).filter(|bytes| !bytes.is_empty()), stream }
    }

    /// The request counts as in progress until the body is made. From then on the client has the idle time to take it, as
    /// of a body that was there from the beginning.
    pub(super) fn during(mut self, in_progress: InProgress) -> Self {
        if let Some(stream) = &mut self.stream {
            let made = stream.made();
            drop(tokio::spawn(async move {
                made.await;
                drop(in_progress);
            }));
        }
        self
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        if let Some(bytes) = self.begun.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let Some(stream) = &mut self.stream else { return Poll::Ready(None) };
        let polled = stream.poll_piece(cx);
        if !matches!(polled, Poll::Pending | Poll::Ready(Some(Ok(_)))) {
            self.stream = None;
        }
        polled.map_ok(Frame::data)
    }

    fn is_end_stream(&self) -> bool {
        self.begun.is_none() && self.stream.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let begun = self.begun.as_ref().map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.stream.is_none() {
            return SizeHint::with_exact(begun);
        }
        let mut hint = SizeHint::default();
        hint.set_lower(begun);
        hint
    }
}
