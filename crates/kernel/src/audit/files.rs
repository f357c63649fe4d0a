//! The files of a trail: the one that is written to, the next when it is full, and the end of the last after a power loss.
//! Refuses to know records and what chains them.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{chain, trail::AuditError};

/// A file of the trail is closed at this size and the next one begun.
const FILE_MAX: u64 = 256 << 20;

#[derive(Debug)]
pub(super) struct FileSink {
    pub(super) directory: PathBuf,
    number: u32,
    file: fs::File,
    size: u64,
    /// Whether an earlier attempt may have left half a line.
    pub(super) torn: bool,
}

impl FileSink {
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let last = chain::files(directory).ok().and_then(|files| files.last().cloned());
        let number = last
            .as_deref()
            .and_then(Path::file_stem)
            .and_then(|stem| stem.to_str())
            .and_then(|stem| stem.parse().ok())
            .unwrap_or(1);
        let file = Self::file(directory, number)?;
        let size = file.metadata()?.len();
        Ok(Self { directory: directory.to_owned(), number, file, size, torn: false })
    }

    fn file(directory: &Path, number: u32) -> io::Result<fs::File> {
        fs::OpenOptions::new().create(true).append(true).open(directory.join(format!("{number:08}.jsonl")))
    }

    /// Writes a batch whole, or leaves the file as it was: it may be written again then.
    pub(super) fn write(&mut self, batch: &[u8]) -> io::Result<()> {
        if self.size > FILE_MAX {
            self.number += 1;
            self.file = Self::file(&self.directory, self.number)?;
            self.size = 0;
        }
        if std::mem::replace(&mut self.torn, true) {
            self.file.set_len(self.size)?;
        }
        self.file.write_all(batch)?;
        // Only what is synced counts as written: after a failed sync nobody knows what the disk holds.
        self.file.sync_data()?;
        self.size += batch.len() as u64;
        self.torn = false;
        Ok(())
    }
}

/// A power loss can leave half a line at the end of the last file. It was never acknowledged as written: cut it off.
pub(super) fn cut_torn_line(directory: &Path) -> Result<(), AuditError> {
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
