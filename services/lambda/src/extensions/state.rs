//! How far each extension of an environment is, and what is in order at which stage.
//!
//! Knows nothing of who waits for a change.

use casemate_names::Secret;
use casemate_sandbox::MemberEnd;

use super::{EXTENSIONS_MAX, Fault, Refused, Told};

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
pub(super) enum Place {
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

    pub(super) fn has_failed(self) -> bool {
        matches!(self, Self::InitError | Self::ExitError | Self::Exited | Self::LaunchError)
    }
}

#[derive(Debug)]
pub(super) struct Extension {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) id: Secret<String>,
    pub(super) subjects: Vec<Subject>,
    pub(super) stage: Stage,
    /// Not yet taken.
    pub(super) event: Option<Told>,
    /// Has it been told of the environment's end? It is told once.
    pub(super) told_end: bool,
    /// What it reported, or why it is not running.
    pub(super) error: Option<String>,
}

impl Extension {
    pub(super) fn hears_of(&self, subject: Subject) -> bool {
        self.subjects.contains(&subject)
    }

    /// Tells it of the environment's end, if it hears of that and has not.
    pub(super) fn end(&mut self, told: &Told) {
        if self.hears_of(Subject::Shutdown) && !self.told_end {
            (self.stage, self.event, self.told_end) = (Stage::Running, Some(told.clone()), true);
        }
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) open: bool,
    pub(super) extensions: Vec<Extension>,
    pub(super) closing: Option<Told>,
    pub(super) fault: Option<Fault>,
}

impl State {
    /// With these external ones, by name and identifier, in the order of their processes.
    pub(super) fn new(external: impl Iterator<Item = (String, Secret<String>)>) -> Self {
        let extensions = external.enumerate().map(|(index, (name, id))| Extension {
            name,
            place: Place::External(index),
            id,
            subjects: Vec::new(),
            stage: Stage::Started,
            event: None,
            told_end: false,
            error: None,
        });
        Self { open: true, extensions: extensions.collect(), closing: None, fault: None }
    }

    /// By its identifier, compared in constant time.
    pub(super) fn find(&mut self, id: &str) -> Result<&mut Extension, Refused> {
        let of = |one: &&mut Extension| one.stage != Stage::Started && one.id.matches(id.as_bytes());
        self.extensions.iter_mut().find(of).ok_or(Refused::Unknown)
    }

    pub(super) fn are_all(&self, stage: Stage) -> bool {
        self.extensions.iter().all(|one| one.stage == stage)
    }

    /// Registers an extension; answers with its identifier, which is this one where it is new.
    pub(super) fn register(
        &mut self,
        name: &str,
        events: &[String],
        id: String,
    ) -> Result<Secret<String>, Refused> {
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

    /// It asks for its next event.
    pub(super) fn ask(&mut self, id: &str) -> Result<(), Refused> {
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

    /// It says that it has failed.
    pub(super) fn fail(
        &mut self,
        id: &str,
        error: &str,
        (to, allowed): (Stage, &[Stage]),
    ) -> Result<(), Refused> {
        let one = self.find(id)?;
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
    }

    /// Its process has ended.
    pub(super) fn ended(&mut self, process: usize, end: MemberEnd) {
        let whose = |one: &&mut Extension| one.place == Place::External(process);
        let Some(one) = self.extensions.iter_mut().find(whose) else { return };
        let fault = Fault::ended(one, end);
        let executed = matches!(end, MemberEnd::Exited(_));
        if !one.stage.has_failed() {
            one.stage = if executed { Stage::Exited } else { Stage::LaunchError };
            one.error = Some(fault.kind().to_owned());
        } else if executed {
            one.stage = Stage::Exited;
        }
        if self.closing.is_none() {
            self.fault.get_or_insert(fault);
        }
    }
}

impl Subject {
    pub(super) fn name(self) -> &'static str {
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
