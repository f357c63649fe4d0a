//! Starting an environment for a request or ahead of one: room for it first, then a template where its process can be
//! forked, else an ordinary one.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use casemate_sandbox::Family;
use tokio::{sync::oneshot, time::Instant};

use super::{Invoker, Work};
use crate::{
    api::ThrottleReason,
    controls::{Controls, REUSE, Reuse},
    environment::{Berth, EXTERNAL_LIMIT, Environment, Host, NotStarted, Order},
    fair::Grant,
    function::Function,
    pool::{Evicted, FitFor},
    process::Purpose,
    ready::{self, Start},
    refusal, snapshot,
};

/// How long a start may take before it is begun again within the request's own time.
// AWS: 10 seconds (Lambda developer guide, "Execution environment lifecycle", init phase).
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// How long one may take that no request waits for, which is provisioned or becomes a snapshot; or the function's timeout if
/// that is longer.
// AWS: "130 seconds or the configured function timeout (maximum 900 seconds), whichever is higher" (the same page).
const PROVISIONED_LIMIT: Duration = Duration::from_secs(130);
/// How long a request waits for room on a full host. Ours: AWS has room or refuses at once.
const ROOM_LIMIT: Duration = Duration::from_secs(10);
/// How long it waits for the room of one that gave way. Ours: its extensions' last two seconds, and what killing takes.
const GIVEN_WAY_LIMIT: Duration = EXTERNAL_LIMIT.saturating_add(Duration::from_millis(500));
/// Revisions remembered whose process cannot be forked; beyond it all are forgotten and found out again.
const UNFORKABLE_MAX: usize = 10_000;

impl Invoker {
    /// An environment for a request: a new one, or what another request of the function has finished with.
    pub(super) async fn start(&self, host: &Host, work: &Work) -> Result<Arc<Environment>, NotStarted> {
        let function = &work.function;
        let berth = match self.room(host, function).await? {
            Grant::Place(berth) => berth,
            // Handed on only where the request may follow on anybody.
            Grant::HandedOn(environment) => return Ok(environment),
        };
        let turn = match self.turn(work).await? {
            Some(Grant::HandedOn(environment)) => return Ok(environment),
            Some(Grant::Place(turn)) => Some(turn),
            None => None,
        };
        let begin = self.begin(host, function, work.reuse, Purpose::OnDemand, berth);
        let started = self.turns.start(turn, begin).await;
        // A process that waited for a function may have been used up.
        self.missing.notify_one();
        started
    }

    /// Room for an environment; idle ones give way, then the request waits for its function's turn.
    pub(super) async fn room(
        &self,
        host: &Host,
        function: &Function,
    ) -> Result<Grant<Arc<Environment>>, NotStarted> {
        let (until, size) = (Instant::now() + ROOM_LIMIT, ready::places_of(function));
        loop {
            if let Some(berth) = host.room.take(&function.arn, size) {
                return Ok(Grant::Place(berth));
            }
            // Where others have left it no room, theirs give way, too; where it has as many as it may, only its own.
            let own_only = host.room.has_its_most(&function.arn, size);
            let kept = |other: &str| {
                let spared = own_only && other != function.arn.as_str();
                if spared { usize::MAX } else { self.ready.kept(other) }
            };
            let limit = match self.pool.evict(kept) {
                Some(Evicted::Now) => continue,
                // One gives way, not all: its room comes in a moment. If somebody else gets it, another one does.
                Some(Evicted::Soon) => until.min(Instant::now() + GIVEN_WAY_LIMIT),
                None => until,
            };
            let waiting = host.room.wait(&function.arn, size, &function.revision_id);
            let mut granted = waiting.ok_or_else(too_many)?;
            let given = if let Ok(given) = tokio::time::timeout_at(limit, &mut granted).await {
                Some(given.map_err(|_| too_many())?)
            } else {
                // What was given just then is not lost.
                granted.close();
                granted.try_recv().ok()
            };
            match given {
                Some(Grant::HandedOn(environment)) if !environment.wake().await => drop(environment),
                Some(given) => return Ok(given),
                None => {}
            }
            if Instant::now() >= until {
                return Err(too_many());
            }
        }
    }

    /// A turn to start one, or what another request of the function has finished with meanwhile. `None`: it has waited long
    /// enough, and starts beside those whose turn it is.
    async fn turn(&self, work: &Work) -> Result<Option<Grant<Arc<Environment>>>, NotStarted> {
        let (function, line) = (&work.function, self.turns.line());
        let until = Instant::now() + self.turns.patience();
        loop {
            if let Some(turn) = line.take(&function.arn, 1) {
                return Ok(Some(Grant::Place(turn)));
            }
            let Some(mut granted) = line.wait(&function.arn, 1, &function.revision_id) else {
                return Ok(None);
            };
            // What became idle before this request stood in the line.
            let idle = self.pool.take(function, work.wanted(), self.env.clock.now());
            let granted = if let Some(idle) = idle {
                self.leave(work, granted).await;
                Grant::HandedOn(idle)
            } else if let Ok(granted) = tokio::time::timeout_at(until, &mut granted).await {
                granted.map_err(|_| too_many())?
            } else {
                self.leave(work, granted).await;
                return Ok(None);
            };
            match granted {
                Grant::HandedOn(environment) if !environment.wake().await => drop(environment),
                granted => return Ok(Some(granted)),
            }
        }
    }

