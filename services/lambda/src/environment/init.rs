//! The init phase of an environment that has been started: until its runtime and its extensions ask for a request, or why
//! they do not.

use std::{sync::PoisonError, time::Duration};

use bytes::Bytes;
use casemate_kernel::Fault;
use casemate_sandbox::{Exit, ExitStatus, Family, StartError, Tick};
use tokio::time::Instant;

use super::{
    Environment, NotStarted, machine,
    not_started::{invalid_entrypoint, unavailable},
};
use crate::{
    extensions::{Fault as ExtensionFault, Reason},
    platform::{Note, Status},
    process::Purpose,
};

/// Waits until it can take a request; from then on it has the function's share of the processor.
pub(super) async fn initialised(
    environment: Environment,
    (family, purpose): (Family, Purpose),
    (began, limit): (Instant, Duration),
) -> Result<Environment, NotStarted> {
    if let Err(failure) = environment.first_next(limit).await {
        return Err(environment.explain(failure, purpose, began.elapsed()));
    }
    let took = began.elapsed();
    // Of a clone nothing was initialised: the machine that became the snapshot has told of that.
    if !environment.is_clone_of_snapshot() {
        let mut notes = vec![Note::init_runtime_done(purpose, Status::Success)];
        notes.extend(environment.extensions.notes());
        notes.push(Note::init_report(purpose, took, (Status::Success, None)));
        for note in &notes {
            environment.output.note(note);
        }
    }
    environment.sandbox.end_init().await.map_err(Fault::internal)?;
    if environment.is_snapshot() {
        // Its children, or its restore, come with requests.
        return Ok(environment);
    }
    if family != Family::Provided {
        environment.sandbox.note_residents().await.map_err(Fault::internal)?;
    } else if environment.sandbox.is_process() {
        // A process of its own may ask for each request: it begins after the last answer.
        environment.exchange.remember_answers(Tick::now().map_err(Fault::internal)?);
        environment.sandbox.note_residents().await.map_err(Fault::internal)?;
    }
    if environment.is_template() && !environment.fork().await {
        return Err(NotStarted::Unforkable("its template did not make a process for the request".to_owned()));
    }
    *environment.init.lock().unwrap_or_else(PoisonError::into_inner) = Some(began.elapsed());
    Ok(environment)
}

/// Why a runtime did not ask for its first request.
enum Failure {
    Reported(Bytes),
    Exited(Exit),
    /// Its machine ended, or did not answer and was ended. Not the function's doing, as far as anybody knows.
    Lost,
    Extension(ExtensionFault),
    TimedOut,
    Unfit(String),
}

impl Environment {
    /// Waits until the runtime asks for its first request, or the template for its first order.
    async fn first_next(&self, limit: Duration) -> Result<(), Failure> {
        if self.is_snapshot() || self.restoring.is_some() {
            return self.first_ready(limit).await;
        }
        if let Some(forks) = &self.forks {
            return tokio::select! {
                biased;
                ready = forks.ready() => ready.map_err(Failure::Unfit),
                // An ordinary environment will show what is wrong.
                _ = self.sandbox.exited() => Err(Failure::Unfit("its template ended while it started".to_owned())),
                () = tokio::time::sleep(limit) => Err(Failure::Unfit("its template took too long to start".to_owned())),
            };
        }
        tokio::select! {
            biased;
            // First: nothing of the function's runs where an extension failed before.
            fault = self.extension_failed() => Err(Failure::Extension(fault)),
            began = self.all_asked() => began,
            exit = self.sandbox.exited() => Err(self.ended(exit)),
            () = tokio::time::sleep(limit) => Err(Failure::TimedOut),
        }
    }

    /// The same of a snapshot: what keeps it from being made is the function's failure.
    async fn first_ready(&self, limit: Duration) -> Result<(), Failure> {
        tokio::select! {
            biased;
            ready = self.loaded() => ready.map_err(Failure::Unfit),
            failed = self.exchange.waiting() => Err(match failed {
                Err(report) => Failure::Reported(report),
                // Nothing but a child asks for a request, and there is none yet.
                Ok(()) => Failure::Unfit("it asked for a request before it was restored".to_owned()),
            }),
            exit = self.sandbox.exited() => Err(self.ended(exit)),
            () = tokio::time::sleep(limit) => Err(Failure::TimedOut),
        }
    }

    /// The template waits for an order, or the runtime in a machine to be restored; an error says why nothing begins from it.
    async fn loaded(&self) -> Result<(), String> {
        match (&self.forks, &self.restoring) {
            (Some(forks), _) => forks.ready().await,
            (None, Some(restoring)) => {
                restoring.waiting().await;
                // Whoever registered in one machine would be known to no other.
                self.extensions.close_registration();
                self.telemetry.close();
                Ok(())
            }
            (None, None) => Err("it has no template".to_owned()),
        }
    }

    /// How its process ended, or that its machine did and nobody knows of the process.
    fn ended(&self, exit: Exit) -> Failure {
        if self.sandbox.is_lost() { Failure::Lost } else { Failure::Exited(exit) }
    }

    /// The extensions have registered, the runtime has begun, and all of them ask for what comes.
    async fn all_asked(&self) -> Result<(), Failure> {
        self.extensions.registered().await;
        // One that cannot be told any more is gone, and that will show.
        drop(self.sandbox.run_runtime().await);
        self.exchange.waiting().await.map_err(Failure::Reported)?;
        // AWS: from the runtime's first request on nobody registers.
        self.extensions.close_registration();
        self.telemetry.close();
        self.extensions.idle().await;
        Ok(())
    }

    fn explain(&self, failure: Failure, purpose: Purpose, took: Duration) -> NotStarted {
        if let Failure::Unfit(why) = failure {
            return NotStarted::Unforkable(why);
        }
        self.ends_for(if matches!(failure, Failure::TimedOut) { Reason::Timeout } else { Reason::Failure });
        match &failure {
            Failure::TimedOut => self.witness_time_over(None),
            Failure::Exited(exit) => self.witness_exit(None, *exit),
            _ => {}
        }
        let status = match &failure {
            Failure::TimedOut => (Status::Timeout, None),
            Failure::Extension(fault) => (Status::Error, Some(fault.kind())),
            _ => (Status::Error, None),
        };
        let mut notes = vec![Note::init_runtime_done(purpose, status.0)];
        notes.extend(self.extensions.notes());
        notes.push(Note::init_report(purpose, took, status));
        let tail = self.output.end(&notes);
        self.witness_dropped_lines(None, self.output.take_dropped());
        if let Some(error) = self.sandbox.runtime_not_executed() {
            return invalid_entrypoint(&format!("fork/exec {}: {error}", self.program));
        }
        match failure {
            Failure::Reported(report) => NotStarted::Reported(report, tail),
            // Nobody learnt how it ended: the spawner was killed, and its environments with it. Not the function's doing.
            Failure::Exited(exit) if exit.status == ExitStatus::Unknown => {
                NotStarted::Refused(unavailable(&StartError::SpawnerGone))
            }
            Failure::Exited(exit) => NotStarted::Exited(exit, tail),
            Failure::Lost => machine::unavailable("it ended, or did not answer, while its function started"),
            Failure::Extension(fault) => NotStarted::Reported(fault.report().into(), tail),
            Failure::TimedOut => NotStarted::TimedOut(tail),
            Failure::Unfit(why) => NotStarted::Unforkable(why),
        }
    }
}
