//! The chain: each line ends with a MAC over the line before it and its own text.
//!
//! ```text
//! {record}␉<hex HMAC-SHA-256(key, previous MAC ‖ record)>␊
//! ```
//!
//! The key is derived from the root key, which lies outside the trail's directory, so that whoever can write the files
//! cannot make a new chain. The file `head` names the last record synced, under a MAC of its own: a trail whose end was cut
//! off is shorter than its head says. What this cannot find is a whole older copy of the directory put back.

use std::{
    fmt, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use aws_lc_rs::hmac;
use casemate_names::hex;

use super::Record;

/// Length of a MAC in bytes.
pub(crate) const MAC_BYTES: usize = 32;

/// State of a chain: what the next line builds on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) sequence: u64,
    pub(crate) mac: [u8; MAC_BYTES],
}

impl Head {
    pub(crate) const START: Self = Self { sequence: 0, mac: [0; MAC_BYTES] };

    /// Renders `record` as the next line and moves the head.
    pub(crate) fn extend(&mut self, key: &hmac::Key, record: &mut Record) -> Vec<u8> {
        self.sequence += 1;
        record.sequence = self.sequence;
        let mut line = serde_json::to_vec(record).unwrap_or_default();
        self.mac = mac(key, &self.mac, &line);
        line.push(b'\t');
        line.extend_from_slice(hex(&self.mac).as_bytes());
        line.push(b'\n');
        line
    }
}

fn mac(key: &hmac::Key, previous: &[u8; MAC_BYTES], line: &[u8]) -> [u8; MAC_BYTES] {
    let mut context = hmac::Context::with_key(key);
    context.update(previous);
    context.update(line);
    let mut out = [0; MAC_BYTES];
    for (to, from) in out.iter_mut().zip(context.sign().as_ref()) {
        *to = *from;
    }
    out
}

/// A chain that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many records it has.
    pub records: u64,
    /// The last MAC.
    pub mac: [u8; MAC_BYTES],
}

/// A chain that does not hold.
#[derive(Debug)]
pub enum ChainError {
    /// A file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// A line is not `record TAB mac`.
    Malformed {
        /// The file.
        file: PathBuf,
        /// Line number from 1.
        line: u64,
    },
    /// A line was changed, removed, inserted or moved.
    Broken {
        /// The file.
        file: PathBuf,
        /// Line number from 1.
        line: u64,
        /// The sequence number found there.
        sequence: u64,
    },
    /// The trail ends before the last checkpoint.
    Truncated {
        /// Records found.
        found: u64,
        /// Records the checkpoint knows of.
        expected: u64,
    },
}

impl fmt::Display for ChainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(file, error) => write!(f, "cannot read `{}`: {error}", file.display()),
            Self::Malformed { file, line } => {
                write!(f, "`{}` line {line} is not an audit record", file.display())
            }
            Self::Broken { file, line, sequence } => write!(
                f,
                "the chain breaks at `{}` line {line} (record {sequence}): a record was changed, removed or inserted",
                file.display()
            ),
            Self::Truncated { found, expected } => {
                write!(f, "the trail ends at record {found} but record {expected} had been written")
            }
        }
    }
}

impl std::error::Error for ChainError {}

/// Checks every line of every file of the trail in `directory`, in order. `visit` sees each record that holds.
pub fn verify_directory(
    directory: &Path,
    key: &hmac::Key,
    mut visit: impl FnMut(&Record),
) -> Result<Verified, ChainError> {
    let mut head = Head::START;
    for file in files(directory)? {
        let reader = fs::File::open(&file).map_err(|e| ChainError::Unreadable(file.clone(), e))?;
        let mut reader = BufReader::new(reader);
        let mut line_number = 0;
        let mut text = Vec::new();
        loop {
            text.clear();
            let read =
                reader.read_until(b'\n', &mut text).map_err(|e| ChainError::Unreadable(file.clone(), e))?;
            if read == 0 {
                break;
            }
            line_number += 1;
            let record = check_line(&mut head, key, &text).map_err(|problem| match problem {
                Problem::Malformed => ChainError::Malformed { file: file.clone(), line: line_number },
                Problem::Broken(sequence) => {
                    ChainError::Broken { file: file.clone(), line: line_number, sequence }
                }
            })?;
            visit(&record);
        }
    }
    let expected = read_head(directory, key)?;
    if expected > head.sequence {
        return Err(ChainError::Truncated { found: head.sequence, expected });
    }
    Ok(Verified { records: head.sequence, mac: head.mac })
}

/// Name of the file that says how far the trail reaches.
const HEAD_FILE: &str = "head";

/// Says, durably enough to outlive a cut, how far the trail reaches.
pub(crate) fn write_head(directory: &Path, key: &hmac::Key, head: &Head) -> std::io::Result<()> {
    let number = head.sequence.to_string();
    let beside = directory.join("head.new");
    fs::write(&beside, format!("{number} {}\n", hex(&mac(key, &HEAD_DOMAIN, number.as_bytes()))))?;
    fs::rename(&beside, directory.join(HEAD_FILE))
}

/// Keeps a head's MAC apart from every record's.
const HEAD_DOMAIN: [u8; MAC_BYTES] = *b"casemate audit head, not a line.";

/// How far the trail reached when it was last synced; 0 for a trail that was never written.
fn read_head(directory: &Path, key: &hmac::Key) -> Result<u64, ChainError> {
    let file = directory.join(HEAD_FILE);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(_) if files(directory)?.is_empty() => return Ok(0),
        Err(error) => return Err(ChainError::Unreadable(file, error)),
    };
    let parsed = text.trim_end().split_once(' ').and_then(|(number, shown)| {
        let genuine = shown == hex(&mac(key, &HEAD_DOMAIN, number.as_bytes()));
        if genuine { number.parse().ok() } else { None }
    });
    parsed.ok_or(ChainError::Malformed { file, line: 1 })
}

enum Problem {
    Malformed,
    Broken(u64),
}

fn check_line(head: &mut Head, key: &hmac::Key, text: &[u8]) -> Result<Record, Problem> {
    let text = text.strip_suffix(b"\n").ok_or(Problem::Malformed)?;
    let tab = text.iter().rposition(|byte| *byte == b'\t').ok_or(Problem::Malformed)?;
    let (line, shown) = text.split_at_checked(tab).ok_or(Problem::Malformed)?;
    let record: Record = serde_json::from_slice(line).map_err(|_| Problem::Malformed)?;
    let expected = mac(key, &head.mac, line);
    if shown.get(1..) != Some(hex(&expected).as_bytes()) || record.sequence != head.sequence + 1 {
        return Err(Problem::Broken(record.sequence));
    }
    *head = Head { sequence: record.sequence, mac: expected };
    Ok(record)
}

/// The trail's files in order.
pub(crate) fn files(directory: &Path) -> Result<Vec<PathBuf>, ChainError> {
    let unreadable = |e| ChainError::Unreadable(directory.to_owned(), e);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
