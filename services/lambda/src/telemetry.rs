//! What is told inside an environment, and who has asked to hear it: the Telemetry API and the older Logs API.
//!
//! An extension that subscribes names a port of its own. What is told goes there and nowhere else: over a socket that was made
//! inside the environment's network and can reach nothing beyond it. What waits for a subscriber is bounded; what is dropped is
//! counted and told.
//!
//! AWS: Lambda developer guide, "Lambda Telemetry API reference" and "Lambda Logs API".

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use casemate_names::{Clock, Timestamp};
use serde_json::Value;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};

mod courier;
mod subscription;

pub(crate) use subscription::{Api, Subscription};

use crate::{
    isolate::Outlet,
    platform::{self, Note},
};

/// Bytes that wait for one subscriber. Ours: twice the largest batch it can ask for.
const WAITING_BYTES_MAX: usize = 2 << 20;
/// What an event has besides its line.
const EVENT_OVERHEAD_BYTES: usize =
    r#"{"record":"","time":"1970-01-01T00:00:00.000Z","type":"function"}"#.len();
/// Notes of the start that are kept for who subscribes later. Ours: a start has about a dozen.
const KEPT_MAX: usize = 64;

/// Who wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Function,
    Extension,
}

/// A subscription that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Extensions subscribe while the environment starts, and not later.
    Closed,
    /// It has another subscription.
    Subscribed,
    /// There is no way to deliver: it is no external extension.
    NoWay,
}

/// What waits for one subscriber.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<String>,
    bytes: usize,
    dropped: Dropped,
    /// Nothing waits for company any more.
    hurried: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Dropped {
    records: u64,
    bytes: u64,
}

impl Dropped {
    fn add(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes as u64;
    }
}

impl Queue {
    fn push(&self, mut event: String) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.bytes + event.len() > WAITING_BYTES_MAX {
            waiting.dropped.add(event.len());
            return;
        }
        waiting.bytes += event.len();
        event.shrink_to_fit();
        waiting.events.push_back(event);
        drop(waiting);
        self.more.notify_one();
    }

    /// Is there room for an event of about so many bytes? One for which there is none counts as dropped.
    fn admits(&self, bytes: usize) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = waiting.bytes + bytes <= WAITING_BYTES_MAX;
        if !fits {
            waiting.dropped.add(bytes);
        }
        fits
    }

    fn hurry(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).hurried = true;
        self.more.notify_one();
    }
}

#[derive(Debug)]
struct Subscriber {
    name: String,
    wanted: Subscription,
    queue: Arc<Queue>,
    courier: JoinHandle<()>,
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.courier.abort();
    }
}

#[derive(Debug)]
struct State {
    open: bool,
    kept: Vec<(Timestamp, Note)>,
    subscribers: Vec<Subscriber>,
    outlets: Vec<Outlet>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Telemetry {
    clock: Arc<dyn Clock>,
    running: watch::Sender<bool>,
    state: Mutex<State>,
}

impl Telemetry {
    /// With these ways in.
    pub(crate) fn new(clock: Arc<dyn Clock>, outlets: Vec<Outlet>) -> Self {
        let state = State { open: true, kept: Vec::new(), subscribers: Vec::new(), outlets };
        Self { clock, running: watch::Sender::new(true), state: Mutex::new(state) }
    }

    /// Tells of something the platform has noted.
    pub(crate) fn note(&self, at: Timestamp, note: &Note) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.open && state.kept.len() < KEPT_MAX {
            state.kept.push((at, note.clone()));
        }
        for subscriber in &state.subscribers {
            subscriber.note(at, note);
        }
    }

    /// Tells of a line that somebody inside has written.
    pub(crate) fn line(&self, at: Timestamp, source: Source, line: &[u8], as_json: bool) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = match source {
            Source::Function => "function",
            Source::Extension => "extension",
        };
        // Nothing is made of a line that nobody can take: a flood costs no more than counting it.
        let bytes = line.len() + EVENT_OVERHEAD_BYTES;
        let hearing = state.subscribers.iter().filter(|one| one.wanted.hears_lines_of(source));
        let taking: Vec<_> = hearing.filter(|one| one.queue.admits(bytes)).collect();
        if taking.is_empty() {
            return;
        }
        // AWS: with the log format JSON objects are told as objects.
        let object = || serde_json::from_slice::<Value>(line).ok().filter(Value::is_object);
        let text = || Value::String(String::from_utf8_lossy(line).into_owned());
        let record = as_json.then(object).flatten().unwrap_or_else(text);
        let event = platform::line(kind, at, &record);
        for one in taking {
            one.queue.push(event.clone());
        }
    }

    /// Nobody subscribes any more.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.open, state.kept) = (false, Vec::new());
    }

    /// Whether there is anybody to deliver to: a frozen environment answers nobody.
    pub(crate) fn set_running(&self, running: bool) {
        self.running.send_replace(running);
    }

    /// From now on everything is delivered at once: the environment ends.
    pub(crate) fn hurry(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.subscribers.iter().for_each(|one| one.queue.hurry());
    }

    /// An extension subscribes; answers with what is to be told of it. `None`: it has this very subscription already.
    pub(crate) fn subscribe(&self, name: &str, wanted: Subscription) -> Result<Option<Note>, Refused> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !state.open {
            return Err(Refused::Closed);
        }
        if let Some(earlier) = state.subscribers.iter().find(|one| one.name == name) {
            // AWS: who asks twice has one subscription, and none of the other API's besides (Lambda Logs API, "Subscribing").
            return if earlier.wanted == wanted { Ok(None) } else { Err(Refused::Subscribed) };
        }
        let outlet = state.outlets.pop().ok_or(Refused::NoWay)?;
        let queue = Arc::new(Queue::default());
        let delivery = courier::Courier::new(
            outlet,
            wanted.clone(),
            Arc::clone(&queue),
            self.running.subscribe(),
            &self.clock,
        );
        let courier = tokio::spawn(delivery.run());
        let told = Note::subscription(wanted.api, name, wanted.types());
        let subscriber = Subscriber { name: name.to_owned(), wanted, queue, courier };
        for (at, note) in &state.kept {
            subscriber.note(*at, note);
        }
        state.subscribers.push(subscriber);
        Ok(Some(told))
    }
}

impl Subscriber {
    fn note(&self, at: Timestamp, note: &Note) {
        for event in self.wanted.told(at, note) {
            self.queue.push(event);
        }
    }
}