    /// Waits no more. What was handed on just then is put where others find it.
    async fn leave(&self, work: &Work, mut granted: oneshot::Receiver<Grant<Arc<Environment>>>) {
        granted.close();
        if let Ok(Grant::HandedOn(environment)) = granted.try_recv() {
            // Of others only those are handed on that have served nobody.
            let used = work.reuse == Reuse::Warm && !environment.is_template();
            let fit_for = if used { FitFor::Reuse } else { FitFor::Everybody };
            self.rest(&environment, fit_for, None).await;
        }
        drop(granted);
        self.turns.line().leave(&work.function.arn);
    }

    async fn begin(
        &self,
        host: &Host,
        function: &Arc<Function>,
        reuse: Reuse,
        purpose: Purpose,
        mut berth: Berth,
    ) -> Result<Arc<Environment>, NotStarted> {
        if snapshot::is_of(function) {
            return self.begin_snapshot(host, function, berth).await;
        }
        let mut remark = None;
        if reuse == Reuse::PerInvocation
            && host.family(function) == Some(Family::Python)
            && host.forks(function)
            && self.is_forkable(function)
        {
            match host.start(order(function, Purpose::Template, INIT_LIMIT, berth, None)).await {
                Ok(environment) => return Ok(Arc::new(environment)),
                Err(NotStarted::Unforkable(why)) => {
                    self.note_unforkable(function);
                    remark = Some(format!("{REUSE}: each request gets a new environment, not a fork: {why}"));
                    berth = match self.room(host, function).await? {
                        Grant::Place(berth) => berth,
                        Grant::HandedOn(environment) => return Ok(environment),
                    };
                }
                Err(other) => return Err(other),
            }
        }
        let limit = init_limit(function, purpose);
        let started = host.start(order(function, purpose, limit, berth, remark)).await;
        if matches!(started, Err(NotStarted::TimedOut(_))) && purpose != Purpose::Provisioned {
            // AWS: begun again, now within the time of the request.
            let limit = Duration::from_secs(u64::from(function.settings.timeout_s));
            let berth = match self.room(host, function).await? {
                Grant::Place(berth) => berth,
                Grant::HandedOn(environment) => return Ok(environment),
            };
            return host.start(order(function, purpose, limit, berth, None)).await.map(Arc::new);
        }
        started.map(Arc::new)
    }

    fn note_unforkable(&self, function: &Function) {
        let mut all = self.unforkable.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= UNFORKABLE_MAX {
            all.clear();
        }
        all.insert(function.revision_id.clone());
    }

    /// Starts what is to be ready ahead of requests.
    pub(super) fn start_missing(self: &Arc<Self>) {
        let Ok(host) = &self.host else { return };
        let stocked = host.clone();
        drop(tokio::spawn(async move { stocked.stock_up().await }));
        let missing = self.ready.missing(
            self.env.clock.now(),
            |function| host.room.held(&function.arn),
            |function| self.at_hand(function),
        );
        for Start { function, purpose } in missing {
            let (invoker, host) = (Arc::clone(self), host.clone());
            drop(tokio::spawn(async move {
                let started = invoker.start_ahead(&host, &function, purpose).await;
                invoker.ready.started(&function.arn);
                invoker.stock.changed();
                if started {
                    // The next; what failed is tried again at the next look, not at once.
                    invoker.missing.notify_one();
                }
            }));
        }
    }

    /// Only where there is room: what is started ahead drives nobody away. `false`: nothing was started.
    pub(super) async fn start_ahead(&self, host: &Host, function: &Arc<Function>, purpose: Purpose) -> bool {
        // What may not be invoked, such as a version whose snapshot is being made, is not got ready either.
        if function.state.check().is_err() {
            return false;
        }
        let variables = function.settings.variables.clone().unwrap_or_default();
        let Ok(controls) = Controls::of(&variables) else { return false };
        let size = ready::places_of(function);
        // What could not be kept would be started again and again.
        if self.pool.is_closed() {
            return false;
        }
        let Some(berth) = host.room.take(&function.arn, size) else { return false };
        let Ok(environment) = self.begin(host, function, controls.reuse, purpose, berth).await else {
            return false;
        };
        if !self.is_current(function) {
            return false;
        }
        environment.await_request();
        self.rest(&environment, FitFor::Everybody, None).await;
        true
    }
}

/// More wait already than may.
fn too_many() -> NotStarted {
    NotStarted::Refused(refusal::throttled(ThrottleReason::ConcurrentInvocationLimitExceeded))
}

fn init_limit(function: &Function, purpose: Purpose) -> Duration {
    if purpose == Purpose::Provisioned { unhurried(function) } else { INIT_LIMIT }
}

/// How long a start may take that no request waits for.
pub(super) fn unhurried(function: &Function) -> Duration {
    PROVISIONED_LIMIT.max(Duration::from_secs(u64::from(function.settings.timeout_s)))
}

pub(super) fn order(
    function: &Arc<Function>,
    purpose: Purpose,
    limit: Duration,
    berth: Berth,
    remark: Option<String>,
) -> Order {
    Order { function: Arc::clone(function), purpose, limit, berth, remark }
}
