//! Where records go: a directory of chained files, or memory in tests.
//!
//! Appending copies one line into a buffer under a lock; a thread of its own writes and syncs the buffer, so requests
//! never wait for the disk. A crash can lose the records of the last moments (not more than [`PENDING_MAX`] bytes), which
//! is seen as a shorter, unbroken chain.
//!
//! While the disk takes nothing (it is full, say) requests are refused and the batch is kept; it is tried again until it is
//! written, and then requests are served again. Nothing is left out in between.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use aws_lc_rs::hmac;
use casemate_names::Timestamp;

use super::{
    Kind, Record,
    chain::{self, ChainError, Head},
    files::{FileSink, cut_torn_line},
    search,
};

/// Records waiting for the disk may take this much memory; beyond it requests are refused.
pub(crate) const PENDING_MAX: usize = 64 << 20;

/// How long after a failure writing is tried again, if nothing is appended meanwhile.
const RETRY: Duration = Duration::from_secs(1);

/// Events are kept up to this much of it.
const EVENTS_PENDING_MAX: usize = PENDING_MAX / 4;

/// Handle to the trail. Cheap to clone.
#[derive(Clone)]
pub struct Audit(Arc<Inner>);

struct Inner {
    key: hmac::Key,
    state: Mutex<State>,
    work: Condvar,
    written: Condvar,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Where the files are; `None` in memory.
    directory: Option<PathBuf>,
}

#[derive(Debug)]
struct State {
    head: Head,
    pending: Vec<u8>,
    /// What was appended, when the trail lives in memory.
    memory: Option<Vec<Record>>,
    failure: Option<String>,
    /// Bytes handed to the writer but not yet synced.
    in_flight: bool,
    closing: bool,
    /// How many events were not kept since this was last recorded, and when the last of them happened.
    dropped: Option<(u64, Timestamp)>,
}

impl State {
    fn append(&mut self, key: &hmac::Key, mut record: Record) {
        let line = self.head.extend(key, &mut record);
        if let Some(memory) = &mut self.memory {
            memory.push(record);
        } else {
            self.pending.extend_from_slice(&line);
        }
    }

    /// Records how many events were not kept, if any.
    fn tell_dropped(&mut self, key: &hmac::Key) {
        let Some((count, at)) = self.dropped.take() else { return };
        let mut record = Record::opened(Kind::Event, String::new(), at, "audit".to_owned());
        record.operation = Some("audit.events-dropped".to_owned());
        record.detail = Some(format!("{count} events came faster than they could be written"));
        record.alarm = Some("more events than can be kept".to_owned());
        self.append(key, record);
    }
}

/// The trail cannot be used.
#[derive(Debug)]
pub enum AuditError {
    /// The existing trail does not verify.
    Chain(ChainError),
    /// The directory or file cannot be written.
    Unwritable(PathBuf, io::Error),
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain(error) => write!(f, "the audit trail does not verify: {error}"),
            Self::Unwritable(path, error) => {
                write!(f, "cannot write the audit trail `{}`: {error}", path.display())
            }
        }
    }
}

impl std::error::Error for AuditError {}

impl Audit {
    /// A trail in memory, for tests.
    pub fn in_memory() -> Self {
        let inner = Inner::new(hmac::Key::new(hmac::HMAC_SHA256, b"memory"), Head::START, None);
        Self(Arc::new(inner))
    }

    /// Opens the trail in `directory`. The last file's chain is verified first: a trail that was tampered with is not
    /// continued. A torn last line (power loss in mid-write) is cut off.
    pub fn open(directory: &Path, key: [u8; 32]) -> Result<Self, AuditError> {
        let unwritable = |path: &Path| {
            let path = path.to_owned();
            move |error| AuditError::Unwritable(path, error)
        };
        fs::create_dir_all(directory).map_err(unwritable(directory))?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        cut_torn_line(directory)?;
        let verified = chain::verify_directory(directory, &key, |_| ()).map_err(AuditError::Chain)?;
        let head = Head { sequence: verified.records, mac: verified.mac };
        // Before there is a file to be cut: a server that stops before its first record leaves a trail that verifies.
        chain::write_head(directory, &key, &head).map_err(unwritable(directory))?;
        let mut sink = FileSink::open(directory).map_err(unwritable(directory))?;
        let inner = Arc::new(Inner::new(key, head, Some(directory.to_owned())));
        let shared = Arc::clone(&inner);
        let thread = std::thread::Builder::new()
            .name("audit-writer".to_owned())
            .spawn(move || shared.write_until_closed(&mut sink))
            .map_err(unwritable(directory))?;
        *lock(&inner.writer) = Some(thread);
        Ok(Self(inner))
    }

