//! Brings requests and environments together: an idle one that may follow on what it has served, else a new one; never more
//! than one request in an environment, never another revision's environment.
//!
//! Where the host has no room, an idle environment of any function gives way; where there is none, requests wait, and
//! functions get what comes free in turn, as they get turns to start one.

mod after;
mod idle;
mod snapshot;
mod start;
mod stock;
mod turns;
mod upkeep;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use casemate_kernel::{Env, Fault};
use casemate_names::Arn;
use casemate_sandbox::{Driver, HostMemory, environments_by_descriptors};
use tokio::{sync::Notify, time::Instant};

use idle::Uses;
use snapshot::Making;
use stock::Stock;
use turns::Turns;

use crate::{
    Extras,
    api::Error,
    controls::{Controls, Reuse},
    environment::{Environment, Host, NotRestored, NotRun, NotStarted, Room, exit_text, start_report},
    farewells::Working,
    function::{Function, reserved_in_all},
    invocation::{Finished, Invocation, Outcome},
    lasting::Lasting,
    machines::Machines,
    packages::Packages,
    pool::{FitFor, Pool, Wanted},
    ready::{self, Ready},
    refusal,
    resource::{FunctionRef, functions_key},
    returning::{Coming, Returning},
    streaming::Sink,
    throttle::{Slot, Throttle},
    version,
};

/// Environments tried for one request.
const STARTS_MAX: usize = 3;
/// Environments in all where the host does not tell what it has.
const ENVIRONMENTS_MAX: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Invoker {
    env: Env,
    host: Result<Host, String>,
    pool: Pool,
    throttle: Throttle,
    ready: Ready,
    returning: Returning,
    /// Told when environments may be missing.
    missing: Notify,
    /// Revisions of functions whose process cannot be forked.
    unforkable: Mutex<BTreeSet<String>>,
    machines: Machines,
    /// The snapshots that are being made.
    making: Making,
    /// Requests that wait for a template.
    stock: Stock,
    /// Turns for starts that requests wait for.
    turns: Turns,
    uses: Uses,
}

/// A request before it is bound to an environment.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) id: String,
    /// The ARN that was asked for.
    pub(crate) invoked: Arn,
    pub(crate) payload: bytes::Bytes,
    pub(crate) client_context: Option<String>,
    /// Its trace header; empty: none.
    pub(crate) trace: String,
    /// For whom it is, see [`crate::principal`].
    pub(crate) principal: Option<String>,
    /// Where a streamed answer goes, if whoever asks takes one.
    pub(crate) sink: Option<Sink>,
}

/// The place a request takes, and the server's end that waits until its environment is put back.
type Open = (Slot, Working);

/// An environment that has served a request.
struct Served {
    environment: Arc<Environment>,
    fit_for: Option<FitFor>,
    coming: Option<Coming>,
    open: Open,
}

/// A request on its way.
#[derive(Debug)]
struct Work {
    function: Arc<Function>,
    reuse: Reuse,
    principal: Option<String>,
    /// Does whoever asked want the end of its log?
    with_log: bool,
    invocation: Invocation,
}

impl Work {
    fn wanted(&self) -> Wanted<'_> {
        match (self.reuse, &self.principal) {
            (Reuse::Warm, _) => Wanted::Any,
            (Reuse::PerPrincipal, Some(principal)) => Wanted::Of(principal),
            // Nobody known shares with nobody.
            (Reuse::PerPrincipal, None) | (Reuse::PerInvocation, _) => Wanted::Fresh,
        }
    }

    /// Whom the environment may serve afterwards; `None`: nobody.
    fn fit_for_after(&self, environment: &Environment) -> Option<FitFor> {
        match (self.reuse, &self.principal) {
            _ if environment.is_template() => Some(FitFor::Everybody),
            (Reuse::Warm, _) => Some(FitFor::Reuse),
            (Reuse::PerPrincipal, Some(principal)) => Some(FitFor::Principal(principal.clone())),
            (Reuse::PerPrincipal, None) | (Reuse::PerInvocation, _) => None,
        }
    }
}

