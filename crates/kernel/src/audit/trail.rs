//! Where records go: a directory of chained files, or memory in tests.
//!
//! Appending copies one line into a buffer under a lock; a thread of its own writes and syncs the buffer, so requests
//! never wait for the disk. A crash can lose the records of the last moments (not more than [`PENDING_MAX`] bytes), which
//! is seen as a shorter, unbroken chain.

use std::{
    fmt, fs,
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
};

use aws_lc_rs::hmac;
use casemate_names::Timestamp;

use super::{
    Kind, Record,
    chain::{self, ChainError, Head},
};

/// Records waiting for the disk may take this much memory; beyond it requests are refused.
pub(crate) const PENDING_MAX: usize = 64 << 20;

/// Events are kept up to this much of it.
const EVENTS_PENDING_MAX: usize = PENDING_MAX / 4;

/// Files searched for a request, from the newest: two gigabytes, read in seconds. Ours.
const FILES_SEARCHED_MAX: usize = 8;

/// A file of the trail is closed at this size and the next one begun.
const FILE_MAX: u64 = 256 << 20;

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
        let concerns = |record: &Record| record.id == id || record.parent.as_deref() == Some(id);
        let Some(directory) = &self.0.directory else {
            return Ok(self.records().into_iter().filter(concerns).collect());
        };
        self.flush();
        let files = chain::files(directory).map_err(io::Error::other)?;
        for file in files.iter().rev().take(FILES_SEARCHED_MAX) {
            let mut found = Vec::new();
            for line in io::BufReader::new(fs::File::open(file)?).lines() {
                let line = line?;
                // Reading a line as text is much cheaper than as a record.
                if !line.contains(id) {
                    continue;
                }
                let text = line.split('\t').next().unwrap_or(&line);
                found.extend(serde_json::from_str::<Record>(text).ok().filter(&concerns));
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
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
            let result =
                sink.write(&batch.1).and_then(|()| chain::write_head(&sink.directory, &self.key, &batch.0));
            let mut state = lock(&self.state);
            state.in_flight = false;
            if let Err(error) = result {
                state.failure = Some(format!("the audit trail cannot be written: {error}"));
            }
            self.written.notify_all();
        }
    }
}

#[derive(Debug)]
struct FileSink {
    directory: PathBuf,
    number: u32,
    file: fs::File,
    size: u64,
}

impl FileSink {
    fn open(directory: &Path) -> io::Result<Self> {
        let last = chain::files(directory).ok().and_then(|files| files.last().cloned());
        let number = last
            .as_deref()
            .and_then(Path::file_stem)
            .and_then(|stem| stem.to_str())
            .and_then(|stem| stem.parse().ok())
            .unwrap_or(1);
        let file = Self::file(directory, number)?;
        let size = file.metadata()?.len();
        Ok(Self { directory: directory.to_owned(), number, file, size })
    }

    fn file(directory: &Path, number: u32) -> io::Result<fs::File> {
        fs::OpenOptions::new().create(true).append(true).open(directory.join(format!("{number:08}.jsonl")))
    }

    fn write(&mut self, batch: &[u8]) -> io::Result<()> {
        if self.size > FILE_MAX {
            self.number += 1;
            self.file = Self::file(&self.directory, self.number)?;
            self.size = 0;
        }
        self.file.write_all(batch)?;
        self.size += batch.len() as u64;
        self.file.sync_data()
    }
}

