//! Reads a request's body within its limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::limits::{BODY_PAUSE_S, BODY_S};

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// Larger than allowed.
    TooLarge,
    /// Slower than allowed.
    TooSlow,
    /// The connection broke.
    Broken,
}

/// Collects the body. Refuses at once where the announced length is already too large.
pub(super) async fn read(body: Incoming, bytes_max: usize) -> Result<Bytes, BodyError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(BodyError::TooLarge);
    }
    timeout(Duration::from_secs(BODY_S), collect(body, bytes_max, announced)).await.map_err(|_| BodyError::TooSlow)?
}

async fn collect(mut body: Incoming, bytes_max: usize, announced: usize) -> Result<Bytes, BodyError> {
    let mut collected = BytesMut::with_capacity(announced);
    loop {
        let pause = Duration::from_secs(BODY_PAUSE_S);
        let frame = timeout(pause, body.frame()).await.map_err(|_| BodyError::TooSlow)?;
        let Some(frame) = frame else { return Ok(collected.freeze()) };
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        if collected.len() + data.len() > bytes_max {
            return Err(BodyError::TooLarge);
        }
        collected.extend_from_slice(&data);
    }
}
