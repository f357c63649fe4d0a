//! Things that take long to make and much room to keep: each made when it is first wanted, once, whoever waits for it.
//!
//! ```text
//!   wanted ──▶ being made, in a task of its own ──▶ made ──▶ dropped: unused too long, or the least lately used of too many
//!                        └──▶ failed: whoever wants it is told so for a while, and nothing is made
//! ```
//! That somebody waits no longer ends nothing: else a thing that takes long would be begun by every request and finished by
//! none. A few are made at a time, and where there is no room beside those, others wait. What takes longer than its limit, once
//! its turn has come, is given up. Knows nothing of what it keeps.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore, watch},
    time::{Instant, sleep, timeout},
};

use crate::error::Error;

/// How much is kept, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Things that are made or being made.
    pub(crate) count: usize,
    /// Bytes of those that are made.
    pub(crate) bytes: u64,
    /// How long one may be unused.
    pub(crate) unused: Duration,
    /// How long a failure is remembered.
    pub(crate) failed: Duration,
    /// How long making one may take, from when its turn has come.
    pub(crate) making: Duration,
    /// How many are made at a time.
    pub(crate) turns: usize,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Kept<K, T> {
    shelf: Arc<Shelf<K, T>>,
}

#[derive(Debug)]
struct Shelf<K, T> {
    all: Mutex<BTreeMap<K, State<T>>>,
    bounds: Bounds,
    turns: Semaphore,
    /// Told whenever one is not being made any more.
    over: Notify,
}

#[derive(Debug)]
enum State<T> {
    Making(watch::Receiver<Option<Outcome<T>>>),
    Made { thing: T, bytes: u64, used: Instant },
    Failed { why: Arc<Error>, at: Instant },
}

type Outcome<T> = Result<T, Arc<Error>>;

impl<K, T> Kept<K, T>
where
    K: Clone + Ord + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Keeps nothing yet. What is unused is looked for as long as this is there.
    pub(crate) fn new(bounds: Bounds) -> Self {
        let turns = Semaphore::new(bounds.turns);
        let shelf = Arc::new(Shelf { all: Mutex::default(), bounds, turns, over: Notify::new() });
        let looked_through = Arc::downgrade(&shelf);
        tokio::spawn(async move {
            loop {
                sleep(bounds.unused / LOOKS).await;
                let Some(shelf) = looked_through.upgrade() else { return };
                shelf.sweep(Instant::now());
            }
        });
        Self { shelf }
    }

    /// The thing of this key; `make` makes it and says how many bytes it takes, where there is none. What is `outdated` goes.
    /// It is `now`. Waits as long as others are being made and there is no room.
    pub(crate) async fn get<F>(
        &self,
        (key, now): (K, Instant),
        outdated: impl Fn(&K) -> bool,
        make: impl FnOnce() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<(T, u64), Error>> + Send + 'static,
    {
        let made = loop {
            // Before it is looked whether there is room: else the end of one might be missed.
            let mut over = pin!(self.shelf.over.notified());
            over.as_mut().enable();
            {
                self.shelf.sweep(now);
                let mut all = self.shelf.locked();
                all.retain(|key, state| matches!(state, State::Making(_)) || !outdated(key));
                match all.get_mut(&key) {
                    Some(State::Made { thing, used, .. }) => {
                        *used = now;
                        return Ok(thing.clone());
                    }
                    Some(State::Failed { why, .. }) => return Err(Error::Remembered(Arc::clone(why))),
                    Some(State::Making(outcome)) => break outcome.clone(),
                    None => {
                        if self.shelf.make_room(&mut all) {
                            let (told, outcome) = watch::channel(None);
                            all.insert(key.clone(), State::Making(outcome.clone()));
                            tokio::spawn(Arc::clone(&self.shelf).make(key, make(), told));
                            break outcome;
                        }
                    }
                }
            }
            over.await;
        };
        waited_for(made).await
    }

    /// The thing of this key, where there is one; nothing is made. What is `outdated` goes.
    pub(crate) fn find(&self, (key, now): (&K, Instant), outdated: impl Fn(&K) -> bool) -> Option<T> {
        self.shelf.sweep(now);
        let mut all = self.shelf.locked();
        all.retain(|key, state| matches!(state, State::Making(_)) || !outdated(key));
        match all.get_mut(key)? {
            State::Made { thing, used, .. } => {
                *used = now;
                Some(thing.clone())
            }
            State::Making(_) | State::Failed { .. } => None,
        }
    }

    /// Keeps a thing that somebody else has made, in the place of what there was, and counts it with the others.
    pub(crate) fn put(&self, (key, now): (K, Instant), (thing, bytes): (T, u64)) -> Result<(), Error> {
        if bytes > self.shelf.bounds.bytes {
            return Err(TOO_LARGE);
        }
        self.shelf.sweep(now);
        let mut all = self.shelf.locked();
        if matches!(all.get(&key), Some(State::Making(_))) {
            return Err(Error::Refused("it is being made"));
        }
        all.remove(&key);
        if !self.shelf.make_room(&mut all) {
            return Err(Error::Refused("there is no room for another template"));
        }
        self.shelf.insert(&mut all, key, State::Made { thing, bytes, used: now });
        Ok(())
    }

    /// Drops what is made of these.
    pub(crate) fn forget(&self, these: impl Fn(&K) -> bool) {
        self.shelf.locked().retain(|key, state| matches!(state, State::Making(_)) || !these(key));
    }

    /// How many are made.
    #[cfg(test)]
    fn made(&self) -> usize {
        self.shelf.locked().values().filter(|state| matches!(state, State::Made { .. })).count()
    }
}

