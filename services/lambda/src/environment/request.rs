//! One request in an environment: from its first line in the log to its last. Knows nothing of how the environment is kept
//! between two of them.

use std::{sync::PoisonError, time::Duration};

use casemate_sandbox::{Exit, ExitStatus};
use tokio::time::Instant;

use super::{Environment, NotRun, exit_text};
use crate::{
    extensions::{Fault, Invoke, Reason},
    invocation::{Finished, Invocation, Outcome},
    platform::{Note, Status},
    report::{self, Used},
};

/// How long after an answer it is waited that the runtime asks for its next request: output and measurements are then
/// complete. Only who asked for the log waits with it.
const SETTLE: Duration = Duration::from_millis(50);

/// A request whose answer went out before the log was complete.
#[derive(Debug)]
pub(super) struct Unreported {
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

impl Environment {
    /// Runs one request. Whoever wants the end of its log waits until that is written. Afterwards [`Self::conclude`] completes
    /// the log, and [`Self::settle`] says whether the environment can take another request.
    pub(crate) async fn run(&self, mut invocation: Invocation, with_log: bool) -> Result<Finished, NotRun> {
        let (id, settings) = (invocation.request_id.clone(), &self.function.settings);
        let trace_id = invocation.trace_id.clone();
        let limit = Duration::from_secs(u64::from(settings.timeout_s));
        if !self.renew_credentials().await {
            return Err(NotRun::Unfit);
        }
        let failed = self.extensions.fault();
        // What is not ready leaves no line of a request that another environment serves.
        if failed.is_none() && !self.is_ready() {
            return Err(NotRun::Unfit);
        }
        invocation.deadline = self.env.clock.now().plus_seconds(i64::from(settings.timeout_s));
        // Known before it begins, so that its first event finds it.
        self.attribution.begin(self.sandbox.invocations() + 1, &id);
        if let Err(error) = self.sandbox.begin_invocation().await {
            // It has ended, or was ended because it did not answer. The function has seen nothing of the request.
            tracing::warn!(function = %self.function.arn, why = %error, "a virtual machine took no request");
            self.attribution.end();
            return Err(NotRun::Unfit);
        }
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
            self.given_up((&id, &trace_id), began.elapsed()).await;
            return Err(NotRun::Unfit);
        }
        let end = tokio::select! {
            biased;
            outcome = self.exchange.outcome() => Ok(End::Answered(outcome)),
            exit = self.sandbox.exited() => self.ended_by(exit),
            exit = self.child_ended() => Ok(End::Exited(exit)),
            fault = self.extension_failed() => Ok(End::ExtensionFailed(fault)),
            () = tokio::time::sleep(limit) => Ok(End::TimedOut),
        };
        let duration = began.elapsed().min(limit);
        // From here on an answer comes too late.
        self.exchange.close(&id);
        let end = match end {
            Err(lost) => {
                self.witness_loss(&id);
                self.given_up((&id, &trace_id), duration).await;
                return Err(lost);
            }
            // Nobody waits for what is read and written of it.
            Ok(End::Answered(outcome)) if !with_log => {
                let complete = self.is_complete(&outcome);
                let status = status_of(&outcome);
                let unreported = Unreported { request_id: id, trace_id, duration, status, complete };
                *self.unreported.lock().unwrap_or_else(PoisonError::into_inner) = Some(unreported);
                self.end_fetched().await;
                return Ok(Finished { outcome, tail: Vec::new() });
            }
            Ok(other) => other,
        };
        if let End::Answered(outcome) = &end
            && !self.is_complete(outcome)
        {
            drop(tokio::time::timeout(SETTLE, self.over()).await);
        }
        let finished = self.finish((&id, &trace_id), end, duration).await;
        self.end_fetched().await;
        Ok(finished)
    }

    /// How its process ended, or that nobody learnt it: that is none of the function's doing, as far as anybody knows.
    // The same is told apart for starts, in `init.rs`.
    fn ended_by(&self, exit: Exit) -> Result<End, NotRun> {
        let is_lost = self.sandbox.is_lost() || exit.status == ExitStatus::Unknown;
        if is_lost { Err(NotRun::Lost) } else { Ok(End::Exited(exit)) }
    }

    /// Nothing comes of the request here: what was begun in its log is ended.
    pub(crate) async fn given_up(&self, ids: (&str, &str), after: Duration) {
        drop(self.report(ids, after, ((Status::Error, None), Vec::new())).await);
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
        self.witness_cause(id);
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
        let tail = self.output.end(&notes);
        self.witness_dropped_lines(Some(id), self.output.take_dropped());
        tail
    }
}

/// How a request ended that the function answered.
fn status_of(outcome: &Outcome) -> Status {
    match outcome {
        Outcome::Answer(_) => Status::Success,
        Outcome::Failure(_) => Status::Failure,
    }
}
