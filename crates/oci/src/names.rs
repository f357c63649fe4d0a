//! What the entries of a tar archive are called.
//!
//! Archives have four ways to say a name, a target or a size, and readers that disagree about them are fooled. Here each may be
//! said once beyond the header, in small records, and a size only as the header has it. Sparse files are not read.

use std::io::Read;

use tar::{Entries, Entry, EntryType};

use crate::{OciError, digest::is_too_much};

/// The entries of an archive with their names.
pub(crate) struct Named<'a, R: Read> {
    entries: Entries<'a, R>,
}

/// One entry.
pub(crate) struct NamedEntry<'a, R: Read> {
    /// The parts of its name; none for the archive's own folder.
    pub(crate) name: Vec<Vec<u8>>,
    /// Where it leads, if it is a link.
    pub(crate) link: Vec<u8>,
    pub(crate) entry: Entry<'a, R>,
}

/// What is said of the next entry before it comes.
#[derive(Default)]
struct Said {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    any: bool,
}

/// Bytes of a record that says a name. Ours: attributes are among them, names have 4 KiB at most.
const RECORD_BYTES_MAX: u64 = 1 << 20;
/// Bytes of a whole name or target: `PATH_MAX` with room for the root's own path.
const NAME_BYTES_MAX: usize = 3_072;
/// Bytes of one part of a name: the file systems' limit.
const PART_BYTES_MAX: usize = 255;
/// Parts of a name.
pub(crate) const DEPTH_MAX: usize = 100;

impl<'a, R: Read> Named<'a, R> {
    pub(crate) fn new(entries: Entries<'a, R>) -> Self {
        Self { entries: entries.raw(true) }
    }

    /// The next entry that is one.
    pub(crate) fn next(&mut self) -> Result<Option<NamedEntry<'a, R>>, OciError> {
        let mut said = Said::default();
        loop {
            let Some(entry) = self.entries.next() else {
                return if said.any {
                    Err(OciError::malformed("an archive ends after a name"))
                } else {
                    Ok(None)
                };
            };
            let mut entry = entry.map_err(unreadable)?;
            let kind = entry.header().entry_type();
            match kind {
                EntryType::GNULongName | EntryType::GNULongLink => {
                    let mut text = record(&mut entry)?;
                    if text.last() == Some(&0) {
                        text.pop();
                    }
                    let place = if kind == EntryType::GNULongName { &mut said.name } else { &mut said.link };
                    once(place, text)?;
                }
                EntryType::XHeader => said.read(&record(&mut entry)?)?,
                // Of everything that follows: images have comments there.
                EntryType::XGlobalHeader => drop(record(&mut entry)?),
                _ => return said.of(entry).map(Some),
            }
            said.any = said.any || kind != EntryType::XGlobalHeader;
        }
    }
}

impl Said {
    fn read(&mut self, mut records: &[u8]) -> Result<(), OciError> {
        while !records.is_empty() {
            let (key, value, rest) = pax_record(records)
                .ok_or_else(|| OciError::malformed("a record of an archive is misshapen"))?;
            records = rest;
            match key {
                b"path" => once(&mut self.name, value.to_vec())?,
                b"linkpath" => once(&mut self.link, value.to_vec())?,
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    once(&mut self.size, size.ok_or_else(|| OciError::malformed("a size is no number"))?)?;
                }
                key if key.starts_with(b"GNU.sparse.") => {
                    return Err(OciError::malformed("the archive has a sparse file"));
                }
                // Times, owners, attributes.
                _ => {}
            }
        }
        Ok(())
    }

    fn of<R: Read>(self, entry: Entry<'_, R>) -> Result<NamedEntry<'_, R>, OciError> {
        let raw = self.name.unwrap_or_else(|| entry.header().path_bytes().into_owned());
        if entry.header().entry_type() == EntryType::GNUSparse {
            return Err(OciError::entry(&raw, "is a sparse file"));
        }
        if self.size.is_some_and(|size| size != entry.size()) {
            return Err(OciError::entry(&raw, "has two sizes"));
        }
        let header = || entry.header().link_name_bytes().map(std::borrow::Cow::into_owned);
        let link = self.link.or_else(header).unwrap_or_default();
        Ok(NamedEntry { name: parts(&raw)?, link, entry })
    }
}

fn record<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<u8>, OciError> {
    if entry.size() > RECORD_BYTES_MAX {
        return Err(OciError::TooLarge(format!(
            "a record of the archive has more than {RECORD_BYTES_MAX} bytes"
        )));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// One record, `LENGTH KEY=VALUE` and a line's end, and what follows it. Values may hold anything.
fn pax_record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = records.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(records.get(..space)?).ok()?.parse().ok()?;
    let (record, rest) = (records.get(space + 1..length)?, records.get(length..)?);
    let record = record.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((record.get(..equals)?, record.get(equals + 1..)?, rest))
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), OciError> {
    if place.replace(value).is_some() {
        return Err(OciError::malformed("an entry of the archive has two names, targets or sizes"));
    }
    Ok(())
}

/// The parts of a name. A slash at its beginning means the archive's own root, as everybody takes it.
pub(crate) fn parts(raw: &[u8]) -> Result<Vec<Vec<u8>>, OciError> {
    if raw.len() > NAME_BYTES_MAX {
        return Err(OciError::entry(raw.get(..64).unwrap_or_default(), "has a name that is too long"));
    }
    if raw.contains(&0) {
        return Err(OciError::entry(raw, "has a NUL byte in its name"));
    }
    let mut parts = Vec::new();
    for part in raw.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(OciError::entry(raw, "climbs out of its folder")),
            part if part.len() > PART_BYTES_MAX => {
                return Err(OciError::entry(raw, "has a part that is too long"));
            }
            part => parts.push(part.to_vec()),
        }
    }
    if parts.len() > DEPTH_MAX {
        return Err(OciError::entry(raw, "lies too deep"));
    }
    Ok(parts)
}

pub(crate) fn unreadable(error: std::io::Error) -> OciError {
    if is_too_much(&error) {
        return OciError::Io("archive".into(), error);
    }
    OciError::malformed(format!("an archive cannot be read: {error}"))
}
