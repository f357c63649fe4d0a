//! One execution environment: a sandbox that runs one revision of one function under its execution role.
//!
//! ```text
//!   start ──first next──▶ ready ──request──▶ working ──answer and next──▶ ready ──▶ frozen ──▶ ready …
//!     │                                         │
//!     └── report, exit, 10 s ──▶ over ◀── time-out, exit, no next in time; credentials end; function changed; unused
//! ```
//! "Over" is final: the process is killed and the role's credentials are revoked. Whatever happens, they go with the value.

mod assembly;
mod ending;
mod extensions;
mod fork;
mod image;
mod initialised;
mod late;
mod machine;
mod renewal;
mod root;
mod snapshot;
mod start;
mod witness;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use casemate_kernel::{Decoy, Env, SessionCredentials};
use casemate_names::Timestamp;
use casemate_sandbox::{Exit, ExitStatus};
use tokio::{sync::Notify, task::JoinHandle, time::Instant};

pub(crate) use ending::EXTERNAL_LIMIT;
pub(crate) use late::Late;
pub(crate) use machine::unix_ns;
pub(crate) use snapshot::NotRestored;
pub(crate) use start::{Host, NotStarted, Order, log_stream};

use snapshot::Snapshot;

use crate::{
    credentials::Endpoint,
    event::{self, Attribution},
    exchange::Exchange,
    extensions::{Extensions, Fault, Invoke, Reason},
    fair::{Fair, Place},
    farewells::Farewells,
    forking::Forks,
    function::Function,
    invocation::{Finished, Invocation, Outcome},
    isolate::Isolate,
    output::Output,
    packages::Folder,
    platform::{Note, Status},
    report::{self, Used},
    restored::Restored,
    telemetry::Telemetry,
    variables_key::Access,
};

/// How long after an answer it is waited that the runtime asks for its next request: output and measurements are then
/// complete. Only who asked for the log waits with it.
const SETTLE: Duration = Duration::from_millis(50);

/// Credentials must outlive a request by this much, seconds.
const CREDENTIALS_MARGIN_S: i64 = 60;

/// See the module.
#[derive(Debug)]
pub(crate) struct Environment {
    /// What it runs.
    pub(crate) function: Arc<Function>,
    /// What its credentials are bound to.
    id: String,
    held: Mutex<Held>,
    env: Env,
    sandbox: Arc<Isolate>,
    exchange: Arc<Exchange>,
    extensions: Arc<Extensions>,
    telemetry: Arc<Telemetry>,
    /// Why it ends, for extensions.
    ending: Mutex<Reason>,
    /// When the time of the last request is over.
    deadline: Mutex<Option<Instant>>,
    output: Output,
    attribution: Attribution,
    /// How long the start took, until a request has reported it.
    init: Mutex<Option<Duration>>,
    /// A request that has been answered and not yet reported.
    unreported: Mutex<Option<Unreported>>,
    busy: AtomicBool,
    /// Told to a freezing that is still under way.
    wanted: Notify,
    /// Whether it is, or may be, frozen.
    frozen: tokio::sync::Mutex<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// Where there is a template: each request runs in a child of it.
    forks: Option<Arc<Forks>>,
    /// Where its processes fetch their credentials, if not from their variables.
    endpoint: Option<Arc<Endpoint>>,
    /// How many left-over processes have been ended.
    strays: AtomicUsize,
    /// What the package, a layer or the image brings as its runtime; empty where the host has it.
    program: String,
    /// Where it begins from a snapshot.
    snapshot: Option<Snapshot>,
    /// What its process is told with the first request, if it goes on from a machine's template.
    restored: Mutex<Option<Arc<Restored>>>,
    /// Whether its processes may have what a key hides.
    access: Access,
    folders: Vec<Arc<Folder>>,
    berth: Option<Berth>,
    /// Known as long as it lies here.
    decoy: Option<Decoy>,
    /// Turns for environments that end with a word to their extensions.
    farewells: Farewells,
}

/// Room for environments on this host.
pub(crate) type Room = Fair<Arc<Environment>>;

/// Room for one of them.
pub(crate) type Berth = Place<Arc<Environment>>;

