//! The recorder: what users and roles really use, seen where it is decided.
//!
//! ```text
//! gate ── allowed ──▶ hash known? ── yes ──▶ count
//!      └─ refused         │ no
//!                         ▼
//!                       book (bounded) ── every 60 s and at shutdown ──▶ store (sealed rows)
//! ```
//!
//! A request that was seen before costs a hash and two counters. Only what the gate allowed counts as use; refusals are
//! kept apart, and a request of several asks counts only when all were allowed. Anonymous callers, services, bearers of
//! in-band proofs and account roots have no policies that could be made smaller and are not recorded. Addresses, user
//! agents and times are never recorded. Refuses to know what the records are for.

mod book;
mod entry;
pub mod limits;
mod principal;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use casemate_names::{Entropy, Timestamp};
use casemate_policy::PART_BYTES_MIN;
use casemate_store::{Key, Store, StoreError};
use foldhash::{SharedSeed, fast::FoldHasher};

pub(crate) use self::book::Who;
use self::{
    book::{Book, EntryRow, PrincipalRow},
    entry::Tally,
    limits::{ROWS_PER_WRITE, SEEN_PER_SHARD_MAX, SHARDS},
};
pub use self::{
    book::{Recorded, RecordedEntry},
    entry::{Body, Exact, General, GeneralKey, Refused},
};
use crate::{Ask, Caller, KeyValue, explain::is_private};

/// An ask as the recorder sees it: what the hash is made of.
#[derive(Debug, Clone, Copy)]
pub struct Sighting<'a> {
    /// Who.
    pub caller: &'a Caller,
    /// What.
    pub ask: &'a Ask,
    /// Through which services.
    pub called_via: &'a [&'static str],
}

/// What is looked up only when a request is new.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// Policy variables with their values, the most telling first.
    pub variables: Vec<(String, String)>,
    /// Further global keys.
    pub facts: Vec<(String, String)>,
}

/// Remembers what was used.
#[derive(Debug)]
pub struct Recorder {
    store: Store,
    seed: u64,
    shared: SharedSeed,
    shards: Vec<Mutex<Shard>>,
    book: Mutex<Book>,
}

/// Counters by hash. The key is a hash already.
type Shard = HashMap<u64, Arc<Tally>, BuildHasherDefault<Itself>>;