impl<K: Clone + Ord, T: Clone> Shelf<K, T> {
    async fn make(
        self: Arc<Self>,
        key: K,
        making: impl Future<Output = Result<(T, u64), Error>>,
        told: watch::Sender<Option<Outcome<T>>>,
    ) {
        let _over = Over(&self.over);
        // Gone before that is told, so that what panicked is not taken for being made.
        let told = told;
        let limit = self.bounds.making;
        let made = match self.turns.acquire().await {
            Ok(_turn) => timeout(limit, making).await.unwrap_or(Err(Error::TookTooLong(limit))),
            Err(_) => Err(Error::Gone),
        };
        let made = made.and_then(|(thing, bytes)| {
            let fits = bytes <= self.bounds.bytes;
            fits.then_some((thing, bytes)).ok_or(TOO_LARGE)
        });
        let (state, outcome) = match made {
            Ok((thing, bytes)) => {
                (State::Made { thing: thing.clone(), bytes, used: Instant::now() }, Ok(thing))
            }
            Err(why) => {
                let why = Arc::new(why);
                (State::Failed { why: Arc::clone(&why), at: Instant::now() }, Err(why))
            }
        };
        {
            let mut all = self.locked();
            all.remove(&key);
            self.insert(&mut all, key, state);
        }
        told.send_replace(Some(outcome));
    }

    /// Others go where it would be too much.
    fn insert(&self, all: &mut BTreeMap<K, State<T>>, key: K, state: State<T>) {
        let new = if let State::Made { bytes, .. } = &state { *bytes } else { 0 };
        while bytes(all).saturating_add(new) > self.bounds.bytes && drop_least_used(all) {}
        all.insert(key, state);
    }

    /// Drops what has been unused or remembered long enough, and what ended while it was made.
    fn sweep(&self, now: Instant) {
        self.locked().retain(|_, state| match state {
            State::Making(outcome) => outcome.has_changed().is_ok(),
            State::Made { used, .. } => now.duration_since(*used) < self.bounds.unused,
            State::Failed { at, .. } => now.duration_since(*at) < self.bounds.failed,
        });
    }

    /// Whether there is some.
    fn make_room(&self, all: &mut BTreeMap<K, State<T>>) -> bool {
        let taken = |all: &BTreeMap<K, State<T>>| {
            all.values().filter(|state| !matches!(state, State::Failed { .. })).count()
        };
        while taken(all) >= self.bounds.count {
            if !drop_least_used(all) {
                return false;
            }
        }
        true
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<K, State<T>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells that something is not being made any more, however that ended.
struct Over<'a>(&'a Notify);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.notify_waiters();
    }
}

/// Whether there was one.
fn drop_least_used<K: Clone + Ord, T>(all: &mut BTreeMap<K, State<T>>) -> bool {
    let used = all.iter().filter_map(|(key, state)| match state {
        State::Made { used, .. } => Some((*used, key.clone())),
        State::Making(_) | State::Failed { .. } => None,
    });
    let least = used.min();
    least.is_some_and(|(_, key)| all.remove(&key).is_some())
}

fn bytes<K, T>(all: &BTreeMap<K, State<T>>) -> u64 {
    all.values().fold(0, |sum: u64, state| match state {
        State::Made { bytes, .. } => sum.saturating_add(*bytes),
        State::Making(_) | State::Failed { .. } => sum,
    })
}

async fn waited_for<T: Clone>(mut made: watch::Receiver<Option<Outcome<T>>>) -> Result<T, Error> {
    let outcome = made.wait_for(Option::is_some).await.map_err(|_| Error::Gone)?.clone();
    outcome.unwrap_or(Err(Arc::new(Error::Gone))).map_err(Error::Shared)
}

const TOO_LARGE: Error = Error::Refused("a template takes more room than all may");
/// Looks in the time that one may be unused.
const LOOKS: u32 = 4;

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
