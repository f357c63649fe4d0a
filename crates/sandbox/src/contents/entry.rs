//! One file, folder or link of the host: how it looks from outside, and what it holds.

use std::{
    ffi::OsString,
    fs,
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256, digest};

/// What tells that something was written or replaced, without reading it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Mark {
    pub(super) device: u64,
    inode: u64,
    mode: u32,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Mark {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
            mode: found.mode(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }

    pub(super) fn is_same_inode(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    pub(super) fn is_folder(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }
}

/// What it is and holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Substance {
    File {
        sha256: [u8; 32],
        bytes: u64,
        rights: u32,
    },
    /// Names.
    Folder(Vec<OsString>),
    Link(PathBuf),
    /// A socket or the like, which holds nothing.
    Other,
    /// What not even the server may read: no more may what runs in the root, whose users own nothing of the host.
    Closed,
}

impl Substance {
    pub(super) fn written(bytes: &[u8]) -> Self {
        let sha256 = array(digest(&SHA256, bytes).as_ref());
        Self::File { sha256, bytes: bytes.len() as u64, rights: 0o644 }
    }

    pub(super) fn read(path: &Path) -> io::Result<Self> {
        match Self::open(path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Self::Closed),
            read => read,
        }
    }

    fn open(path: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(path)?;
        if found.is_symlink() {
            return Ok(Self::Link(fs::read_link(path)?));
        }
        if found.is_dir() {
            return Ok(Self::Folder(names(path)?));
        }
        if !found.is_file() {
            return Ok(Self::Other);
        }
        // Neither a link nor a pipe that came meanwhile.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let mut file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let (mut context, mut buffer, mut bytes) = (Context::new(&SHA256), vec![0; BUFFER_BYTES], 0);
        loop {
            let length = match file.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            let Some(read) = buffer.get(..length).filter(|read| !read.is_empty()) else { break };
            context.update(read);
            bytes += length as u64;
        }
        Ok(Self::File { sha256: array(context.finish().as_ref()), bytes, rights: found.mode() & 0o7777 })
    }

    /// How this became that, for people.
    pub(super) fn difference(&self, after: &Self) -> String {
        match (self, after) {
            (Self::File { rights: before, .. }, Self::File { rights, .. }) if before != rights => {
                format!("had the rights {before:o} and has {rights:o}")
            }
            (Self::File { .. }, Self::File { .. }) => "holds something else than before".into(),
            (Self::Folder(before), Self::Folder(after)) => {
                let added = after.iter().find(|name| !before.contains(name)).map(|name| ("holds also", name));
                let gone = before.iter().find(|name| !after.contains(name)).map(|name| ("has lost", name));
                let (verb, name) = added.or(gone).unzip();
                let name = name.map(|name| name.display().to_string()).unwrap_or_default();
                format!("{} `{name}`", verb.unwrap_or("differs"))
            }
            (Self::Link(_), Self::Link(to)) => format!("leads to `{}` now", to.display()),
            _ => "is of another kind than before".into(),
        }
    }
}

/// What a folder holds, sorted.
pub(super) fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn array(bytes: &[u8]) -> [u8; 32] {
    bytes.try_into().unwrap_or_default()
}

const BUFFER_BYTES: usize = 128 * 1_024;
