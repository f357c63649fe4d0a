//! The extensions of one environment: who has registered, what each is told, and whether all have finished.
//!
//! ```text
//!   external: started ──register──▶ registered ──next──▶ ready ──an event──▶ running ──next──▶ ready …
//!   internal:           register──▶ registered      registered ──init/error──▶ init error
//!                                   registered, ready, running ──exit/error──▶ exit error
//!   external, from anywhere: its process ends ──▶ exited, or could not be executed ──▶ launch error
//! ```
//! External ones are files of the layers, each a process of its own; internal ones are part of the runtime's process. Whoever
//! holds an extension's identifier speaks for it. Knows nothing of HTTP, processes or time.
//!
//! AWS: Lambda developer guide, "Using the Lambda Extensions API"; states, error types and texts as its local emulator gives
//! them.

use std::sync::Arc;

use casemate_names::{Arn, Entropy, Secret, Timestamp, uuid};
use casemate_sandbox::MemberEnd;
use tokio::sync::watch;

use crate::platform::Note;

mod fault;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use fault::{FOLDER, Fault};
use state::{Extension, Place, Stage, State, Subject};

/// Most extensions of an environment.
// AWS: 10 (Lambda developer guide, "Extensions API").
pub(crate) const EXTENSIONS_MAX: usize = casemate_sandbox::COMPANIONS_MAX;

/// Why an environment ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It is not needed any more.
    #[default]
    Spindown,
    /// A request took too long.
    Timeout,
    /// Something in it failed.
    Failure,
}

impl Reason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spindown => "spindown",
            Self::Timeout => "timeout",
            Self::Failure => "failure",
        }
    }
}

/// What an extension is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// A request has begun.
    Invoke(Arc<Invoke>),
    /// The environment ends.
    Shutdown { reason: Reason, deadline: Timestamp },
}

/// What extensions learn of a request; its event is not among it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invoke {
    pub(crate) request_id: String,
    pub(crate) invoked: Arn,
    pub(crate) trace_id: String,
    pub(crate) deadline: Timestamp,
}

/// A call of an extension that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Extensions register while the environment starts, and not later.
    Closed,
    /// An internal extension has this name.
    NameTaken,
    /// There are as many as there may be.
    TooMany,
    /// There is no such event, or not for this kind of extension.
    EventType(String),
    /// It comes at the wrong time. Who is named by an identifier is told it, and nobody else.
    Transition { from: Stage, to: Stage, whose: Secret<String> },
    /// No extension has this identifier.
    Unknown,
}

/// What an extension is told of its function when it registers.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) handler: String,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Extensions {
    about: About,
    entropy: Arc<dyn Entropy>,
    state: watch::Sender<State>,
}

impl Extensions {
    /// With these external ones, in the order of their processes.
    pub(crate) fn new(about: About, entropy: Arc<dyn Entropy>, names: &[String]) -> Self {
        let id = || Secret::new(uuid(&*entropy, "lambda.extension"));
        let state = State::new(names.iter().map(|name| (name.clone(), id())));
        Self { about, entropy, state: watch::Sender::new(state) }
    }

    /// What extensions are told of the function.
    pub(crate) fn about(&self) -> &About {
        &self.about
    }

    /// A fresh name for an event that is handed over.
    pub(crate) fn event_id(&self) -> String {
        uuid(&*self.entropy, "lambda.extension-event")
    }

    // The environment's side.

    /// Resolves when every external extension has registered; never when one has failed.
    pub(crate) async fn registered(&self) {
        let is = |one: &Extension| one.stage != Stage::Started && !one.stage.has_failed();
        let has = |state: &State| state.extensions.iter().all(is);
        drop(self.state.subscribe().wait_for(has).await);
    }

    /// From now on nobody can register.
    pub(crate) fn close_registration(&self) {
        self.state.send_modify(|state| state.open = false);
    }

    /// Resolves when every extension waits for its next event; never when one has failed.
    pub(crate) async fn idle(&self) {
        drop(self.state.subscribe().wait_for(|state| state.are_all(Stage::Ready)).await);
    }

    /// Does every extension wait for its next event?
    pub(crate) fn is_idle(&self) -> bool {
        self.state.borrow().are_all(Stage::Ready)
    }

    /// Resolves when one has failed by itself: `Ok` when its process has ended, `Err` when it has only said so.
    pub(crate) async fn failed(&self) -> Result<Fault, Fault> {
        let mut changes = self.state.subscribe();
        let has = |state: &State| state.fault.is_some() || fault::reported(&state.extensions).is_some();
        let found = changes.wait_for(has).await.map(|state| match &state.fault {
            Some(fault) => Ok(fault.clone()),
            None => Err(fault::reported(&state.extensions).unwrap_or_default()),
        });
        match found {
            Ok(found) => found,
            // The sender is this very value.
            Err(_) => std::future::pending().await,
        }
    }

    /// The failure there has been already.
    pub(crate) fn fault(&self) -> Option<Fault> {
        let state = self.state.borrow();
        state.fault.clone().or_else(|| fault::reported(&state.extensions))
    }

