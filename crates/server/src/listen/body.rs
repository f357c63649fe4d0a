//! Reads a request's body within its limits. Memory grows with what has arrived, never with what was announced.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::limits::Limits;

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// Larger than allowed.
    TooLarge,
    /// Slower than allowed.
    TooSlow,
    /// Other bodies fill the memory set aside for them.
    Busy,
    /// The connection broke.
    Broken,
}

/// The memory set aside for bodies.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    units: Arc<Semaphore>,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self { units: Arc::new(Semaphore::new(bytes.div_ceil(UNIT_BYTES))) }
    }
}

/// A body and the share of the budget it holds; the share is given back on drop.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

/// Collects the body. Refuses at once where the announced length is already too large.
pub(super) async fn read(
    body: Incoming,
    bytes_max: usize,
    limits: &Limits,
    budget: &Budget,
) -> Result<Held, BodyError> {
    if body.is_end_stream() {
        return Ok(Held { bytes: Bytes::new(), _share: None });
    }
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(BodyError::TooLarge);
    }
    let collected = collect(body, bytes_max, limits, budget);
    timeout(limits.body, collected).await.map_err(|_| BodyError::TooSlow)?
}

async fn collect(
    mut body: Incoming,
    bytes_max: usize,
    limits: &Limits,
    budget: &Budget,
) -> Result<Held, BodyError> {
    let mut collected = BytesMut::new();
    let mut share: Option<OwnedSemaphorePermit> = None;
    loop {
        let frame = timeout(limits.body_pause, body.frame()).await.map_err(|_| BodyError::TooSlow)?;
        let Some(frame) = frame else { return Ok(Held { bytes: collected.freeze(), _share: share }) };
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        let total = collected.len() + data.len();
        if total > bytes_max {
            return Err(BodyError::TooLarge);
        }
        reserve(budget, &mut share, total)?;
        collected.extend_from_slice(&data);
    }
}

/// Raises `share` to what `bytes` need.
fn reserve(budget: &Budget, share: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Result<(), BodyError> {
    let held = share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
    let missing = bytes.div_ceil(UNIT_BYTES).saturating_sub(held);
    if missing == 0 {
        return Ok(());
    }
    let missing = u32::try_from(missing).map_err(|_| BodyError::TooLarge)?;
    let more = Arc::clone(&budget.units).try_acquire_many_owned(missing).map_err(|_| BodyError::Busy)?;
    match share {
        Some(share) => share.merge(more),
        None => *share = Some(more),
    }
    Ok(())
}

/// The budget is counted in pieces of this many bytes.
const UNIT_BYTES: usize = 16 * 1024;
