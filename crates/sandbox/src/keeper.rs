//! Keeps a spawner alive: notices its end, starts another from the sealed copy, and gives up when it ends too often.
//!
//! ```text
//!   up ──ends──▶ starting ──▶ up            each end is an incident: nobody but an attacker or a fault ends a spawner
//!                   └──▶ down (more than RESTARTS_MAX within RESTARTS_WINDOW, or only a fork of this process)
//! ```
//! The environments of a spawner that ended are dead: the kernel signals them. One thread waits for the process, because a
//! spawner dies with the thread that started it.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};

use crate::{
    contents::Change,
    error::StartError,
    layer::{Layer, LayerReport, Status},
    link::Link,
    spawner::{self, Origin, Sealed, Spawner},
    spec::ExitStatus,
    wiring::START_TIMEOUT,
};

/// Something that happened to the machinery and not in an environment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Incident {
    /// The spawner was killed or ended, and all environments with it.
    SpawnerEnded {
        /// Its process id.
        pid: u32,
        /// How.
        status: ExitStatus,
    },
    /// Another one was started in its place.
    SpawnerStarted {
        /// Its process id.
        pid: u32,
    },
    /// No other is started: functions do not run until the server is restarted.
    SpawnerDown {
        /// Why.
        why: String,
    },
    /// A file of a runtime's root is not what it was: nothing is started in that root until the server is restarted.
    RootChanged {
        /// The runtime.
        runtime_id: String,
        /// Which file, in which way.
        change: Change,
    },
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// The only lasting owner; when it goes, the link goes, and with it the spawner.
    state: Arc<watch::Sender<State>>,
    incidents: Mutex<Option<mpsc::Receiver<Incident>>>,
    /// The watchman has the other, and with its end there are no more incidents.
    sender: mpsc::WeakSender<Incident>,
    is_sealed: bool,
}

#[derive(Clone, Debug)]
enum State {
    Up(Arc<Link>),
    Starting,
    Down(String),
}

impl Keeper {
    /// Takes over a spawner. Must be called inside a tokio runtime.
    pub(crate) fn new(spawner: Spawner) -> io::Result<Self> {
        let Spawner { requests, process, pid, origin, patience } = spawner;
        let state = Arc::new(watch::Sender::new(State::Up(Arc::new(Link::new(requests, patience)?))));
        let (sender, incidents) = mpsc::channel(INCIDENTS_MAX);
        let sealed = match origin {
            Origin::Sealed(sealed) => Some(sealed),
            Origin::Fork => None,
        };
        let (is_sealed, weak) = (sealed.is_some(), sender.downgrade());
        let watchman = Watchman {
            state: Arc::downgrade(&state),
            incidents: sender,
            sealed,
            runtime: Handle::current(),
            restarts: Restarts::default(),
        };
        std::thread::Builder::new().name("spawner".into()).spawn(move || watchman.run(process, pid))?;
        Ok(Self { state, incidents: Mutex::new(Some(incidents)), sender: weak, is_sealed })
    }

    /// The spawner there is; waits while another is being started.
    pub(crate) async fn link(&self) -> Result<Arc<Link>, StartError> {
        let mut state = self.state.subscribe();
        let settled = state.wait_for(|state| !matches!(state, State::Starting));
        let settled =
            tokio::time::timeout(START_TIMEOUT, settled).await.map_err(|_| StartError::SpawnerGone)?;
        match settled.as_deref() {
            Ok(State::Up(link)) => Ok(Arc::clone(link)),
            Ok(State::Down(why)) => Err(StartError::SpawnerDown { why: why.clone() }),
            Ok(State::Starting) | Err(_) => Err(StartError::SpawnerGone),
        }
    }

    /// Waits until this link is not the one any more; `false` if its spawner seems to live.
    pub(crate) async fn has_lost(&self, link: &Arc<Link>) -> bool {
        let mut state = self.state.subscribe();
        let other = |state: &State| !matches!(state, State::Up(current) if Arc::ptr_eq(current, link));
        tokio::time::timeout(START_TIMEOUT, state.wait_for(other)).await.is_ok_and(|found| found.is_ok())
    }

    /// What happened, once.
    pub(crate) fn take_incidents(&self) -> Option<mpsc::Receiver<Incident>> {
        self.incidents.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Something else happened. Lost where nobody takes incidents, or there are too many.
    pub(crate) fn tell(&self, incident: Incident) {
        if let Some(sender) = self.sender.upgrade() {
            let _ = sender.try_send(incident);
        }
    }

    /// What the spawner is worth.
    pub(crate) fn report(&self) -> LayerReport {
        let status = if self.is_sealed {
            Status::InForce("a copy of the server's program in memory".into())
        } else {
            Status::Degraded("a fork of this process; if it is killed, there is no other".into())
        };
        LayerReport { layer: Layer::SealedSpawner, status }
    }
}

/// The thread that waits for a spawner's end.
struct Watchman {
    /// Nobody's: when the driver is gone, a spawner's end is as it should be.
    state: Weak<watch::Sender<State>>,
    incidents: mpsc::Sender<Incident>,
    sealed: Option<Sealed>,
    runtime: Handle,
    restarts: Restarts,
}

impl Watchman {
    fn run(mut self, mut process: OwnedFd, mut pid: u32) {
        loop {
            let status = ended(&process);
            let Some(state) = self.state.upgrade() else { return };
            state.send_replace(State::Starting);
            self.tell(Incident::SpawnerEnded { pid, status });
            match self.another() {
                Ok((link, next, next_pid)) => {
                    (process, pid) = (next, next_pid);
                    self.tell(Incident::SpawnerStarted { pid });
                    state.send_replace(State::Up(Arc::new(link)));
                }
                Err(why) => {
                    self.tell(Incident::SpawnerDown { why: why.clone() });
                    state.send_replace(State::Down(why));
                    return;
                }
            }
        }
    }

