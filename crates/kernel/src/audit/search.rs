//! Finds in the files of a trail what is about one request. Refuses to judge whether the chain is whole.

use std::{
    fs,
    io::{self, BufRead},
    path::Path,
};

use super::{Record, chain};

/// Files searched for a request, from the newest: two gigabytes, read in seconds. Ours.
const FILES_SEARCHED_MAX: usize = 8;

/// Is the record about request `id`, or was it caused by it?
pub(super) fn concerns(record: &Record, id: &str) -> bool {
    record.id == id || record.parent.as_deref() == Some(id)
}

/// The records about request `id`, oldest first: of the newest file that has any.
pub(super) fn about(directory: &Path, id: &str) -> io::Result<Vec<Record>> {
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
            found.extend(serde_json::from_str(text).ok().filter(|record| concerns(record, id)));
        }
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}
