//! Which environments are started before there is a request for them, and how much of the host they and idle ones may hold.
//!
//! - **Provisioned**: so many of a version are kept, always.
//! - **Spare**: a function whose environments serve one request each, and whose process cannot be forked, has one that is
//!   started ahead while it is used, so that the next request need not wait for a start; a version with snapshots has some.
//!
//! Knows nothing of how environments are started.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use casemate_names::{Arn, Timestamp};
use casemate_sandbox::{DESCRIPTORS_PER_ENVIRONMENT, DESCRIPTORS_WITH_COMPANIONS, HostMemory};

use crate::{function::Function, process::Purpose};

/// How long after its last request a function keeps a spare environment, seconds.
const SPARE_S: i64 = 60;
/// Environments of a function started ahead at a time. Ours: more would only share the processors, and of hundreds none would be
/// ready within the time a start may take. Each function's own: one whose starts hang holds up no other.
const STARTING_MAX: usize = 8;
/// What an idle environment of Python or Node.js is counted as, in bytes. Measured: see docs/benchmarks.md.
const ENVIRONMENT_BYTES: u64 = 8 << 20;
/// Fewest and most environments in all. The latter: each also costs the server a thread.
const ENVIRONMENTS: std::ops::RangeInclusive<u64> = 64..=4_096;
/// Where less of the host's memory is left, idle environments are stopped: this share of all …
const AVAILABLE_SHARE_MIN: u64 = 16;
/// … and where processes waited for memory so much of the last ten seconds, per cent, …
const WAITING_PERCENT_MAX: f32 = 20.0;
/// … while less than this share is left: with much memory free, who waits does so for a limit of its own, which a function
/// can bring about at will.
const WAITING_SHARE_MIN: u64 = 4;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    wanted: Mutex<BTreeMap<Arn, Want>>,
}

#[derive(Debug)]
struct Want {
    function: Arc<Function>,
    provisioned: usize,
    /// Until when spares are kept, and how many.
    spare_until: Option<Timestamp>,
    spares: usize,
    /// How many are being started.
    starting: usize,
}

/// An environment to be started.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) function: Arc<Function>,
    pub(crate) purpose: Purpose,
}

impl Ready {
    /// Keeps `count` environments of a function, from now on; zero: none any more.
    pub(crate) fn provision(&self, function: Arc<Function>, count: usize) {
        self.change(function, |want| want.provisioned = count);
    }

    /// A request has used up an environment of a function: so many are to be at hand for those that follow.
    pub(crate) fn used_up(&self, function: &Arc<Function>, spares: usize, now: Timestamp) {
        self.change(Arc::clone(function), |want| {
            (want.spare_until, want.spares) = (Some(now.plus_seconds(SPARE_S)), spares);
        });
    }