/// A power loss can leave half a line at the end of the last file. It was never acknowledged as written: cut it off.
fn cut_torn_line(directory: &Path) -> Result<(), AuditError> {
    let Some(last) = chain::files(directory).map_err(AuditError::Chain)?.pop() else { return Ok(()) };
    let failed = |error| AuditError::Unwritable(last.clone(), error);
    let bytes = fs::read(&last).map_err(failed)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if whole < bytes.len() {
        let file = fs::OpenOptions::new().write(true).open(&last).map_err(failed)?;
        file.set_len(whole as u64).map_err(failed)?;
        file.sync_data().map_err(failed)?;
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use casemate_names::Timestamp;

    use super::*;
    use crate::audit::Kind;

    const KEY: [u8; 32] = [7; 32];

    fn record(id: u32) -> Record {
        Record::opened(Kind::Request, format!("request-{id}"), Timestamp::from_seconds(1), "peer".to_owned())
    }

    fn trail_of(directory: &Path, records: u32) {
        let audit = Audit::open(directory, KEY).unwrap();
        (0..records).for_each(|id| audit.append(record(id)));
        audit.flush();
        audit.close();
    }

    fn edit(directory: &Path, change: impl FnOnce(String) -> String) {
        let file = directory.join("00000001.jsonl");
        let text = change(fs::read_to_string(&file).unwrap());
        fs::write(file, text).unwrap();
    }

    fn verify(directory: &Path) -> Result<u64, ChainError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &KEY);
        chain::verify_directory(directory, &key, |_| ()).map(|verified| verified.records)
    }

    #[test]
    fn events_beyond_their_share_are_counted_and_leave_requests_alone() {
        let directory = tempfile::tempdir().unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &KEY);
        // Without a writer: nothing makes room.
        let inner = Inner::new(key.clone(), Head::START, Some(directory.path().to_owned()));
        let audit = Audit(Arc::new(inner));
        lock(&audit.0.state).pending = vec![b'x'; EVENTS_PENDING_MAX + 1];
        (0..3).for_each(|id| audit.append_event(record(id), Timestamp::from_seconds(2)));
        assert_eq!((audit.len(), audit.healthy()), (0, Ok(())));
        audit.append(record(9));
        assert_eq!(audit.len(), 1);
        let mut state = lock(&audit.0.state);
        state.pending.clear();
        state.tell_dropped(&key);
        let text = String::from_utf8(state.pending.clone()).unwrap();
        assert!(text.contains("audit.events-dropped") && text.contains("3 events"), "{text}");
        assert_eq!(state.dropped, None);
    }

    #[test]
    fn a_trail_that_ended_before_its_first_record_is_continued_and_still_cannot_be_forged() {
        let directory = tempfile::tempdir().unwrap();
        trail_of(directory.path(), 0);
        assert_eq!(verify(directory.path()).unwrap(), 0);
        trail_of(directory.path(), 2);
        assert_eq!(verify(directory.path()).unwrap(), 2);
        fs::remove_file(directory.path().join("head")).unwrap();
        assert!(matches!(Audit::open(directory.path(), KEY), Err(AuditError::Chain(_))));
    }

    #[test]
    fn a_trail_is_continued_where_it_ended() {
        let directory = tempfile::tempdir().unwrap();
        trail_of(directory.path(), 3);
        trail_of(directory.path(), 2);
        assert_eq!(verify(directory.path()).unwrap(), 5);
    }

    #[test]
    fn records_about_a_request_are_found_with_those_it_caused_and_no_others() {
        let directory = tempfile::tempdir().unwrap();
        let audit = Audit::open(directory.path(), KEY).unwrap();
        (0..12).for_each(|id| audit.append(record(id)));
        audit.append(Record { parent: Some("request-1".to_owned()), ..record(20) });
        audit.append(Record { detail: Some("mentions request-1".to_owned()), ..record(21) });
        let ids = |id: &str| -> Vec<String> {
            audit.about(id).unwrap().into_iter().map(|record| record.id).collect()
        };
        assert_eq!(ids("request-1"), ["request-1", "request-20"]);
        assert_eq!(ids("request-99"), Vec::<String>::new());
        audit.close();
    }

    #[test]
    fn a_changed_record_is_found_and_the_trail_not_continued() {
        let directory = tempfile::tempdir().unwrap();
        trail_of(directory.path(), 3);
        edit(directory.path(), |text| text.replace("request-1", "request-9"));
        assert!(matches!(verify(directory.path()), Err(ChainError::Broken { line: 2, sequence: 2, .. })));
        assert!(matches!(Audit::open(directory.path(), KEY), Err(AuditError::Chain(_))));
    }

    #[test]
    fn a_removed_or_moved_record_is_found() {
        for keep in [[0, 2].as_slice(), &[1, 0, 2], &[1, 2]] {
            let directory = tempfile::tempdir().unwrap();
            trail_of(directory.path(), 3);
            edit(directory.path(), |text| {
                let lines: Vec<_> = text.lines().collect();
                keep.iter().flat_map(|i| [lines[*i], "\n"]).collect()
            });
            assert!(verify(directory.path()).is_err(), "{keep:?}");
        }
    }

    #[test]
    fn a_cut_end_is_found() {
        let directory = tempfile::tempdir().unwrap();
        trail_of(directory.path(), 3);
        edit(directory.path(), |text| text.lines().take(2).flat_map(|line| [line, "\n"]).collect());
        assert!(matches!(verify(directory.path()), Err(ChainError::Truncated { found: 2, expected: 3 })));
        fs::remove_file(directory.path().join("00000001.jsonl")).unwrap();
        assert!(verify(directory.path()).is_err());
    }

    #[test]
    fn a_chain_of_another_key_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        trail_of(directory.path(), 1);
        assert!(Audit::open(directory.path(), [8; 32]).is_err());
    }

    #[test]
    fn a_torn_last_line_is_cut_off_and_the_rest_kept() {
        let directory = tempfile::tempdir().unwrap();
        trail_of(directory.path(), 2);
        edit(directory.path(), |text| text + "{\"sequence\":3,");
        trail_of(directory.path(), 1);
        assert_eq!(verify(directory.path()).unwrap(), 3);
    }

    #[test]
    fn a_bracket_that_is_dropped_leaves_one_record() {
        let audit = Audit::in_memory();
        let id = casemate_names::RequestId::new("r".to_owned());
        let peer = crate::Peer::Internal;
        drop(crate::audit::Bracket::open(&audit, Kind::Call, &id, Timestamp::from_seconds(1), &peer));
        assert_eq!(audit.records().len(), 1);
        assert_eq!(audit.records()[0].outcome.status, 0);
    }
}