    /// `Err` says why nothing can be recorded; the pipeline then refuses every request.
    pub fn healthy(&self) -> Result<(), String> {
        let state = lock(&self.0.state);
        match &state.failure {
            Some(failure) => Err(failure.clone()),
            None if state.pending.len() > PENDING_MAX => {
                Err("audit records are written too slowly".to_owned())
            }
            None => Ok(()),
        }
    }

    /// Appends a record.
    pub fn append(&self, record: Record) {
        lock(&self.0.state).append(&self.0.key, record);
        self.0.work.notify_one();
    }

    /// Appends what is not a request's record, if there is room for it.
    pub(super) fn append_event(&self, record: Record, at: Timestamp) {
        let mut state = lock(&self.0.state);
        if state.pending.len() > EVENTS_PENDING_MAX {
            let dropped = state.dropped.map_or(0, |(count, _)| count);
            state.dropped = Some((dropped.saturating_add(1), at));
            return;
        }
        state.append(&self.0.key, record);
        drop(state);
        self.0.work.notify_one();
    }

    /// Number of records so far.
    pub fn len(&self) -> u64 {
        lock(&self.0.state).head.sequence
    }

    /// Is the trail empty?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The records of a trail in memory; empty for one on disk.
    pub fn records(&self) -> Vec<Record> {
        lock(&self.0.state).memory.clone().unwrap_or_default()
    }

    /// The records that are about request `id` or were caused by it, oldest first. Reads files: not for the reactor.
    pub fn about(&self, id: &str) -> io::Result<Vec<Record>> {
        let Some(directory) = &self.0.directory else {
            return Ok(self.records().into_iter().filter(|record| search::concerns(record, id)).collect());
        };
        self.flush();
        search::about(directory, id)
    }

    /// Waits until everything appended so far is on disk.
    pub fn flush(&self) {
        let mut state = lock(&self.0.state);
        while state.failure.is_none()
            && state.memory.is_none()
            && (!state.pending.is_empty() || state.in_flight)
        {
            state = self.0.written.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Writes what is left and ends the writer. Records appended later are lost; call it last.
    pub fn close(&self) {
        lock(&self.0.state).closing = true;
        self.0.work.notify_all();
        if let Some(thread) = lock(&self.0.writer).take() {
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("records", &self.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inner(..)")
    }
}

impl Inner {
    fn new(key: hmac::Key, head: Head, directory: Option<PathBuf>) -> Self {
        let memory = if directory.is_none() { Some(Vec::new()) } else { None };
        let state = State {
            head,
            pending: Vec::new(),
            memory,
            failure: None,
            in_flight: false,
            closing: false,
            dropped: None,
        };
        Self {
            key,
            state: Mutex::new(state),
            work: Condvar::new(),
            written: Condvar::new(),
            writer: Mutex::new(None),
            directory,
        }
    }

    fn write_until_closed(&self, sink: &mut FileSink) {
        loop {
            let batch = {
                let mut state = lock(&self.state);
                while state.pending.is_empty() && !state.closing {
                    state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                if state.pending.is_empty() {
                    return;
                }
                state.tell_dropped(&self.key);
                state.in_flight = true;
                (state.head, std::mem::take(&mut state.pending))
            };
            if !self.write(sink, batch) {
                return;
            }
        }
    }

    /// Writes a batch, however often it must be tried. `false`: it could not be, and the trail is closed.
    fn write(&self, sink: &mut FileSink, (head, mut batch): (Head, Vec<u8>)) -> bool {
        loop {
            let written = if batch.is_empty() { Ok(()) } else { sink.write(&batch) };
            let result = written.and_then(|()| {
                // Not a second time, should only the head be missing.
                batch.clear();
                chain::write_head(&sink.directory, &self.key, &head)
            });
            let mut state = lock(&self.state);
            let Err(error) = result else {
                state.in_flight = false;
                state.failure = None;
                self.written.notify_all();
                return true;
            };
            state.failure = Some(format!("the audit trail cannot be written: {error}"));
            self.written.notify_all();
            if state.closing {
                return false;
            }
            drop(self.work.wait_timeout(state, RETRY));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
