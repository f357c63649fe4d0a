//! One layer: its blob is read once, verified twice (packed and unpacked) and carried out in the root on the way. Whoever
//! calls throws the root away if an error comes, also the last one, that the digest was wrong.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use tar::EntryType;

use crate::{
    Digest, OciError,
    digest::{Digesting, is_too_much},
    document::{Descriptor, Packing},
    names::{Named, NamedEntry, parts, unreadable},
    root::{Refused, Root},
    source::{self, inflated_max},
};

/// Bytes of all files of an image, unpacked.
// AWS: 10 GB uncompressed, all layers together (Lambda quotas, "Container image code package size").
pub(crate) const IMAGE_BYTES_MAX: u64 = 10 << 30;
/// Files, folders and links of an image. As of an operator's own root.
const ENTRIES_MAX: u64 = casemate_roots::tree::ENTRIES_MAX;
/// Layers of an image.
// Docker's limit, which is overlayfs's.
pub(crate) const LAYERS_MAX: usize = 127;
/// What a tar archive needs beside its contents: headers and padding, up to this for each entry. Ours.
const ENTRY_OVERHEAD_BYTES: u64 = 4_096;

/// What may still come, and what was left out, in all layers.
#[derive(Debug)]
pub(crate) struct Account {
    bytes_left: u64,
    entries_left: u64,
    /// Devices, pipes and sockets.
    pub(crate) left_out: u64,
}

impl Default for Account {
    fn default() -> Self {
        Self { bytes_left: IMAGE_BYTES_MAX, entries_left: ENTRIES_MAX, left_out: 0 }
    }
}

impl Account {
    /// Bytes of files until now.
    pub(crate) fn bytes(&self) -> u64 {
        IMAGE_BYTES_MAX - self.bytes_left
    }

    #[cfg(test)]
    pub(crate) fn small(bytes_left: u64, entries_left: u64) -> Self {
        Self { bytes_left, entries_left, left_out: 0 }
    }

    fn take_entries(&mut self, count: u64) -> Result<(), OciError> {
        self.entries_left = self.entries_left.checked_sub(count).ok_or_else(|| {
            OciError::TooLarge(format!("the image has more than {ENTRIES_MAX} files, folders and links"))
        })?;
        Ok(())
    }

    fn take(&mut self, bytes: u64) -> Result<(), OciError> {
        self.take_entries(1)?;
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or_else(|| {
            OciError::TooLarge(format!("the image has more than {IMAGE_BYTES_MAX} bytes unpacked"))
        })?;
        Ok(())
    }
}

/// Carries a layer out. `diff_id`: what its unpacked bytes digest to.
pub(crate) fn apply(
    blob: Digesting<Box<dyn Read>>,
    descriptor: &Descriptor,
    diff_id: Digest,
    root: &mut Root,
    account: &mut Account,
) -> Result<(), OciError> {
    let packing = Packing::of(&descriptor.media_type)?;
    root.begin_layer();
    let (blob, unpacked) = match packing {
        Packing::Plain => {
            let mut blob = blob;
            let unpacked = entries(&mut blob, descriptor.size, root, account)?;
            (blob, unpacked)
        }
        Packing::Gzip => {
            let mut inflating = MultiGzDecoder::new(blob);
            let unpacked = entries(&mut inflating, inflated_max(descriptor.size), root, account)?;
            (inflating.into_inner(), unpacked)
        }
    };
    let read = blob.finish().map_err(|error| source::failed(error, descriptor))?;
    source::verify(read, descriptor)?;
    if unpacked != diff_id {
        return Err(OciError::Digest { named: diff_id.to_string(), found: unpacked.to_string() });
    }
    Ok(())
}