impl Invoker {
    pub(crate) fn new(env: &Env, extras: Extras, packages: Arc<Packages>) -> Self {
        let places_max = match (HostMemory::now(), environments_by_descriptors()) {
            (Ok(memory), Ok(descriptors)) => ready::environments_max(memory, descriptors),
            _ => ENVIRONMENTS_MAX,
        };
        let host = extras.driver.map(|driver| Host {
            env: env.clone(),
            driver,
            packages,
            serve_connection: extras.serve_connection,
            python_sdk: extras.python_sdk,
            templates: Arc::default(),
            room: Room::new(places_max),
            blanks: Arc::default(),
            machines: Machines::default(),
            farewells: extras.farewells,
        });
        Self {
            env: env.clone(),
            host,
            pool: Pool::default(),
            throttle: Throttle::default(),
            ready: Ready::default(),
            returning: Returning::default(),
            missing: Notify::new(),
            unforkable: Mutex::default(),
            machines: Machines::default(),
            making: Making::default(),
            stock: Stock::default(),
            turns: Turns::default(),
            uses: Uses::default(),
        }
    }

    /// The same with virtual machines.
    pub(crate) fn with_machines(mut self, machines: Machines) -> Self {
        if let Ok(host) = &mut self.host {
            host.machines = machines.clone();
        }
        self.machines = machines;
        self
    }

    /// Who runs in a virtual machine.
    pub(crate) fn machines(&self) -> &Machines {
        &self.machines
    }

    /// The sandbox, where there is one.
    pub(crate) fn driver(&self) -> Option<&Driver> {
        self.host.as_ref().ok().map(|host| &host.driver)
    }

    /// Environments this host has room for, and how many of them one function can have.
    pub(crate) fn places(&self) -> (usize, usize) {
        self.host.as_ref().map_or((ENVIRONMENTS_MAX, ENVIRONMENTS_MAX), |host| host.room.places())
    }

    /// Runs a request. It runs to its end even if nobody waits for it any more.
    pub(crate) async fn invoke(
        self: &Arc<Self>,
        function: Arc<Function>,
        request: Request,
    ) -> Result<Finished, Error> {
        self.invoke_logged(function, request, false).await
    }

    /// The same; where `with_log`, with the end of its log, for which the answer waits.
    pub(crate) async fn invoke_logged(
        self: &Arc<Self>,
        function: Arc<Function>,
        request: Request,
        with_log: bool,
    ) -> Result<Finished, Error> {
        let host = match &self.host {
            Ok(host) => host.clone(),
            // INVARIANT: never without a sandbox.
            Err(why) => {
                return Err(Error::service_exception(format!(
                    "functions cannot be run on this host, there is no sandbox: {why}"
                )));
            }
        };
        self.make_again(&function).await.map_err(Fault::from)?;
        function.state.check()?;
        let variables = function.settings.variables.clone().unwrap_or_default();
        let controls = Controls::of(&variables).map_err(Error::service_exception)?;
        let slot = self.entered(&function).await?;
        let work = Work {
            reuse: controls.reuse,
            principal: request.principal.clone(),
            with_log,
            invocation: self.invocation(request),
            function,
        };
        Lasting::new(Arc::clone(self).work(host, work, slot)).await
    }

    /// A place among the requests that run, or one that is free in a moment: an environment counts until it is back, which is
    /// a little after its answer, and who asks again at once is not throttled for that.
    async fn entered(&self, function: &Function) -> Result<Slot, Error> {
        let since = Instant::now();
        loop {
            let entered = self.enter(function);
            if entered.is_ok() || !self.returning.wait(&function.arn, since).await {
                // It may have come back just before it would have been waited for.
                return entered.or_else(|_| self.enter(function));
            }
        }
    }

    fn enter(&self, function: &Function) -> Result<Slot, Error> {
        let at =
            FunctionRef::of_arn(&function.arn).ok_or_else(|| Fault::broken("a function without place"))?;
        let set_aside = || {
            let all =
                self.env.store.read(|tx| tx.scan::<Function>(&functions_key(&at.scope), None, usize::MAX))?;
            Ok::<_, Error>(reserved_in_all(all.iter().map(|(_, function)| function)))
        };
        let entered =
            self.throttle.enter(&at.scope.account, &function.unqualified(), function.reserved, set_aside)?;
        entered.map_err(refusal::throttled)
    }

