//! Turns to start an environment for a request. There are few at a time, and functions get them as they get room, see
//! [`crate::fair`]: a function whose requests all need a new environment does not have the processors to itself, and each start
//! is as quick as if there were only these few. Who waits for a turn goes on in what another request of the function has
//! finished with, if that is there before.
//!
//! Environments that are started ahead of requests take none: of each function one is started after another.

use std::{num::NonZero, time::Duration};

use tokio::time::timeout;

use crate::{
    api::ThrottleReason,
    environment::{Berth, NotStarted, Room},
    refusal,
};

/// Starts at a time for each processor. Ours: one would leave the processor idle while something is read; with four, a flood is over no
/// sooner, and what starts beside it takes twice as long (measured, docs/benchmarks.md).
const PER_PROCESSOR: usize = 2;
/// How long a start keeps its turn. Ours: most have ended long before; one that waits for something outside keeps nobody waiting.
const LIMIT: Duration = Duration::from_millis(250);

/// See the module. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Turns {
    line: Room,
    limit: Duration,
}

impl Default for Turns {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self::new(processors * PER_PROCESSOR, LIMIT)
    }
}

impl Turns {
    pub(super) fn new(at_a_time: usize, limit: Duration) -> Self {
        Self { line: Room::new(at_a_time), limit }
    }

    /// Where requests wait for a turn, or for what is handed on to them.
    pub(super) fn line(&self) -> &Room {
        &self.line
    }

    /// Starts something. The turn is over when that has ended, or has taken its time.
    pub(super) async fn start<T>(&self, turn: Berth, start: impl Future<Output = T>) -> T {
        let mut start = Box::pin(start);
        if let Ok(started) = timeout(self.limit, &mut start).await {
            return started;
        }
        drop(turn);
        start.await
    }
}

/// More wait already than may.
pub(super) fn too_many() -> NotStarted {
    NotStarted::Refused(refusal::throttled(ThrottleReason::ConcurrentInvocationLimitExceeded))
}
