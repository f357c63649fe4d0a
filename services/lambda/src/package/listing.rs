//! What is in a package, as it will be unpacked: the same plan, the same entries, the same bytes. Knows no signature but by
//! the two names it has.

use std::io::{Cursor, Read};

use aws_lc_rs::digest::{Context, SHA256};
use zip::ZipArchive;

use super::{COPY_BYTES, Kind, PackageError, UNPACKED_BYTES_MAX, plan, unreadable};

/// The name of the manifest, and of its signature.
pub(crate) const MANIFEST: &str = ".casemate/manifest.json";
pub(crate) const SIGNATURE: &str = ".casemate/signature";
/// Bytes of a manifest. Ours: room for the entries a package may have.
const MANIFEST_BYTES_MAX: usize = 48 * 1024 * 1024;
/// Bytes of a signature: Ed25519's.
pub(crate) const SIGNATURE_BYTES: usize = 64;

/// Everything in a package, in the order of names.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Everything but the manifest and its signature.
    pub(crate) entries: Vec<Listed>,
    pub(crate) manifest: Option<Vec<u8>>,
    pub(crate) signature: Option<Vec<u8>>,
    /// Whether every reader finds the same in it: the entries' own headers say what the directory says, none lies over
    /// another, and none is outside the directory.
    pub(crate) is_consistent: bool,
}

/// An entry, as it is unpacked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    /// `file`, `program`, `folder` or `link`.
    pub(crate) kind: &'static str,
    /// Of the file's content or the link's target, in hexadecimal digits.
    pub(crate) sha256: String,
}

/// Lists a package.
pub(crate) fn list(archive: &[u8]) -> Result<Listing, PackageError> {
    let mut archive = ZipArchive::new(Cursor::new(archive)).map_err(unreadable)?;
    let plan = plan(&mut archive, UNPACKED_BYTES_MAX)?;
    let is_consistent = archive.validate_header_consistency().is_ok();
    let (mut listing, mut left) = (Listing { is_consistent, ..Listing::default() }, UNPACKED_BYTES_MAX);
    for (parts, entry) in plan {
        let name = parts.join("/");
        // As they are made: with an execute bit, which nobody signed, they are entries as any other.
        let is_file = entry.kind == Kind::File { executable: false };
        let mut source = archive.by_index(entry.index).map_err(unreadable)?;
        match name.as_str() {
            MANIFEST if is_file => listing.manifest = Some(read(&mut source, &name, MANIFEST_BYTES_MAX)?),
            SIGNATURE if is_file => listing.signature = Some(read(&mut source, &name, SIGNATURE_BYTES)?),
            _ => {
                let (kind, sha256) = match &entry.kind {
                    Kind::Folder => ("folder", digest(&mut std::io::empty(), &mut left)?),
                    Kind::Link { target } => ("link", digest(&mut target.as_bytes(), &mut left)?),
                    Kind::File { executable: true } => ("program", digest(&mut source, &mut left)?),
                    Kind::File { executable: false } => ("file", digest(&mut source, &mut left)?),
                };
                listing.entries.push(Listed { name, kind, sha256 });
            }
        }
    }
    Ok(listing)
}

fn read(source: &mut impl Read, name: &str, bytes_max: usize) -> Result<Vec<u8>, PackageError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    source
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| PackageError::Unreadable(error.to_string()))?;
    if bytes.len() > bytes_max {
        return Err(PackageError::Kind(name.to_owned()));
    }
    Ok(bytes)
}

fn digest(source: &mut impl Read, left: &mut u64) -> Result<String, PackageError> {
    let (mut context, mut buffer) = (Context::new(&SHA256), vec![0; COPY_BYTES]);
    loop {
        let read = source.read(&mut buffer).map_err(|error| PackageError::Unreadable(error.to_string()))?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
        // What the archive announces is not believed: what comes out of it is counted.
        *left = left.checked_sub(chunk.len() as u64).ok_or(PackageError::TooLarge)?;
        context.update(chunk);
    }
    Ok(casemate_names::hex(context.finish().as_ref()))
}
