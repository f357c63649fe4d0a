//! What the platform itself sees of an environment and writes into the audit trail: time that is over, and a runtime that is
//! ended by a signal. What the sandbox sees is in [`crate::event`].

use std::io;

use casemate_kernel::{Peer, audit};
use casemate_sandbox::{Exit, ExitStatus, Unclear};

use crate::{environment::Environment, event};

impl Environment {
    /// A request, or a start, has had its time.
    pub(super) fn witness_time_over(&self, request_id: Option<&str>) {
        let detail = match request_id {
            Some(_) => format!("its {} seconds were over", self.function.settings.timeout_s),
            None => "the time for its start was over".to_owned(),
        };
        self.witness("sandbox.timed-out", request_id, (detail, None));
    }

    /// The runtime has ended by itself: an event where it was by a signal.
    pub(super) fn witness_exit(&self, request_id: Option<&str>, exit: Exit) {
        if let ExitStatus::Signal(signal) = exit.status {
            self.witness("sandbox.runtime-killed", request_id, event::killed(signal, exit.out_of_memory));
        }
    }

    /// It was lost while a request was worked on.
    pub(super) fn witness_loss(&self, request_id: &str) {
        let detail =
            "the environment was lost while the function worked; whether it did its work is not known";
        self.witness("lambda.environment-lost", Some(request_id), (detail.to_owned(), None));
    }

    /// Lines of its log were dropped, most likely because it wrote more than can be delivered.
    pub(super) fn witness_dropped_lines(&self, request_id: Option<&str>, count: u64) {
        if count > 0 {
            let detail = format!("{count} lines of its log came too fast to be kept");
            self.witness("lambda.log-lines-dropped", request_id, (detail, None));
        }
    }

    /// Processes that the last request had left were ended.
    pub(super) fn witness_strays(&self, count: usize) {
        if count > 0 {
            let detail = format!("{count} processes that the request had left were ended");
            self.witness("sandbox.strays-ended", self.attribution.last().as_deref(), (detail, None));
        }
    }

    /// It could not be told which of its processes asks for the next request, so that all of them are ended. Other errors come
    /// with its end and are none of the function's doing.
    pub(super) fn witness_unclear(&self, error: &io::Error) {
        if let Some(why) = error.get_ref().and_then(|why| why.downcast_ref::<Unclear>()) {
            let detail = format!("{why}: all of the environment is ended");
            self.witness("sandbox.strays-unclear", self.attribution.last().as_deref(), (detail, None));
        }
    }

    /// What a runtime reported for tracing of a request that failed.
    // DIVERGES: on AWS it goes to X-Ray. There is no tracing service here; kept are the kinds of errors and the files.
    pub(super) fn witness_cause(&self, request_id: &str) {
        if let Some(cause) = self.exchange.take_cause() {
            self.witness("lambda.error-cause", Some(request_id), (cause, None));
        }
    }

    fn witness(&self, name: &'static str, request_id: Option<&str>, (detail, alarm): event::Told) {
        self.env.audit.event(audit::Event {
            name,
            at: self.env.clock.now(),
            place: Peer::Environment {
                id: self.id.clone(),
                function: self.function.arn.clone(),
                at_work: true,
            }
            .label(),
            function: Some(self.function.arn.as_str().to_owned()),
            request_id: request_id.map(str::to_owned),
            detail,
            alarm: alarm.map(str::to_owned),
        });
    }
}