    /// Tries until it works or has been tried too often.
    #[expect(
        clippy::disallowed_methods,
        reason = "a thread of its own that has nothing to wait for but the host getting better"
    )]
    fn another(&mut self) -> Result<(Link, OwnedFd, u32), String> {
        let Some(sealed) = self.sealed.clone() else {
            return Err("because it was a fork of this process".to_owned());
        };
        let _inside = self.runtime.enter();
        let start = || {
            let Spawner { requests, process, pid, patience, .. } = sealed.start(true)?;
            Ok((Link::new(requests, patience)?, process, pid))
        };
        self.restarts.attempt(start, tokio::time::Instant::now, std::thread::sleep)
    }

    fn tell(&self, incident: Incident) {
        // Their number is bounded by that of restarts; a reader that takes none loses the later ones.
        let _ = self.incidents.try_send(incident);
    }
}

/// Waits for the end of a spawner.
fn ended(process: &OwnedFd) -> ExitStatus {
    loop {
        match spawner::reap(process.as_fd(), 0) {
            Ok(Some(status)) => return status,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Somebody else has waited for it.
            Ok(None) | Err(_) => return ExitStatus::Unknown,
        }
    }
}

/// When spawners were started anew.
#[derive(Debug, Default)]
struct Restarts(VecDeque<tokio::time::Instant>);

impl Restarts {
    /// Whether another may be started now; if so, it counts.
    fn allow(&mut self, now: tokio::time::Instant) -> bool {
        while self.0.front().is_some_and(|then| now.duration_since(*then) >= RESTARTS_WINDOW) {
            self.0.pop_front();
        }
        let allowed = self.0.len() < RESTARTS_MAX;
        if allowed {
            self.0.push_back(now);
        }
        allowed
    }

    /// Starts one, as often as is allowed and with a pause after each failure.
    fn attempt<T>(
        &mut self,
        mut start: impl FnMut() -> io::Result<T>,
        now: impl Fn() -> tokio::time::Instant,
        pause: impl Fn(Duration),
    ) -> Result<T, String> {
        let mut last = None;
        while self.allow(now()) {
            match start() {
                Ok(started) => return Ok(started),
                Err(error) => last = Some(error),
            }
            // What was in the way (memory, descriptors of the environments that died with it) goes within moments.
            pause(RESTART_PAUSE);
        }
        let often = format!(
            "because it ended more than {RESTARTS_MAX} times within {} seconds",
            RESTARTS_WINDOW.as_secs()
        );
        Err(last.map_or(often, |error| format!("because starting it failed: {error}")))
    }
}

/// Most restarts within the window. Ours: a fault of the kernel's or an operator's mistake is over by then; who can kill a
/// spawner again and again is not to be given new ones without end.
const RESTARTS_MAX: usize = 5;
const RESTARTS_WINDOW: Duration = Duration::from_mins(1);
/// Between a start that failed and the next.
const RESTART_PAUSE: Duration = Duration::from_secs(2);
/// Incidents kept for a slow receiver.
const INCIDENTS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Starts that fail `failures` times; what came of it, and the pauses.
    fn attempt(restarts: &mut Restarts, failures: usize) -> (Result<usize, String>, Vec<Duration>) {
        let (began, pauses) = (tokio::time::Instant::now(), RefCell::new(Vec::new()));
        let mut tries = 0;
        let start = || {
            tries += 1;
            if tries > failures { Ok(tries) } else { Err(io::Error::from(io::ErrorKind::OutOfMemory)) }
        };
        // Time passes in the pauses alone.
        let now = || began + pauses.borrow().iter().sum::<Duration>();
        let done = restarts.attempt(start, now, |pause| pauses.borrow_mut().push(pause));
        (done, pauses.into_inner())
    }

    #[test]
    fn after_a_start_that_failed_it_is_waited_and_tried_again_until_it_was_too_often() {
        assert_eq!(attempt(&mut Restarts::default(), 0), (Ok(1), Vec::new()));
        assert_eq!(attempt(&mut Restarts::default(), 3), (Ok(4), vec![RESTART_PAUSE; 3]));
        let mut restarts = Restarts::default();
        let (refused, pauses) = attempt(&mut restarts, usize::MAX);
        assert!(refused.unwrap_err().starts_with("because starting it failed: "));
        assert_eq!(pauses, vec![RESTART_PAUSE; RESTARTS_MAX]);
        // All are used up: none is even tried.
        let (refused, pauses) = attempt(&mut restarts, 0);
        assert!(refused.unwrap_err().starts_with("because it ended more than 5 times"));
        assert!(pauses.is_empty());
    }

    #[test]
    fn five_restarts_in_a_minute_are_allowed_and_more_only_when_the_first_is_past() {
        let (mut restarts, start) = (Restarts::default(), tokio::time::Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!((0..5).all(|second| restarts.allow(at(second))));
        assert!(!restarts.allow(at(5)));
        assert!(!restarts.allow(at(59)));
        // Refused ones do not count.
        assert!(restarts.allow(at(60)));
        assert!(!restarts.allow(at(60)));
        assert!(restarts.allow(at(61)));
    }

    #[test]
    fn a_program_that_would_not_recognise_the_spawner_is_not_started_as_one() {
        let refused = spawner::start_sealed().unwrap_err();
        assert!(refused.to_string().contains("spawner::enter"), "{refused}");
    }
}
