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
#[cfg(test)]
mod tests;

pub(crate) use fault::{FOLDER, Fault};

/// Most extensions of an environment.
// AWS: 10 (Lambda developer guide, "Extensions API").
pub(crate) const EXTENSIONS_MAX: usize = casemate_sandbox::COMPANIONS_MAX;

/// What an extension can ask to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Each request.
    Invoke,
    /// The end of the environment.
    Shutdown,
}

/// Where an extension runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a process of its own: which of the environment's.
    External(usize),
    /// In the runtime's process.
    Internal,
}

/// How far an extension is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Started,
    Registered,
    Ready,
    Running,
    InitError,
    ExitError,
    Exited,
    LaunchError,
}

impl Stage {
    // AWS: as its error texts and log lines name them.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::Registered => "Registered",
            Self::Ready => "Ready",
            Self::Running => "Running",
            Self::InitError => "InitError",
            Self::ExitError => "ExitError",
            Self::Exited => "Exited",
            Self::LaunchError => "LaunchError",
        }
    }

    fn has_failed(self) -> bool {
        matches!(self, Self::InitError | Self::ExitError | Self::Exited | Self::LaunchError)
    }
}

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

#[derive(Debug)]
struct Extension {
    name: String,
    place: Place,
    id: Secret<String>,
    subjects: Vec<Subject>,
    stage: Stage,
    /// Not yet taken.
    event: Option<Told>,
    /// Has it been told of the environment's end? It is told once.
    told_end: bool,
    /// What it reported, or why it is not running.
    error: Option<String>,
}

impl Extension {
    fn hears_of(&self, subject: Subject) -> bool {
        self.subjects.contains(&subject)
    }

    /// Tells it of the environment's end, if it hears of that and has not.
    fn end(&mut self, told: &Told) {
        if self.hears_of(Subject::Shutdown) && !self.told_end {
            (self.stage, self.event, self.told_end) = (Stage::Running, Some(told.clone()), true);
        }
    }
}

#[derive(Debug)]
struct State {
    open: bool,
    extensions: Vec<Extension>,
    closing: Option<Told>,
    fault: Option<Fault>,
}

impl State {
    /// By its identifier, compared in constant time.
    fn find(&mut self, id: &str) -> Result<&mut Extension, Refused> {
        let of = |one: &&mut Extension| one.stage != Stage::Started && one.id.matches(id.as_bytes());
        self.extensions.iter_mut().find(of).ok_or(Refused::Unknown)
    }

    fn are_all(&self, stage: Stage) -> bool {
        self.extensions.iter().all(|one| one.stage == stage)
    }
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
        let external = names.iter().enumerate().map(|(index, name)| Extension {
            name: name.clone(),
            place: Place::External(index),
            id: Secret::new(uuid(&*entropy, "lambda.extension")),
            subjects: Vec::new(),
            stage: Stage::Started,
            event: None,
            told_end: false,
            error: None,
        });
        let state = State { open: true, extensions: external.collect(), closing: None, fault: None };
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
        self.state.send_modify(|state| {
            let whose = |one: &&mut Extension| one.place == Place::External(process);
            let Some(one) = state.extensions.iter_mut().find(whose) else { return };
            let fault = Fault::ended(one, end);
            let executed = matches!(end, MemberEnd::Exited(_));
            if !one.stage.has_failed() {
                one.stage = if executed { Stage::Exited } else { Stage::LaunchError };
                one.error = Some(fault.kind().to_owned());
            } else if executed {
                one.stage = Stage::Exited;
            }
            if state.closing.is_none() {
                state.fault.get_or_insert(fault);
            }
        });
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
        let mut done = Err(Refused::Closed);
        self.state.send_if_modified(|state| {
            done = state.register(name, events, id);
            done.is_ok()
        });
        done
    }

    /// An extension asks for its next event; resolves when there is one.
    pub(crate) async fn next(&self, id: &str) -> Result<Told, Refused> {
        let mut changes = self.state.subscribe();
        let mut asked = Ok(());
        self.state.send_if_modified(|state| {
            asked = state.ask(id);
            asked.is_ok()
        });
        asked?;
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
        let mut done = Ok(());
        self.state.send_if_modified(|state| {
            done = state.find(id).and_then(|one| {
                let from = one.stage;
                if from == to {
                    return Ok(());
                }
                if !allowed.contains(&from) {
                    // AWS: the text speaks of the state after the last, here.
                    let to = if to == Stage::ExitError { Stage::Exited } else { to };
                    return Err(Refused::Transition { from, to, whose: Secret::new(id.to_owned()) });
                }
                (one.stage, one.error) = (to, Some(error.to_owned()));
                Ok(())
            });
            done.is_ok()
        });
        done
    }
}

impl State {
    fn register(&mut self, name: &str, events: &[String], id: String) -> Result<Secret<String>, Refused> {
        let external = self
            .extensions
            .iter()
            .position(|one| matches!(one.place, Place::External(_)) && one.name == name);
        let subjects = subjects(events, external.is_some())?;
        if let Some(one) = external.and_then(|index| self.extensions.get_mut(index)) {
            if one.stage != Stage::Started || !self.open {
                let (from, whose) = (one.stage, Secret::new(name.to_owned()));
                return Err(Refused::Transition { from, to: Stage::Registered, whose });
            }
            (one.stage, one.subjects) = (Stage::Registered, subjects);
            return Ok(Secret::new(one.id.expose().clone()));
        }
        if !self.open {
            return Err(Refused::Closed);
        }
        if self.extensions.len() >= EXTENSIONS_MAX {
            return Err(Refused::TooMany);
        }
        if self.extensions.iter().any(|one| one.name == name) {
            return Err(Refused::NameTaken);
        }
        self.extensions.push(Extension {
            name: name.to_owned(),
            place: Place::Internal,
            id: Secret::new(id.clone()),
            subjects,
            stage: Stage::Registered,
            event: None,
            told_end: false,
            error: None,
        });
        Ok(Secret::new(id))
    }

    fn ask(&mut self, id: &str) -> Result<(), Refused> {
        let closing = self.closing.clone();
        let one = self.find(id)?;
        if !matches!(one.stage, Stage::Registered | Stage::Running) {
            let (from, whose) = (one.stage, Secret::new(id.to_owned()));
            return Err(Refused::Transition { from, to: Stage::Ready, whose });
        }
        // What it was told before and did not take it has missed.
        (one.stage, one.event) = (Stage::Ready, None);
        if let Some(told) = closing {
            one.end(&told);
        }
        Ok(())
    }
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Invoke => "INVOKE",
            Self::Shutdown => "SHUTDOWN",
        }
    }
}

fn subjects(events: &[String], is_external: bool) -> Result<Vec<Subject>, Refused> {
    let mut subjects = Vec::new();
    for event in events {
        let subject = match event.as_str() {
            "INVOKE" => Subject::Invoke,
            "SHUTDOWN" if is_external => Subject::Shutdown,
            // AWS: both texts as its local emulator has them.
            "SHUTDOWN" => {
                let why = "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension".to_owned();
                return Err(Refused::EventType(why));
            }
            other => {
                let other: String = other.chars().take(EVENT_CHARS_MAX).collect();
                return Err(Refused::EventType(format!("{other}: ErrorInvalidEventType")));
            }
        };
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    Ok(subjects)
}

/// Of an unknown event's name in a refusal. Ours.
const EVENT_CHARS_MAX: usize = 64;
