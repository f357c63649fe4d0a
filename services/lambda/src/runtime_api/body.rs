//! What a runtime hands over: read whole, within limits, or passed on piece by piece.
//!
//! Knows the limits of bodies and the trailers of streamed ones; whose turn it is, the exchange knows.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{
    HeaderMap,
    body::{Body, Incoming},
};
use tokio::{sync::Mutex, time::timeout};

use crate::{
    exchange::{Exchange, Refused},
    invocation::{ANSWER_BYTES_MAX, Outcome, STREAM_BYTES_MAX},
    streaming::{Piece, Sink},
};

/// For a whole body that is not streamed. Ours: everything is on the same machine.
const BODY_LIMIT: Duration = Duration::from_secs(30);
/// Bytes of a body that is too large, beyond what is too large, that are read and thrown away.
const DISCARDED_BYTES_MAX: usize = ANSWER_BYTES_MAX * 4;

/// Why a body was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadError {
    TooLarge,
    TooSlow,
    Broken,
}

/// Reads a body of at most an answer's size. One at a time, whose turn is `turn`.
pub(super) async fn read(
    turn: &Mutex<()>,
    body: impl Body<Data = Bytes> + Unpin,
) -> Result<(Bytes, Option<HeaderMap>), ReadError> {
    let _one_at_a_time = turn.lock().await;
    timeout(BODY_LIMIT, whole(body)).await.unwrap_or(Err(ReadError::TooSlow))
}

async fn whole(mut body: impl Body<Data = Bytes> + Unpin) -> Result<(Bytes, Option<HeaderMap>), ReadError> {
    let (mut bytes, mut trailers, mut too_large) = (BytesMut::new(), None, false);
    let mut discarded = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ReadError::Broken)?;
        match frame.into_data() {
            Ok(data) if too_large || bytes.len() + data.len() > ANSWER_BYTES_MAX => {
                // The rest is read and thrown away for a while, so that a runtime which only looks at the answer after
                // writing everything sees it.
                too_large = true;
                bytes = BytesMut::new();
                discarded += data.len();
                if discarded > DISCARDED_BYTES_MAX {
                    return Err(ReadError::TooLarge);
                }
            }
            Ok(data) => bytes.extend_from_slice(&data),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    if too_large { Err(ReadError::TooLarge) } else { Ok((bytes.freeze(), trailers)) }
}

/// Passes a streamed answer on to whoever waits for it. The exchange has given the turn to `id`'s stream.
pub(super) async fn pass_on(
    exchange: &Exchange,
    id: &str,
    content_type: Option<String>,
    body: Incoming,
    sink: Sink,
) -> Result<(), PassError> {
    let guard = Unfinished { exchange, id, settled: false };
    let outcome = pieces(body, content_type, sink).await;
    let too_large = outcome == Err(ReadError::TooLarge);
    let outcome = match outcome {
        Ok(report) => report.map_or(Outcome::Answer(Bytes::new()), Outcome::Failure),
        Err(ReadError::TooLarge) => Outcome::stream_too_large(),
        Err(ReadError::TooSlow | ReadError::Broken) => Outcome::truncated(),
    };
    guard.settle(outcome).map_err(PassError::Refused)?;
    if too_large { Err(PassError::TooLarge) } else { Ok(()) }
}

/// Why a streamed answer was not taken as a whole.
#[derive(Debug)]
pub(super) enum PassError {
    TooLarge,
    Refused(Refused),
}

/// A stream that is given up (its connection is gone) still ends its request.
struct Unfinished<'a> {
    exchange: &'a Exchange,
    id: &'a str,
    settled: bool,
}

impl Unfinished<'_> {
    fn settle(mut self, outcome: Outcome) -> Result<(), Refused> {
        self.settled = true;
        self.exchange.streamed(self.id, outcome)
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.settled {
            // Refused only where the request has ended already.
            let _ = self.exchange.streamed(self.id, Outcome::truncated());
        }
    }
}

/// Passes pieces on to the end; the report of a stream that says it failed.
async fn pieces(
    mut body: Incoming,
    content_type: Option<String>,
    sink: Sink,
) -> Result<Option<Bytes>, ReadError> {
    let (mut passed, mut trailers) = (0_usize, None);
    // Of a client that is gone nothing is known here: the function still runs to its end.
    let mut heard = sink.send(Piece::Begun(content_type)).await.is_ok();
    while let Some(frame) = body.frame().await {
        match frame.map_err(|_| ReadError::Broken)?.into_data() {
            Ok(data) => {
                passed = passed.saturating_add(data.len());
                if passed > STREAM_BYTES_MAX {
                    return Err(ReadError::TooLarge);
                }
                heard = heard && sink.send(Piece::Data(data)).await.is_ok();
            }
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    Ok(trailers.as_ref().and_then(reported))
}

// AWS: a streamed answer that breaks off says so in trailers, the body in base64.
pub(super) fn reported(trailers: &HeaderMap) -> Option<Bytes> {
    let body = trailers.get("lambda-runtime-function-error-body");
    let body = body.and_then(|text| STANDARD.decode(text.as_bytes()).ok()).filter(|body| !body.is_empty());
    let kind = trailers.get("lambda-runtime-function-error-type");
    match (body, kind) {
        (Some(body), _) => Some(body.into()),
        (None, Some(_)) => {
            let kind = super::error_type(trailers, "Function.Unknown");
            Some(serde_json::json!({ "errorType": kind }).to_string().into())
        }
        (None, None) => None,
    }
}