/// Hashes a hash: by itself.
#[derive(Debug, Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl Recorder {
    /// Opens the recorder with what the store has.
    pub fn open(store: Store, entropy: &dyn Entropy) -> Result<Self, StoreError> {
        let mut seeds = [0_u8; 16];
        // The hash is keyed, or a caller could choose requests that hide others.
        entropy.fill("kernel.recorder", &mut seeds);
        let seeds = u128::from_le_bytes(seeds);
        let book = load(&store)?;
        Ok(Self {
            store,
            seed: low(seeds),
            shared: SharedSeed::from_u64(low(seeds >> 64)),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            book: Mutex::new(book),
        })
    }

    /// Notes an allowed ask.
    pub fn allowed(&self, sighting: &Sighting<'_>, now: Timestamp, details: impl FnOnce() -> Details) {
        let Some(who) = who(sighting.caller) else { return };
        let hash = self.hash(sighting, 1);
        if self.seen(hash, now) {
            return;
        }
        let exact = exact(sighting, details());
        let entered = self.book().allowed(&who, sighting.ask.action, exact, now);
        self.remember(hash, entered);
    }

    /// Notes a refused ask.
    pub fn refused(&self, sighting: &Sighting<'_>, decision: &casemate_policy::Decision, now: Timestamp) {
        let Some(who) = who(sighting.caller) else { return };
        let hash = self.hash(sighting, 2);
        if self.seen(hash, now) {
            return;
        }
        let explicit = decision.verdict == casemate_policy::Verdict::ExplicitDeny;
        let refused = Refused {
            resource: resource(sighting.ask).to_owned(),
            verdict: if explicit { "explicit" } else { "implicit" }.to_owned(),
            layer: decision.because.layer.to_string(),
        };
        let entered = self.book().refused(&who, sighting.ask.action, refused, now);
        self.remember(hash, entered);
    }

    /// What is recorded of the user or role with this unique id.
    pub fn recorded(&self, unique_id: &str) -> Option<Recorded> {
        self.book().recorded(unique_id)
    }

    /// Requests of users and roles for which there was no room at all, since the start.
    pub fn lost(&self) -> u64 {
        self.book().lost
    }

    /// Writes what has changed and forgets what is too old. What fails to be written is tried again next time.
    pub async fn flush(&self, now: Timestamp) -> Result<(), StoreError> {
        let (changes, removals) = {
            let mut book = self.book();
            let removals = book.expire(now);
            (book.changes(), removals)
        };
        if !removals.entries.is_empty() {
            // Their counters must not be found any more.
            self.shards.iter().for_each(|shard| locked(shard).clear());
        }
        let principals: Arc<Vec<_>> = Arc::new(changes.principals.clone());
        if !principals.is_empty() {
            let put = move |tx: &mut casemate_store::WriteTx<'_>| {
                principals.iter().try_for_each(|(unique_id, row)| tx.put(&principal_key(unique_id), row))
            };
            self.store.write::<(), StoreError, _>(put).await?;
        }
        for chunk in changes.entries.chunks(ROWS_PER_WRITE) {
            let rows = chunk.to_vec();
            let put = move |tx: &mut casemate_store::WriteTx<'_>| {
                rows.iter().try_for_each(|(unique_id, id, _, row)| tx.put(&entry_key(unique_id, *id), row))
            };
            self.store.write::<(), StoreError, _>(put).await?;
        }
        for chunk in removals.entries.chunks(ROWS_PER_WRITE) {
            let keys: Vec<Key> = chunk.iter().map(|(unique_id, id)| entry_key(unique_id, *id)).collect();
            let delete = move |tx: &mut casemate_store::WriteTx<'_>| {
                keys.iter().try_for_each(|key| tx.delete::<EntryRow>(key))
            };
            self.store.write::<(), StoreError, _>(delete).await?;
        }
        for chunk in removals.principals.chunks(ROWS_PER_WRITE) {
            let keys: Vec<Key> = chunk.iter().map(|unique_id| principal_key(unique_id)).collect();
            let delete = move |tx: &mut casemate_store::WriteTx<'_>| {
                keys.iter().try_for_each(|key| tx.delete::<PrincipalRow>(key))
            };
            self.store.write::<(), StoreError, _>(delete).await?;
        }
        self.book().written(&changes);
        Ok(())
    }

    /// Counts a request seen before.
    fn seen(&self, hash: u64, now: Timestamp) -> bool {
        let Some(shard) = self.shard(hash) else { return false };
        match locked(shard).get(&hash) {
            Some(tally) => {
                tally.bump(now);
                true
            }
            None => false,
        }
    }

    fn remember(&self, hash: u64, entered: Option<Arc<Tally>>) {
        let (Some(tally), Some(shard)) = (entered, self.shard(hash)) else { return };
        let mut shard = locked(shard);
        if shard.len() >= SEEN_PER_SHARD_MAX {
            shard.clear();
        }
        shard.insert(hash, tally);
    }

    fn shard(&self, hash: u64) -> Option<&Mutex<Shard>> {
        // The upper bits: the lower ones choose the bucket inside.
        self.shards.get(usize::try_from(hash >> 60).unwrap_or(0) % SHARDS)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        locked(&self.book)
    }

    /// Everything that makes two requests different, apart from facts that are the same for both anyway.
    fn hash(&self, sighting: &Sighting<'_>, salt: u8) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        let mut text = |text: &str| {
            hasher.write(text.as_bytes());
            hasher.write_usize(text.len());
        };
        match sighting.caller.actor() {
            Caller::User { unique_id, .. } => text(unique_id),
            Caller::Role(session) => {
                text(&session.role_unique_id);
                text(&session.session_name);
                session.source_identity.iter().for_each(|identity| text(identity));
                for (key, value) in &session.tags {
                    text(key);
                    text(value);
                }
            }
            Caller::Anonymous
            | Caller::Root { .. }
            | Caller::UserSession(_)
            | Caller::RootSession(_)
            | Caller::Federated(_)
            | Caller::WebIdentity(_)
            | Caller::Service { .. }
            | Caller::Bearer { .. } => {}
        }
        let ask = sighting.ask;
        text(ask.action);
        text(resource(ask));
        for (name, value) in &ask.keys {
            text(name);
            match value {
                Some(value) => value.texts().iter().for_each(|value| text(value)),
                None => text("?"),
            }
        }
        sighting.called_via.iter().for_each(|service| text(service));
        let counts = ask.keys.iter().map(|(_, value)| match value {
            None => 0,
            Some(KeyValue::One(_)) => 1,
            Some(KeyValue::Many(texts)) => texts.len() + 2,
        });
        counts.chain([sighting.called_via.len()]).for_each(|count| hasher.write_usize(count));
        salt.hash(&mut hasher);
        hasher.finish()
    }
}