    /// Resolves when the process of one has ended.
    pub(crate) async fn ended_by_itself(&self) -> Fault {
        let mut changes = self.state.subscribe();
        let found = changes.wait_for(|state| state.fault.is_some()).await.map(|state| state.fault.clone());
        match found {
            Ok(Some(fault)) => fault,
            _ => std::future::pending().await,
        }
    }

    /// Tells of a request. `false` when not all wait for one.
    pub(crate) fn invoke(&self, invoke: Invoke) -> bool {
        let told = Told::Invoke(Arc::new(invoke));
        let mut ready = false;
        self.state.send_if_modified(|state| {
            ready = state.are_all(Stage::Ready) && state.closing.is_none();
            let hearing = state.extensions.iter_mut().filter(|one| one.hears_of(Subject::Invoke));
            for one in hearing.filter(|_| ready) {
                (one.stage, one.event) = (Stage::Running, Some(told.clone()));
            }
            ready
        });
        ready
    }

    /// Tells of the environment's end: those who wait now, the others when they ask.
    pub(crate) fn shut_down(&self, reason: Reason, deadline: Timestamp) {
        let told = Told::Shutdown { reason, deadline };
        self.state.send_modify(|state| {
            for one in state.extensions.iter_mut().filter(|one| one.stage == Stage::Ready) {
                one.end(&told);
            }
            (state.open, state.closing) = (false, Some(told));
        });
    }

    /// Resolves when every external extension that is told of the end has ended.
    pub(crate) async fn gone(&self) {
        let stays = |one: &Extension| {
            let alive = !matches!(one.stage, Stage::Exited | Stage::LaunchError);
            matches!(one.place, Place::External(_)) && alive && one.hears_of(Subject::Shutdown)
        };
        drop(self.state.subscribe().wait_for(|state| !state.extensions.iter().any(stays)).await);
    }

    /// The process of an external extension has ended. While the environment ends that is as it should be.
    pub(crate) fn ended(&self, process: usize, end: MemberEnd) {
        self.state.send_modify(|state| state.ended(process, end));
    }

    /// Is there one in a process of its own, is there one in the runtime's?
    pub(crate) fn kinds(&self) -> (bool, bool) {
        let state = self.state.borrow();
        let internal = state.extensions.iter().filter(|one| one.place == Place::Internal).count();
        (internal < state.extensions.len(), internal > 0)
    }

    /// What is told about them when the environment has started, or could not.
    pub(crate) fn notes(&self) -> Vec<Note> {
        let note = |one: &Extension| {
            let subjects: Vec<_> = one.subjects.iter().map(|subject| subject.name()).collect();
            Note::extension(&one.name, one.stage.name(), &subjects, one.error.as_deref())
        };
        self.state.borrow().extensions.iter().map(note).collect()
    }

    // An extension's side.

    /// Registers an extension; answers with its identifier.
    pub(crate) fn register(&self, name: &str, events: &[String]) -> Result<Secret<String>, Refused> {
        let id = uuid(&*self.entropy, "lambda.extension");
        self.change(|state| state.register(name, events, id))
    }

    /// An extension asks for its next event; resolves when there is one.
    pub(crate) async fn next(&self, id: &str) -> Result<Told, Refused> {
        let mut changes = self.state.subscribe();
        self.change(|state| state.ask(id))?;
        loop {
            let mut told = None;
            self.state.send_if_modified(|state| {
                // Only taken: nobody else waits for that.
                told = state.find(id).ok().and_then(|one| one.event.take());
                false
            });
            if let Some(told) = told {
                return Ok(told);
            }
            if changes.changed().await.is_err() {
                return Err(Refused::Unknown);
            }
        }
    }

    /// The name of whoever holds this identifier; `None`: it is in the runtime's process.
    pub(crate) fn external_name(&self, id: &str) -> Result<Option<String>, Refused> {
        let of = |one: &&Extension| one.stage != Stage::Started && one.id.matches(id.as_bytes());
        let state = self.state.borrow();
        let one = state.extensions.iter().find(of).ok_or(Refused::Unknown)?;
        Ok(matches!(one.place, Place::External(_)).then(|| one.name.clone()))
    }

    /// An extension says that it cannot start.
    pub(crate) fn init_error(&self, id: &str, error: &str) -> Result<(), Refused> {
        self.fail(id, error, Stage::InitError, &[Stage::Registered])
    }

    /// An extension says that it is about to end.
    pub(crate) fn exit_error(&self, id: &str, error: &str) -> Result<(), Refused> {
        self.fail(id, error, Stage::ExitError, &[Stage::Registered, Stage::Ready, Stage::Running])
    }

    fn fail(&self, id: &str, error: &str, to: Stage, allowed: &[Stage]) -> Result<(), Refused> {
        self.change(|state| state.fail(id, error, (to, allowed)))
    }

    /// Whoever waits is told of what changed, if it was in order.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> Result<T, Refused>) -> Result<T, Refused> {
        let mut done = Err(Refused::Closed);
        self.state.send_if_modified(|state| {
            done = change(state);
            done.is_ok()
        });
        done
    }
}
