//! Whether an environment is at work: it starts, runs a request, or ends. In between it is frozen, and its credentials are
//! refused, see [`casemate_kernel::Peer`].

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long after an environment was frozen a call still counts as sent before: it travels by sockets and tasks that may be late.
/// Ours: what is frozen sends nothing meanwhile.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// See the module. Clones are of the same environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Duty {
    /// Since when it is frozen.
    rests: Arc<Mutex<Option<Instant>>>,
}

impl Duty {
    /// It is about to be woken, for a request or for its end.
    pub(crate) fn begin(&self) {
        *self.rests.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// It is frozen.
    pub(crate) fn end(&self, now: Instant) {
        *self.rests.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Does what comes from it now come from its work? One that starts is at work.
    pub(crate) fn is_on(&self, now: Instant) -> bool {
        let rests = *self.rests.lock().unwrap_or_else(PoisonError::into_inner);
        rests.is_none_or(|since| now.saturating_duration_since(since) <= UNDER_WAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_under_way_when_it_was_frozen_is_of_its_work_and_nothing_later() {
        let (duty, now) = (Duty::default(), Instant::now());
        let after = |millis| now + Duration::from_millis(millis);
        assert!(duty.is_on(now) && duty.is_on(after(3_600_000)));
        duty.end(now);
        assert!(duty.is_on(now) && duty.is_on(after(1_000)));
        assert!(!duty.is_on(after(1_001)) && !duty.clone().is_on(after(3_600_000)));
        duty.begin();
        assert!(duty.is_on(after(3_600_000)));
    }
}