    async fn work(self: Arc<Self>, host: Host, work: Work, slot: Slot) -> Result<Finished, Error> {
        let mut open = (slot, host.farewells.work());
        while let Some(idle) = self.idle(&work).await {
            self.note_used(&work, &idle);
            if idle.wake().await {
                match self.serve(&host, idle, &work, open).await {
                    Ok(answer) => return answer,
                    Err(still) => open = still,
                }
            }
        }
        // What was handed on may end just then; a new environment does not.
        for _ in 0..STARTS_MAX {
            let environment = match self.started(&host, &work).await {
                Ok(environment) => environment,
                Err(reason) => return not_started(&work.invocation.request_id, &work.function, reason),
            };
            self.note_used(&work, &environment);
            match self.serve(&host, environment, &work, open).await {
                Ok(answer) => return answer,
                Err(still) => open = still,
            }
        }
        Err(Fault::broken("a new environment did not take a request").into())
    }

    /// Has an environment run the request; what it could not run it gives back.
    async fn serve(
        self: &Arc<Self>,
        host: &Host,
        environment: Arc<Environment>,
        work: &Work,
        open: Open,
    ) -> Result<Result<Finished, Error>, Open> {
        let outcome = match environment.restore().await {
            Ok(()) => match environment.run(work.invocation.clone(), work.with_log).await {
                Ok(finished) => Ok(finished),
                Err(NotRun::Unfit) => return Err(open),
                Err(NotRun::Lost) => Err(refusal::lost()),
            },
            Err(NotRestored::Gone) => return Err(open),
            Err(NotRestored::NotStarted(reason)) => {
                not_started(&work.invocation.request_id, &work.function, reason)
            }
        };
        let (coming, fit_for) = (self.coming(work, &environment), work.fit_for_after(&environment));
        let (invoker, host) = (Arc::clone(self), host.clone());
        let served = Served { environment, fit_for, coming, open };
        // Whoever asked does not wait for it.
        drop(tokio::spawn(async move { invoker.put_back(&host, served).await }));
        Ok(outcome)
    }

    /// An idle environment for the request, or one that is idle in a moment.
    async fn idle(&self, work: &Work) -> Option<Arc<Environment>> {
        let since = Instant::now();
        loop {
            let found = self.pool.take(&work.function, work.wanted(), self.env.clock.now());
            if found.is_some() || !self.returning.wait(&work.function.arn, since).await {
                return found;
            }
        }
    }

    /// Has the function not been changed or deleted meanwhile?
    fn is_current(&self, function: &Function) -> bool {
        let Some(at) = FunctionRef::of_arn(&function.arn) else { return false };
        let found = self.env.store.read(|tx| version::resolve(tx, &at, None));
        found.ok().flatten().is_some_and(|found| found.revision_id == function.revision_id)
    }

    fn invocation(&self, request: Request) -> Invocation {
        Invocation {
            request_id: request.id,
            invoked: request.invoked,
            payload: request.payload,
            client_context: request.client_context,
            trace_id: request.trace,
            deadline: self.env.clock.now(),
            restored: None,
            sink: request.sink,
        }
    }

    /// Can a process of this revision be forked, as far as is known?
    fn is_forkable(&self, function: &Function) -> bool {
        !self.unforkable.lock().unwrap_or_else(PoisonError::into_inner).contains(&function.revision_id)
    }
}

/// What a caller gets whose request found no environment: an answer where the function is to blame, else an error.
fn not_started(request_id: &str, function: &Function, reason: NotStarted) -> Result<Finished, Error> {
    match reason {
        NotStarted::Refused(error) => Err(error),
        NotStarted::Reported(report, tail) => {
            Ok(Finished { outcome: start_report(request_id, &report), tail })
        }
        NotStarted::Exited(exit, tail) => {
            Ok(Finished { outcome: Outcome::exited(request_id, &exit_text(exit)), tail })
        }
        NotStarted::TimedOut(tail) => {
            Ok(Finished { outcome: Outcome::timed_out(request_id, function.settings.timeout_s), tail })
        }
        NotStarted::Unforkable(why) => Err(Fault::broken(why).into()),
    }
}

#[cfg(test)]
pub(crate) mod tests;