/// Reads an archive to its end; the digest of all of it.
fn entries(
    reader: &mut impl Read,
    inflated_max: u64,
    root: &mut Root,
    account: &mut Account,
) -> Result<Digest, OciError> {
    let room = account.bytes_left.saturating_add(account.entries_left.saturating_mul(ENTRY_OVERHEAD_BYTES));
    let most = inflated_max.min(room);
    let mut stream = Digesting::new(reader, most);
    let too_large = || OciError::TooLarge(format!("a layer has more than {most} bytes unpacked"));
    let done = carry_out(&mut stream, root, account);
    if let Err(OciError::Io(_, error)) = &done
        && is_too_much(error)
    {
        return Err(too_large());
    }
    done?;
    let read =
        stream.finish().map_err(|error| if is_too_much(&error) { too_large() } else { unreadable(error) })?;
    Ok(read.0)
}

fn carry_out(stream: &mut impl Read, root: &mut Root, account: &mut Account) -> Result<(), OciError> {
    let mut archive = tar::Archive::new(stream);
    let mut all = Named::new(archive.entries().map_err(unreadable)?);
    while let Some(named) = all.next()? {
        one(named, root, account)?;
        account.take_entries(root.take_implied())?;
    }
    Ok(())
}

fn one<R: Read>(
    NamedEntry { name, link, mut entry }: NamedEntry<'_, R>,
    root: &mut Root,
    account: &mut Account,
) -> Result<(), OciError> {
    account.take(entry.size())?;
    let whole = name.join(&b'/');
    let refused = |refused| why(&whole, refused);
    let last = name.last().map_or(&[][..], Vec::as_slice);
    if let Some(hidden) = last.strip_prefix(WHITEOUT) {
        let above = name.get(..name.len().saturating_sub(1)).unwrap_or_default();
        return match hidden {
            OPAQUE => root.white_out_folder(above).map_err(refused),
            // What union file systems kept for themselves.
            hidden if hidden.starts_with(WHITEOUT) => Ok(()),
            b"" | b"." | b".." => Err(OciError::entry(&whole, "hides nothing that has a name")),
            hidden => {
                let mut hidden_name = above.to_vec();
                hidden_name.push(hidden.to_vec());
                root.white_out(&hidden_name).map_err(refused)
            }
        };
    }
    let header = entry.header();
    let mode = header.mode().map_err(|_| OciError::entry(&whole, "has rights that are no number"))?;
    let modified_s = header.mtime().unwrap_or(0);
    match header.entry_type() {
        EntryType::Directory => root.make_folder(&name, mode),
        EntryType::Regular | EntryType::Continuous => root.make_file(&name, (mode, modified_s), &mut entry),
        EntryType::Symlink => {
            if link.is_empty() || link.contains(&0) || link.len() > LINK_BYTES_MAX {
                return Err(OciError::entry(&whole, "is a link to nothing that can be named"));
            }
            root.make_link(&name, &link)
        }
        EntryType::Link => root.make_second(&name, &parts(&link)?),
        EntryType::Char | EntryType::Block | EntryType::Fifo => {
            account.left_out += 1;
            root.leave_out(&name)
        }
        _ => return Err(OciError::entry(&whole, "is of an unknown kind")),
    }
    .map_err(refused)
}

fn why(name: &[u8], refused: Refused) -> OciError {
    match refused {
        Refused::Twice => OciError::entry(name, "is there twice"),
        Refused::Deep => OciError::entry(name, "lies too deep"),
        Refused::NoFolder => OciError::entry(name, "lies in something that is no folder"),
        Refused::NoTarget => OciError::entry(name, "is a second name of no file"),
        Refused::Disk(error) => OciError::Io(String::from_utf8_lossy(name).into_owned().into(), error),
    }
}

/// What begins the name of an entry that hides one of lower layers.
// OCI: image specification, "Representing Changes".
const WHITEOUT: &[u8] = b".wh.";
/// What follows where everything of lower layers in the folder is hidden.
const OPAQUE: &[u8] = b".wh..opq";
/// Bytes of a link's target: the kernel's limit.
const LINK_BYTES_MAX: usize = 4_095;
