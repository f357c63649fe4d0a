//! Work, counted in steps and never in time, so that a comparison ends the same way on every machine.

/// How many steps a comparison may take unless told otherwise. Ours: a second or two of work on a small machine.
pub const STEPS_MAX: u64 = 50_000_000;

/// The budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spent;

/// What has been done and what may be.
#[derive(Debug)]
pub(super) struct Budget {
    done: u64,
    max: u64,
}

impl Budget {
    pub(super) fn new(max: u64) -> Self {
        Self { done: 0, max }
    }

    /// Counts `steps`.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Spent> {
        self.done = self.done.saturating_add(u64::try_from(steps).unwrap_or(u64::MAX));
        if self.done > self.max { Err(Spent) } else { Ok(()) }
    }

    pub(super) fn done(&self) -> u64 {
        self.done.min(self.max)
    }
}