/// Whose use it is: of users and roles only. A user's temporary credentials are the user's; a federated user has less than
/// its owner and is nobody whose policies could be made smaller.
pub(crate) fn who(caller: &Caller) -> Option<Who<'_>> {
    match caller.actor() {
        Caller::User { arn, unique_id, .. } => Some(Who { unique_id, arn: arn.as_str() }),
        Caller::Role(session) => {
            Some(Who { unique_id: &session.role_unique_id, arn: session.role_arn.as_str() })
        }
        Caller::Anonymous
        | Caller::Root { .. }
        | Caller::UserSession(_)
        | Caller::RootSession(_)
        | Caller::Federated(_)
        | Caller::WebIdentity(_)
        | Caller::Service { .. }
        | Caller::Bearer { .. } => None,
    }
}

fn exact(sighting: &Sighting<'_>, details: Details) -> Exact {
    let mut keys = sighting.ask.keys.clone();
    // What proves something is nobody's to read later: known to have been there, no more.
    keys.iter_mut()
        .filter(|(name, _)| is_private(&name.to_ascii_lowercase()))
        .for_each(|(_, value)| *value = None);
    keys.sort();
    let resource = resource(sighting.ask);
    // A session's name makes a difference only where it shows in what is asked: else every session would be a request of
    // its own. Tags always do, because policies are often about them.
    let shows = |value: &str| {
        let texts =
            keys.iter().filter_map(|(_, value)| value.as_ref()).flat_map(KeyValue::texts).map(String::as_str);
        let inside = |text: &str| text == value || value.len() >= PART_BYTES_MIN && text.contains(value);
        !value.is_empty() && texts.chain([resource]).any(inside)
    };
    let telling = |(name, value): &(String, String)| name.starts_with("aws:PrincipalTag/") || shows(value);
    let (variables, others) = details.variables.into_iter().partition(telling);
    Exact {
        resource: resource.to_owned(),
        variables,
        facts: [others, details.facts].concat(),
        keys,
        called_via: sighting.called_via.iter().map(|service| (*service).to_owned()).collect(),
    }
}

fn resource(ask: &Ask) -> &str {
    ask.resource.as_ref().map_or("*", |arn| arn.as_str())
}

fn load(store: &Store) -> Result<Book, StoreError> {
    let mut book = Book::default();
    store.read::<_, StoreError>(|tx| {
        for (key, row) in tx.scan::<PrincipalRow>(&Key::global(), None, usize::MAX)? {
            if let Some(unique_id) = key.text_at(0) {
                book.load_principal(unique_id, row);
            }
        }
        for (key, row) in tx.scan::<EntryRow>(&Key::global(), None, usize::MAX)? {
            if let (Some(unique_id), Some(id)) = (key.text_at(0), key.number_at(1)) {
                book.load_entry(&unique_id, id, row);
            }
        }
        Ok(())
    })?;
    Ok(book)
}

fn principal_key(unique_id: &str) -> Key {
    Key::global().text(unique_id)
}

fn entry_key(unique_id: &str, id: u64) -> Key {
    Key::global().text(unique_id).number(id)
}

fn low(seed: u128) -> u64 {
    u64::try_from(seed & u128::from(u64::MAX)).unwrap_or(0)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
