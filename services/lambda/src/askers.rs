//! Over which connections it is waited for work: for the next request by the runtime, for the next event by an extension.
//!
//! A runtime may make each of its calls by another process. Whoever holds a connection that waits, and was made after the last
//! answer, has begun for the next request; that is how it is told from what the last one left. An older connection may have
//! been inherited by anybody, and says nothing.
//!
//! Knows nothing of HTTP or processes.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// Who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The runtime, or whoever speaks for it.
    Runtime,
    /// Who shows this identifier.
    Extension(String),
}

/// A connection, by its other end and by how many answers there had been when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) from: SocketAddr,
    pub(crate) answers: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Askers {
    waiting: Mutex<Vec<(Asker, Line)>>,
}

impl Askers {
    /// It is waited over this connection, if it is one of this kernel's, until what is returned is dropped.
    pub(crate) fn wait(self: &Arc<Self>, asker: Asker, line: Option<Line>) -> Waiting {
        let one = line.map(|line| (asker, line));
        self.lock().extend(one.clone());
        Waiting { askers: Arc::clone(self), one }
    }

    /// The connections made since there were so many answers: one list for each who waits over such.
    pub(crate) fn since(&self, answers: u64) -> Vec<Vec<SocketAddr>> {
        let mut found: Vec<(Asker, Vec<SocketAddr>)> = Vec::new();
        for (asker, line) in self.lock().iter().filter(|(_, line)| line.answers == answers) {
            match found.iter_mut().find(|(known, _)| known == asker) {
                Some((_, connections)) => connections.push(line.from),
                None => found.push((asker.clone(), vec![line.from])),
            }
        }
        found.into_iter().map(|(_, connections)| connections).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Asker, Line)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That it is waited. Dropped with the call, or with its connection.
#[derive(Debug)]
pub(crate) struct Waiting {
    askers: Arc<Askers>,
    one: Option<(Asker, Line)>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(one) = &self.one else { return };
        let mut waiting = self.askers.lock();
        if let Some(at) = waiting.iter().position(|other| other == one) {
            waiting.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(port: u16, answers: u64) -> Line {
        Line { from: ([127, 0, 0, 1], port).into(), answers }
    }

    fn ports(askers: &Askers, answers: u64) -> Vec<Vec<u16>> {
        let ports = |all: Vec<SocketAddr>| all.iter().map(SocketAddr::port).collect();
        askers.since(answers).into_iter().map(ports).collect()
    }

    #[test]
    fn who_waits_is_listed_while_it_waits_and_each_for_itself() {
        let askers = Arc::new(Askers::default());
        let one = askers.wait(Asker::Runtime, Some(line(1, 3)));
        let _two = askers.wait(Asker::Extension("a".to_owned()), Some(line(2, 3)));
        let _three = askers.wait(Asker::Runtime, Some(line(3, 3)));
        let _machine = askers.wait(Asker::Runtime, None);
        assert_eq!(ports(&askers, 3), [vec![1, 3], vec![2]]);
        drop(one);
        assert_eq!(ports(&askers, 3), [vec![3], vec![2]]);
    }

    #[test]
    fn a_connection_from_before_the_last_answer_says_nothing() {
        let askers = Arc::new(Askers::default());
        let _old = askers.wait(Asker::Runtime, Some(line(1, 2)));
        assert_eq!(ports(&askers, 3), Vec::<Vec<u16>>::new());
        assert_eq!(ports(&askers, 2), [vec![1]]);
    }
}