/// What an environment's processes may speak as.
#[derive(Debug)]
struct Held {
    access_key_id: Option<String>,
    end: Timestamp,
}

impl Held {
    /// Without credentials it has none to lose.
    fn of(credentials: Option<SessionCredentials>) -> Self {
        match credentials {
            Some(held) => Self { access_key_id: Some(held.access_key_id), end: held.expires_at },
            None => Self { access_key_id: None, end: Timestamp::from_millis(0) },
        }
    }
}

/// The environment cannot take a request: it ended while it was idle.
#[derive(Debug)]
pub(crate) struct Unfit;

/// A request whose answer went out before the log was complete.
#[derive(Debug)]
struct Unreported {
    request_id: String,
    trace_id: String,
    duration: Duration,
    status: Status,
    /// Whether nothing of its output is still to come.
    complete: bool,
}

/// How a request went, seen from the environment.
enum End {
    Answered(Outcome),
    Exited(Exit),
    ExtensionFailed(Fault),
    TimedOut,
}

/// An environment in which more left-over processes had to be ended is not used again: what ended without its parent's
/// notice still counts as a process.
const STRAYS_MAX: usize = 64;

impl Environment {
    /// When its credentials end.
    pub(crate) fn credentials_end(&self) -> Timestamp {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).end
    }

    /// Is it of exactly this revision, and good for a whole request more?
    pub(crate) fn fits(&self, function: &Function, now: Timestamp) -> bool {
        let needed = now.plus_seconds(i64::from(function.settings.timeout_s) + CREDENTIALS_MARGIN_S);
        self.function.arn == function.arn
            && self.function.revision_id == function.revision_id
            // What is restored gets new ones for each request.
            && (self.is_snapshot() || self.credentials_end() > needed)
    }

    /// Does each request run in a process that has served no other?
    pub(crate) fn is_template(&self) -> bool {
        self.forks.is_some() && self.snapshot.as_ref().is_none_or(|snapshot| snapshot.once)
    }

    /// Runs one request. Whoever wants the end of its log waits until that is written. Afterwards [`Self::conclude`] completes
    /// the log, and [`Self::settle`] says whether the environment can take another request.
    pub(crate) async fn run(&self, mut invocation: Invocation, with_log: bool) -> Result<Finished, Unfit> {
        let (id, settings) = (invocation.request_id.clone(), &self.function.settings);
        let trace_id = invocation.trace_id.clone();
        let limit = Duration::from_secs(u64::from(settings.timeout_s));
        if !self.renew_credentials().await {
            return Err(Unfit);
        }
        let failed = self.extensions.fault();
        // What is not ready leaves no line of a request that another environment serves.
        if failed.is_none() && !self.is_ready() {
            return Err(Unfit);
        }
        invocation.deadline = self.env.clock.now().plus_seconds(i64::from(settings.timeout_s));
        // Known before it begins, so that its first event finds it.
        self.attribution.begin(self.sandbox.invocations() + 1, &id);
        self.sandbox.begin_invocation().await;
        self.output.begin(&Note::start(&id, self.function.version, &trace_id));
        if let Some(fault) = failed {
            // It was ready, and an extension has failed since: as if it had at the request's beginning.
            return Ok(self.finish((&id, &trace_id), End::ExtensionFailed(fault), Duration::ZERO).await);
        }
        let began = Instant::now();
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Some(began + limit);
        let told = Invoke {
            request_id: id.clone(),
            invoked: invocation.invoked.clone(),
            trace_id: trace_id.clone(),
            deadline: invocation.deadline,
        };
        invocation.restored = self.restored.lock().unwrap_or_else(PoisonError::into_inner).take();
        // In this order: what the runtime has been offered it works on.
        if !self.extensions.invoke(told) || !self.exchange.offer(invocation) {
            return Err(self.given_up((&id, &trace_id), began.elapsed()).await);
        }
        let end = tokio::select! {
            biased;
            outcome = self.exchange.outcome() => End::Answered(outcome),
            exit = self.sandbox.exited() => End::Exited(exit),
            exit = self.child_ended() => End::Exited(exit),
            fault = self.extension_failed() => End::ExtensionFailed(fault),
            () = tokio::time::sleep(limit) => End::TimedOut,
        };
        let duration = began.elapsed().min(limit);
        // From here on an answer comes too late.
        self.exchange.close(&id);
        let end = match end {
            // Credentials that are fetched are over before the answer is given.
            End::Answered(outcome) if !with_log && self.endpoint.is_none() => {
                let complete = self.is_complete(&outcome);
                let status = status_of(&outcome);
                let unreported = Unreported { request_id: id, trace_id, duration, status, complete };
                *self.unreported.lock().unwrap_or_else(PoisonError::into_inner) = Some(unreported);
                return Ok(Finished { outcome, tail: Vec::new() });
            }
            other => other,
        };
        if let End::Answered(outcome) = &end
            && !self.is_complete(outcome)
        {
            drop(tokio::time::timeout(SETTLE, self.over()).await);
        }
        let finished = self.finish((&id, &trace_id), end, duration).await;
        if self.endpoint.is_some() && !self.end_credentials().await {
            self.sandbox.kill();
        }
        Ok(finished)
    }

    /// Has ended between START and the request: what was begun in its log is ended. The request is another environment's.
    pub(crate) async fn given_up(&self, ids: (&str, &str), after: Duration) -> Unfit {
        drop(self.report(ids, after, ((Status::Error, None), Vec::new())).await);
        Unfit
    }

    async fn finish(&self, (id, trace_id): (&str, &str), end: End, duration: Duration) -> Finished {
        let (mut notes, timeout_s) = (Vec::new(), self.function.settings.timeout_s);
        let (outcome, status) = match end {
            End::Answered(outcome) => {
                let status = status_of(&outcome);
                (outcome, (status, None))
            }
            End::Exited(exit) => {
                self.witness_exit(Some(id), exit);
                let how = exit_text(exit);
                notes.push(Note::fault(report::exited(id, &how)));
                self.ends_for(Reason::Failure);
                (Outcome::exited(id, &how), (Status::Error, Some("Runtime.ExitError")))
            }
            End::ExtensionFailed(fault) => {
                notes.push(Note::fault(fault.line(id)));
                self.ends_for(Reason::Failure);
                self.end_runtime().await;
                (fault.outcome(id), (Status::Error, Some(fault.kind())))
            }
            End::TimedOut => {
                self.witness_time_over(Some(id));
                self.ends_for(Reason::Timeout);
                // A machine cannot be asked any more afterwards; it remembers what it said last.
                self.sandbox.usage().await;
                self.stop_working().await;
                notes.push(Note::fault(report::timed_out(id, self.env.clock.now(), timeout_s)));
                (Outcome::timed_out(id, timeout_s), (Status::Timeout, None))
            }
        };
        let tail = self.report((id, trace_id), duration, (status, notes)).await;
        Finished { outcome, tail }
    }

    /// Has all been written with the answer? A template's child has then nothing left to do; of a failure it may still tell.
    fn is_complete(&self, outcome: &Outcome) -> bool {
        self.is_template() && matches!(outcome, Outcome::Answer(_))
    }

    /// Completes the log of a request that was answered first.
    pub(crate) async fn conclude(&self) {
        let unreported = self.unreported.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Unreported { request_id, trace_id, duration, status, complete }) = unreported {
            if !complete {
                drop(tokio::time::timeout(SETTLE, self.over()).await);
            }
            drop(self.report((&request_id, &trace_id), duration, ((status, None), Vec::new())).await);
        }
    }

    /// The last lines of a request; answers with the end of its log.
    async fn report(
        &self,
        (id, trace_id): (&str, &str),
        duration: Duration,
        (status, mut notes): ((Status, Option<&'static str>), Vec<Note>),
    ) -> Vec<u8> {
        let memory_mb = self.function.settings.memory_mb;
        let usage = self.sandbox.usage().await;
        let used = Used {
            duration,
            init: self.init.lock().unwrap_or_else(PoisonError::into_inner).take(),
            restore: self.take_restore(),
            memory_mb,
            // The group's peak also counts `/tmp` and what the kernel itself needs for it.
            memory_peak_bytes: usage.memory_peak_bytes.min(u64::from(memory_mb) << 20),
            status: status.0.reported(),
        };
        notes.push(Note::runtime_done(id, duration, status, trace_id));
        notes.push(Note::report(id, &used, status, trace_id));
        self.output.end(&notes)
    }

    /// Waits, at most for what is left of the function's time, until the runtime asks for its next request. `false`: the
    /// environment is over.
    pub(crate) async fn settle(&self) -> bool {
        let settled = if self.is_snapshot() {
            self.settle_snapshot().await
        } else if self.is_template() {
            self.wipe().await
        } else {
            self.finished_in_time().await && self.end_strays().await
        };
        self.attribution.end();
        self.busy.store(false, Ordering::SeqCst);
        settled
    }

    /// Ends the processes that a request has left behind. `false`: the environment must not be used again.
    async fn end_strays(&self) -> bool {
        let Ok(ended) = self.sandbox.end_strays().await else { return false };
        self.strays.fetch_add(ended, Ordering::SeqCst).saturating_add(ended) <= STRAYS_MAX
    }

    /// The runtime, and the extensions within the time of the request.
    async fn finished_in_time(&self) -> bool {
        let limit = Duration::from_secs(u64::from(self.function.settings.timeout_s));
        if !self.has_extensions() {
            return tokio::time::timeout(limit, self.next_or_exit()).await.unwrap_or(false);
        }
        let finished = async {
            if !self.next_or_exit().await {
                return false;
            }
            tokio::select! {
                biased;
                () = self.extensions.idle() => true,
                _ = self.extension_failed() => false,
                _ = self.sandbox.exited() => false,
            }
        };
        let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        // AWS: what extensions do after the runtime counts as part of the request.
        match tokio::time::timeout_at(deadline.unwrap_or_else(|| Instant::now() + limit), finished).await {
            Ok(true) => true,
            Ok(false) => {
                self.ends_for(Reason::Failure);
                false
            }
            Err(_) => {
                self.ends_for(Reason::Timeout);
                false
            }
        }
    }

    async fn next_or_exit(&self) -> bool {
        tokio::select! {
            biased;
            _ = self.sandbox.exited() => false,
            _ = self.child_ended() => false,
            waiting = self.exchange.waiting() => waiting.is_ok(),
        }
    }

    /// Stops every process of the environment until [`Self::wake`]; not if a request came first.
    pub(crate) async fn freeze(&self) {
        let mut frozen = self.frozen.lock().await;
        let mut wanted = std::pin::pin!(self.wanted.notified());
        // From here on no call for it is missed.
        wanted.as_mut().enable();
        if self.busy.load(Ordering::SeqCst) || *frozen {
            return;
        }
        *frozen = true;
        self.telemetry.set_running(false);
        tokio::select! {
            biased;
            () = wanted => {}
            done = self.sandbox.freeze() => if done.is_err() {
                // What cannot be stopped is ended.
                self.sandbox.kill();
            },
        }
    }

    /// It was started ahead of any request: what happens in it belongs to none, and it may be frozen.
    pub(crate) fn await_request(&self) {
        self.attribution.end();
        self.access.forget();
        self.busy.store(false, Ordering::SeqCst);
    }

    /// Lets the environment work again. `false` when it cannot.
    pub(crate) async fn wake(&self) -> bool {
        self.busy.store(true, Ordering::SeqCst);
        self.wanted.notify_waiters();
        let mut frozen = self.frozen.lock().await;
        // Not woken even for a moment: what ends it lets the template alone run again.
        let old = self.has_old_child();
        if *frozen {
            if !old && self.sandbox.thaw().await.is_err() {
                return false;
            }
            self.telemetry.set_running(true);
            *frozen = false;
        }
        if old {
            return self.begin_again().await;
        }
        if self.is_over().await {
            return false;
        }
        if self.is_unrestored() {
            return true;
        }
        if self.is_childless().await {
            // It died before it was frozen, and takes no request.
            return self.begin_again().await;
        }
        self.is_ready()
    }

    /// Has the child ended that was to wait for a request?
    pub(crate) async fn is_childless(&self) -> bool {
        let Some(forks) = &self.forks else { return false };
        tokio::select! {
            biased;
            _ = forks.ended() => true,
            () = std::future::ready(()) => false,
        }
    }

    /// Has its process ended, whether or not anybody has noticed?
    pub(crate) async fn is_over(&self) -> bool {
        tokio::select! {
            biased;
            _ = self.sandbox.exited() => true,
            () = std::future::ready(()) => false,
        }
    }

    /// Does everything in it wait for a request?
    fn is_ready(&self) -> bool {
        self.exchange.is_waiting() && self.extensions.is_idle()
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        if let Some(farewell) = self.farewell() {
            drop(tokio::spawn(farewell.say()));
            return;
        }
        self.sandbox.kill();
        for task in &self.tasks {
            task.abort();
        }
        self.revoke();
    }
}

/// How a request ended that the function answered.
fn status_of(outcome: &Outcome) -> Status {
    match outcome {
        Outcome::Answer(_) => Status::Success,
        Outcome::Failure(_) => Status::Failure,
    }
}

/// How a process ended.
// AWS: the texts of Runtime.ExitError.
pub(crate) fn exit_text(exit: Exit) -> String {
    match exit.status {
        ExitStatus::Signal(_) if exit.out_of_memory => "Runtime exited with error: signal: killed".to_owned(),
        ExitStatus::Code(0) | ExitStatus::Unknown => "Runtime exited without providing a reason".to_owned(),
        ExitStatus::Code(code) => format!("Runtime exited with error: exit status {code}"),
        ExitStatus::Signal(signal) => match event::signal_name(signal) {
            Some(name) => format!("Runtime exited with error: signal: {name}"),
            None => format!("Runtime exited with error: signal {signal}"),
        },
    }
}

/// The report of a runtime that could not start, as its caller gets it.
pub(crate) fn start_report(request_id: &str, report: &Bytes) -> Outcome {
    let mut value: serde_json::Value = serde_json::from_slice(report).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        let of = |name: &str| fields.get(name).and_then(|value| value.as_str());
        // AWS: the platform's own reports name the request in the text.
        let is_platforms = |kind: &str| kind == "Runtime.InvalidEntrypoint" || kind.starts_with("Extension.");
        if let (true, Some(text)) = (of("errorType").is_some_and(is_platforms), of("errorMessage")) {
            let text = format!("RequestId: {request_id} {text}");
            fields.insert("errorMessage".to_owned(), text.into());
        }
        if fields.contains_key("requestId") {
            fields.insert("requestId".to_owned(), request_id.into());
        }
        return Outcome::Failure(value.to_string().into());
    }
    Outcome::Failure(report.clone())
}

