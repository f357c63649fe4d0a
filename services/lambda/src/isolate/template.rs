//! A machine whose function has initialised, before it becomes a template: what its function has done until then, and whether its
//! clones can go on from there.
//!
//! They can where the one connection that is open asks for what comes next ([`Question`]). Knows nothing of functions.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use casemate_microvm::{
    Aside, Basis, Connection, Error as MachineError, Machine, Pending, Stock, Tap, Template, Whose,
};
use casemate_sandbox::RUNTIME_API_PORT;

/// Connections to the Runtime API that may be made before the first event is asked for. Ours: runtimes make one or two.
const CONNECTIONS_MAX: usize = 32;

/// Why there is no template.
#[derive(Debug)]
pub(crate) enum Unkept {
    /// The function has done what its clones would share.
    Unfit(&'static str),
    /// It could not be made.
    Failed(MachineError),
}

/// What the runtime of a machine waits for that becomes a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// The first event.
    Event,
    /// That it is restored, from a version's snapshot.
    Restore,
}

impl Question {
    /// How it begins.
    fn beginning(self) -> &'static [u8] {
        match self {
            Self::Event => b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n",
            Self::Restore => b"GET /2018-06-01/runtime/restore/next HTTP/1.1\r\n",
        }
    }

    /// Is this the whole question, and nothing besides?
    fn is(self, read: &[u8]) -> bool {
        let end = read.windows(HEAD_END.len()).position(|part| part == HEAD_END);
        read.starts_with(self.beginning()) && end.is_some_and(|end| end + HEAD_END.len() == read.len())
    }
}

/// What comes of a machine when its function has initialised.
#[derive(Debug)]
pub(super) struct Coming {
    basis: Mutex<Option<Basis>>,
    seen: Option<Arc<Seen>>,
}

/// What its function did meanwhile.
#[derive(Debug, Default)]
pub(super) struct Seen {
    taps: Mutex<Vec<Tap>>,
    too_many: AtomicBool,
    called_aws: AtomicBool,
}

impl Coming {
    /// Without a basis nothing comes of it, and nothing is looked at.
    pub(super) fn of(basis: Option<Basis>) -> Self {
        let seen = basis.is_some().then(Arc::default);
        Self { basis: Mutex::new(basis), seen }
    }

    pub(super) fn seen(&self) -> Option<Arc<Seen>> {
        self.seen.clone()
    }

    pub(super) async fn keep(
        &self,
        stock: &Stock,
        machine: &Machine,
        (whose, aside, question): (Whose, Aside, Question),
    ) -> Result<Template, Unkept> {
        let basis = self.basis.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(basis), Some(seen)) = (basis, &self.seen) else {
            return Err(Unkept::Unfit("it was not started for that"));
        };
        let pending = seen.pending(question).map_err(Unkept::Unfit)?;
        let kept = stock.keep((machine, basis), vec![pending], (whose, aside)).await;
        kept.map_err(|error| match error {
            MachineError::Refused(why) => Unkept::Unfit(why),
            other => Unkept::Failed(other),
        })
    }
}

impl Seen {
    pub(super) fn note(&self, connection: &mut Connection) {
        if connection.port != RUNTIME_API_PORT {
            self.called_aws.store(true, Ordering::SeqCst);
            return;
        }
        let mut taps = self.taps();
        if taps.len() < CONNECTIONS_MAX {
            taps.push(connection.tap());
        } else {
            self.too_many.store(true, Ordering::SeqCst);
        }
    }

    /// The question, if nothing else is open.
    fn pending(&self, question: Question) -> Result<Pending, &'static str> {
        if self.called_aws.load(Ordering::SeqCst) {
            return Err("it calls AWS while it is loaded, before there are credentials");
        }
        let taps = self.taps();
        let mut open = taps.iter().filter(|tap| tap.is_open());
        let (Some(asking), None, false) = (open.next(), open.next(), self.too_many.load(Ordering::SeqCst))
        else {
            return Err(
                "it keeps more connections to the Runtime API open than the one that asks for what comes next",
            );
        };
        let pending = asking.pending().filter(|pending| question.is(pending.read()));
        pending.ok_or("its connection to the Runtime API does not wait for what comes next alone")
    }

    fn taps(&self) -> MutexGuard<'_, Vec<Tap>> {
        self.taps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const HEAD_END: &[u8] = b"\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_question_and_nothing_besides_waits() {
        let next = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n";
        let restore = next.replace("invocation", "restore");
        for (question, own, other) in
            [(Question::Event, next, restore.as_str()), (Question::Restore, &restore, next)]
        {
            assert!(question.is(format!("{own}\r\n").as_bytes()));
            assert!(!question.is(format!("{other}\r\n").as_bytes()), "{other}");
        }
        for other in [
            String::new(),
            next.to_owned(),
            format!("{next}\r\nG"),
            format!("{next}\r\n{next}\r\n"),
            "GET /2018-06-01/runtime/invocation/nextx HTTP/1.1\r\n\r\n".to_owned(),
            "POST /2018-06-01/runtime/init/error HTTP/1.1\r\n\r\n".to_owned(),
        ] {
            assert!(!Question::Event.is(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn without_a_connection_or_after_a_call_of_aws_there_is_nothing_to_keep() {
        let seen = Seen::default();
        assert!(seen.pending(Question::Event).unwrap_err().contains("connections"));
        seen.called_aws.store(true, Ordering::SeqCst);
        assert!(seen.pending(Question::Event).unwrap_err().contains("calls AWS"));
    }
}
