//! Brings requests and environments together: a warm one if there is one, else a new one; never more than one request in
//! an environment, never another revision's environment.

use std::{sync::Arc, time::Duration};

use casemate_kernel::{Env, Fault};
use casemate_names::Arn;
use casemate_sandbox::Driver;
use tokio::sync::oneshot;

use crate::{
    Extras,
    api::{Error, ThrottleReason},
    environment::{Count, Environment, Host, NotStarted, Unfit, exit_text, start_report},
    function::Function,
    invocation::{Finished, Invocation, Outcome},
    packages::Packages,
    pool::Pool,
    refusal,
    resource::FunctionRef,
    streaming::Sink,
    throttle::{Slot, Throttle},
    version,
};

/// How long a start may take before it is begun again within the request's own time.
// AWS: 10 seconds (Lambda developer guide, "Execution environment lifecycle", init phase).
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// Environments in all, working or idle. Ours: bounds processes and memory of the host.
const ENVIRONMENTS_MAX: usize = 400;
/// How often idle environments are looked through.
const RECLAIM_EVERY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Invoker {
    env: Env,
    host: Result<Host, String>,
    pool: Pool,
    throttle: Throttle,
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
    /// Where a streamed answer goes, if whoever asks takes one.
    pub(crate) sink: Option<Sink>,
}

impl Invoker {
    pub(crate) fn new(env: &Env, extras: Extras, packages: Arc<Packages>) -> Self {
        let host = extras.driver.map(|driver| Host {
            env: env.clone(),
            driver,
            packages,
            serve_connection: extras.serve_connection,
            python_sdk: extras.python_sdk,
            templates: Arc::default(),
            environments: Count::default(),
        });
        Self { env: env.clone(), host, pool: Pool::default(), throttle: Throttle::default() }
    }

    /// The sandbox, where there is one.
    pub(crate) fn driver(&self) -> Option<&Driver> {
        self.host.as_ref().ok().map(|host| &host.driver)
    }

    /// Runs a request. It runs to its end even if nobody waits for it any more.
    pub(crate) async fn invoke(
        self: &Arc<Self>,
        function: Arc<Function>,
        request: Request,
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
        let account = function.arn.account_id().ok_or_else(|| Fault::broken("a function without account"))?;
        let slot = self
            .throttle
            .enter(&account, &function.unqualified(), function.reserved)
            .map_err(refusal::throttled)?;
        let (answer, finished) = oneshot::channel();
        let invoker = Arc::clone(self);
        drop(tokio::spawn(async move { invoker.work(host, function, request, slot, answer).await }));
        finished.await.map_err(|_| Fault::broken("a request's task ended without an answer"))?
    }

    async fn work(
        self: Arc<Self>,
        host: Host,
        function: Arc<Function>,
        request: Request,
        slot: Slot,
        answer: oneshot::Sender<Result<Finished, Error>>,
    ) {
        let invocation = self.invocation(request);
        while let Some(warm) = self.pool.take(&function, self.env.clock.now()) {
            if warm.wake().await
                && let Ok(finished) = warm.run(invocation.clone()).await
            {
                drop(answer.send(Ok(finished)));
                return self.put_back(warm, slot).await;
            }
        }
        let started = self.start(&host, &function).await;
        match started {
            Ok(environment) => {
                let environment = Arc::new(environment);
                match environment.run(invocation).await {
                    Ok(finished) => {
                        drop(answer.send(Ok(finished)));
                        self.put_back(environment, slot).await;
                    }
                    Err(Unfit) => {
                        drop(
                            answer
                                .send(Err(Fault::broken("a new environment did not take a request").into())),
                        );
                    }
                }
            }
            Err(reason) => drop(answer.send(not_started(&invocation.request_id, &function, reason))),
        }
    }

    async fn start(&self, host: &Host, function: &Arc<Function>) -> Result<Environment, NotStarted> {
        if host.environments.now() >= ENVIRONMENTS_MAX && !self.pool.evict() {
            return Err(NotStarted::Refused(refusal::throttled(
                ThrottleReason::ConcurrentInvocationLimitExceeded,
            )));
        }
        let started = host.start(Arc::clone(function), INIT_LIMIT).await;
        if matches!(started, Err(NotStarted::TimedOut(_))) {
            // AWS: begun again, now within the time of the request.
            let limit = Duration::from_secs(u64::from(function.settings.timeout_s));
            return host.start(Arc::clone(function), limit).await;
        }
        started
    }

    async fn put_back(&self, environment: Arc<Environment>, slot: Slot) {
        let ready = environment.settle().await;
        drop(slot);
        if ready && self.is_current(&environment.function) {
            self.pool.put(Arc::clone(&environment), self.env.clock.now());
            environment.freeze().await;
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
            sink: request.sink,
        }
    }

    /// A function has changed or is gone: its idle environments stop now, its working ones after their request.
    pub(crate) fn retire(&self, function: &Arn) {
        self.pool.retire(function);
    }

    /// Stops unused environments for as long as the kernel runs.
    pub(crate) async fn reclaim(&self) {
        while self.env.kernel().is_ok() {
            self.pool.reclaim(self.env.clock.now());
            tokio::time::sleep(RECLAIM_EVERY).await;
        }
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
    }
}