#[cfg(test)]
mod tests {
    use casemate_sandbox::Usage;

    use super::*;

    fn exit(status: ExitStatus) -> Exit {
        Exit { status, out_of_memory: false, usage: Usage::default() }
    }

    #[test]
    fn exits_read_as_awss() {
        assert_eq!(exit_text(exit(ExitStatus::Code(1))), "Runtime exited with error: exit status 1");
        assert_eq!(exit_text(exit(ExitStatus::Code(0))), "Runtime exited without providing a reason");
        assert_eq!(
            exit_text(exit(ExitStatus::Signal(11))),
            "Runtime exited with error: signal: segmentation fault"
        );
        assert_eq!(exit_text(exit(ExitStatus::Signal(9))), "Runtime exited with error: signal: killed");
    }

    #[test]
    fn a_start_report_is_given_the_request_it_failed() {
        let report =
            Bytes::from_static(br#"{"errorMessage":"m","errorType":"T","requestId":"","stackTrace":[]}"#);
        let expected = r#"{"errorMessage":"m","errorType":"T","requestId":"id","stackTrace":[]}"#;
        assert_eq!(start_report("id", &report), Outcome::Failure(expected.into()));
        let odd = Bytes::from_static(b"not json");
        assert_eq!(start_report("id", &odd), Outcome::Failure(odd.clone()));
    }
}