    fn change(&self, function: Arc<Function>, change: impl FnOnce(&mut Want)) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let arn = function.arn.clone();
        let new = || Want {
            function: Arc::clone(&function),
            provisioned: 0,
            spare_until: None,
            spares: 0,
            starting: 0,
        };
        let want = wanted.entry(arn).or_insert_with(new);
        want.function = function;
        change(want);
    }

    /// A function has changed or is gone: nothing of the old one is started any more.
    pub(crate) fn retire(&self, function: &Arn) {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).remove(function);
    }

    /// How many of a function are being started ahead.
    pub(crate) fn starting(&self, function: &Arn) -> usize {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.get(function).map_or(0, |want| want.starting)
    }

    /// How many idle environments of a function stay however long they are unused.
    pub(crate) fn kept(&self, function: &str) -> usize {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let want = wanted.iter().find(|(arn, _)| arn.as_str() == function);
        want.map_or(0, |(_, want)| want.provisioned)
    }

    /// What is missing now, given how many environments a function has, and how many of them are at hand. Each is
    /// answered once, until [`Self::started`].
    pub(crate) fn missing(
        &self,
        now: Timestamp,
        has: impl Fn(&Function) -> usize,
        fresh: impl Fn(&Function) -> usize,
    ) -> Vec<Start> {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.retain(|_, want| {
            want.provisioned > 0 || want.starting > 0 || want.spare_until.is_some_and(|until| now < until)
        });
        let mut starts = Vec::new();
        for want in wanted.values_mut() {
            let wanted = if want.spare_until.is_some_and(|until| now < until) { want.spares } else { 0 };
            // Places are taken while starting, so those that are starting are among those it has.
            let provisioned = want.provisioned.saturating_sub(has(&want.function).max(want.starting));
            let spares = wanted.saturating_sub(fresh(&want.function) + want.starting);
            let purpose = if provisioned > 0 { Purpose::Provisioned } else { Purpose::OnDemand };
            let count = provisioned.max(spares).min(STARTING_MAX.saturating_sub(want.starting));
            want.starting += count;
            starts.extend((0..count).map(|_| Start { function: Arc::clone(&want.function), purpose }));
        }
        starts
    }

    /// An environment has been started, or could not be.
    pub(crate) fn started(&self, function: &Arn) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(want) = wanted.get_mut(function) {
            want.starting = want.starting.saturating_sub(1);
        }
    }
}

/// How many places an environment of a function takes. What may bring extensions, with layers or in its image, is counted as if
/// it brought as many as it may: each has descriptors of its own.
pub(crate) fn places_of(function: &Function) -> usize {
    let may_extend = !function.settings.layers.is_empty() || function.image.is_some();
    let places = DESCRIPTORS_WITH_COMPANIONS.div_ceil(DESCRIPTORS_PER_ENVIRONMENT);
    if may_extend { usize::try_from(places).unwrap_or(usize::MAX) } else { 1 }
}

/// How many environments a host of this size may have, given how many its server has descriptors for.
pub(crate) fn environments_max(memory: HostMemory, by_descriptors: u64) -> usize {
    let count = (memory.total_bytes / ENVIRONMENT_BYTES).clamp(*ENVIRONMENTS.start(), *ENVIRONMENTS.end());
    usize::try_from(count.min(by_descriptors)).unwrap_or(usize::MAX)
}

/// Does the host run short of memory?
pub(crate) fn is_short(memory: HostMemory) -> bool {
    memory.available_bytes < memory.total_bytes / AVAILABLE_SHARE_MIN
        || memory.available_bytes < memory.total_bytes / WAITING_SHARE_MIN
            && memory.waiting_percent.is_some_and(|percent| percent >= WAITING_PERCENT_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(total_bytes: u64, available_bytes: u64, waiting_percent: Option<f32>) -> HostMemory {
        HostMemory { total_bytes, available_bytes, waiting_percent }
    }

    #[test]
    fn a_host_of_eight_gibibytes_has_room_for_a_thousand() {
        let enough = u64::MAX;
        assert_eq!(environments_max(memory(8 << 30, 0, None), enough), 1_024);
        assert_eq!(environments_max(memory(256 << 20, 0, None), enough), 64);
        assert_eq!(environments_max(memory(1 << 40, 0, None), enough), 4_096);
        // Descriptors that are not there cannot be had by wishing.
        assert_eq!(environments_max(memory(8 << 30, 0, None), 30), 30);
    }

    #[test]
    fn a_host_is_short_when_little_is_left_or_much_is_waited_for() {
        assert!(!is_short(memory(16 << 30, 2 << 30, None)));
        assert!(is_short(memory(16 << 30, (1 << 30) - 1, None)));
        assert!(is_short(memory(16 << 30, (4 << 30) - 1, Some(20.0))));
        assert!(!is_short(memory(16 << 30, (4 << 30) - 1, Some(19.9))));
        // Waiting alone is brought about by one function at its own limit.
        assert!(!is_short(memory(16 << 30, 4 << 30, Some(100.0))));
    }
}
