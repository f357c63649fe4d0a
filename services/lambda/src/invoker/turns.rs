//! Turns to start an environment for a request. There are few at a time, and functions get them as they get room, see
//! [`crate::fair`]: a function whose requests all need a new environment does not have the processors to itself, and starts are about as
//! quick as if there were only these few. Who waits for a turn goes on in what another request of the function has
//! finished with, if that is there before and may serve anybody.
//!
//! Environments that are started ahead of requests take none, nor do templates of snapshots: of these there are few at a time for
//! each function anyway, see [`crate::ready`] and [`super::stock`].

use std::{num::NonZero, time::Duration};

use tokio::time::timeout;

use crate::environment::{Berth, Room};

/// Starts at a time for each processor. Ours: one would leave the processor idle while something is read; with four, a flood is over no
/// sooner, and what starts beside it takes twice as long (measured, docs/benchmarks.md).
const PER_PROCESSOR: usize = 2;
/// How long a start keeps its turn. Ours: most have ended long before; one that waits for something outside keeps nobody waiting.
const LIMIT: Duration = Duration::from_millis(500);
/// How long a request waits for its turn. Ours: as long as for room on a full host, but here there is room.
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(crate) struct Turns {
    line: Room,
    limit: Duration,
    patience: Duration,
}

impl Default for Turns {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self::new(processors * PER_PROCESSOR, LIMIT, PATIENCE)
    }
}

impl Turns {
    pub(super) fn new(at_a_time: usize, limit: Duration, patience: Duration) -> Self {
        Self { line: Room::new(at_a_time), limit, patience }
    }

    /// How long a request waits for its turn; then it starts without.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Where requests wait for a turn, or for what is handed on to them.
    pub(super) fn line(&self) -> &Room {
        &self.line
    }

    /// Starts something. Its turn, if it has one, is over when that has ended, or has taken its time.
    pub(super) async fn start<T>(&self, turn: Option<Berth>, start: impl Future<Output = T>) -> T {
        let mut start = Box::pin(start);
        if let Ok(started) = timeout(self.limit, &mut start).await {
            return started;
        }
        drop(turn);
        start.await
    }
}
