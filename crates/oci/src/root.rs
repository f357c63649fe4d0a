//! A root that is being filled: every name is resolved inside it by the kernel, whatever links it holds.
//!
//! The folder that holds a name is opened with `RESOLVE_IN_ROOT`; the name itself is never followed. So a link that leads out,
//! absolute or climbing, leads to a place of the same root, as it will when somebody stands in it. Owners are whoever fills
//! it; no set-user bits, no bits for others to write, no devices. Nobody else works in the root meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, Permissions},
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::PermissionsExt,
    },
    path::Path,
};

use rustix::{
    fs::{self, AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps},
    io::Errno,
};

use crate::names::DEPTH_MAX;

/// A root and what the present layer has made in it.
#[derive(Debug)]
pub(crate) struct Root {
    folder: OwnedFd,
    /// Inodes of folders, and how deep they lie: a name that leads through links may lie deeper than it is long.
    depths: BTreeMap<u64, usize>,
    /// What the present layer has made: inode of the folder, name.
    made: BTreeSet<(u64, Vec<u8>)>,
    /// Folders that no entry was for and that were made on the way to one.
    implied: u64,
}

/// Why something was not made.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The present layer has made that already.
    Twice,
    /// It lies too deep.
    Deep,
    /// What leads to it is no folder.
    NoFolder,
    /// There is no such file to link to.
    NoTarget,
    /// This host's disk.
    Disk(io::Error),
}

impl From<Errno> for Refused {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOTDIR | Errno::LOOP => Self::NoFolder,
            other => Self::Disk(other.into()),
        }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// A name in its folder.
struct Place<'n> {
    folder: OwnedFd,
    inode: u64,
    depth: usize,
    name: &'n [u8],
}

impl Root {
    /// An empty folder becomes a root.
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        let folder = fs::open(folder, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
        let inode = fs::fstat(&folder)?.st_ino;
        Ok(Self { folder, depths: BTreeMap::from([(inode, 0)]), made: BTreeSet::new(), implied: 0 })
    }

    /// What was made until now belongs to lower layers.
    pub(crate) fn begin_layer(&mut self) {
        self.made.clear();
    }

    /// How many folders were made that no entry was for, since this was last asked.
    pub(crate) fn take_implied(&mut self) -> u64 {
        std::mem::take(&mut self.implied)
    }

    /// Makes a folder, or gives one that is there the rights.
    pub(crate) fn make_folder(&mut self, name: &[Vec<u8>], mode: u32) -> Result<(), Refused> {
        let Some(place) = self.place(name)? else { return Ok(()) };
        let bits = Mode::from_raw_mode((mode & MODE_KEPT) | 0o700);
        match kind_at(&place)? {
            Some(FileType::Directory) => {}
            Some(_) => {
                self.clear(&place)?;
                self.make_one(&place)?;
            }
            None => self.make_one(&place)?,
        }
        self.made.insert((place.inode, place.name.to_vec()));
        let folder = fs::openat(&place.folder, place.name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
        Ok(fs::fchmod(&folder, bits)?)
    }

    /// Makes a file.
    pub(crate) fn make_file(
        &mut self,
        name: &[Vec<u8>],
        (mode, modified_s): (u32, u64),
        content: &mut impl Read,
    ) -> Result<(), Refused> {
        let place = self.place(name)?.ok_or(Refused::NoFolder)?;
        self.clear(&place)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::openat(&place.folder, place.name, flags, Mode::from_raw_mode(0o600))?;
        self.made.insert((place.inode, place.name.to_vec()));
        let mut file = File::from(file);
        let mut buffer = vec![0; COPY_BYTES];
        loop {
            let length = content.read(&mut buffer)?;
            let Some(read) = buffer.get(..length).filter(|read| !read.is_empty()) else { break };
            file.write_all(read)?;
        }
        file.set_permissions(Permissions::from_mode((mode & MODE_KEPT) | 0o600))?;
        let at = Timespec { tv_sec: i64::try_from(modified_s).unwrap_or(0).min(SECONDS_MAX), tv_nsec: 0 };
        Ok(fs::futimens(&file, &Timestamps { last_access: at, last_modification: at })?)
    }

    /// Makes a symbolic link. It may lead anywhere: it is followed only in the root.
    pub(crate) fn make_link(&mut self, name: &[Vec<u8>], target: &[u8]) -> Result<(), Refused> {
        let place = self.place(name)?.ok_or(Refused::NoFolder)?;
        self.clear(&place)?;
        fs::symlinkat(target, &place.folder, place.name)?;
        self.made.insert((place.inode, place.name.to_vec()));
        Ok(())
    }

    /// Makes a second name of a file or link.
    pub(crate) fn make_second(&mut self, name: &[Vec<u8>], target: &[Vec<u8>]) -> Result<(), Refused> {
        let from = self.existing(target)?.ok_or(Refused::NoTarget)?;
        match kind_at(&from)? {
            Some(FileType::RegularFile | FileType::Symlink) => {}
            _ => return Err(Refused::NoTarget),
        }
        let place = self.place(name)?.ok_or(Refused::NoFolder)?;
        if (place.inode, place.name) == (from.inode, from.name) {
            return Err(Refused::NoTarget);
        }
        self.clear(&place)?;
        // Without AT_SYMLINK_FOLLOW: a link gets a second name, what it leads to does not.
        match fs::linkat(&from.folder, from.name, &place.folder, place.name, AtFlags::empty()) {
            Ok(()) => {}
            // It lay in what was cleared away.
            Err(Errno::NOENT) => return Err(Refused::NoTarget),
            Err(error) => return Err(error.into()),
        }
        self.made.insert((place.inode, place.name.to_vec()));
        Ok(())
    }

    /// Something that is not made covers what lower layers have there.
    pub(crate) fn leave_out(&mut self, name: &[Vec<u8>]) -> Result<(), Refused> {
        let Some(place) = self.existing(name)? else { return Ok(()) };
        self.clear(&place)
    }

    /// Takes away what lower layers have at a name; what this layer has made stays, before or after.
    pub(crate) fn white_out(&mut self, name: &[Vec<u8>]) -> Result<(), Refused> {
        let Some(place) = self.existing(name)? else { return Ok(()) };
        Ok(self.remove_lower((&place.folder, place.inode), place.name, 0)?)
    }

    /// Takes away what lower layers have in a folder.
    pub(crate) fn white_out_folder(&mut self, name: &[Vec<u8>]) -> Result<(), Refused> {
        match self.open_inside(&path_of(name)) {
            Ok(folder) => Ok(self.empty_lower(folder.as_fd(), 0)?),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn open_inside(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
        fs::openat2(&self.folder, path, FOLDER, Mode::empty(), inside)
    }

    /// Where a name lies, the folders on the way made if there are none; `None` for the root itself.
    fn place<'n>(&mut self, name: &'n [Vec<u8>]) -> Result<Option<Place<'n>>, Refused> {
        let Some((last, above)) = name.split_last() else { return Ok(None) };
        let folder = match self.open_inside(&path_of(above)) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => self.make_way(above)?,
            Err(error) => return Err(error.into()),
        };
        self.at(folder, last).map(Some)
    }

    /// The same, with nothing made; `None`, too, where a folder on the way is missing.
    fn existing<'n>(&self, name: &'n [Vec<u8>]) -> Result<Option<Place<'n>>, Refused> {
        let Some((last, above)) = name.split_last() else { return Ok(None) };
        match self.open_inside(&path_of(above)) {
            Ok(folder) => self.at(folder, last).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn at<'n>(&self, folder: OwnedFd, name: &'n [u8]) -> Result<Place<'n>, Refused> {
        let inode = fs::fstat(&folder)?.st_ino;
        let depth = self.depths.get(&inode).copied().ok_or(Refused::NoFolder)?;
        Ok(Place { folder, inode, depth, name })
    }

    fn make_way(&mut self, name: &[Vec<u8>]) -> Result<OwnedFd, Refused> {
        let mut folder = self.open_inside(b"")?;
        for length in 1..=name.len() {
            let Some(part) = name.get(..length) else { break };
            folder = match self.open_inside(&path_of(part)) {
                Ok(next) => next,
                Err(Errno::NOENT) => {
                    let place = self.at(folder, part.last().map_or(&[], Vec::as_slice))?;
                    self.make_one(&place)?;
                    self.implied += 1;
                    self.made.insert((place.inode, place.name.to_vec()));
                    self.open_inside(&path_of(part))?
                }
                Err(error) => return Err(error.into()),
            };
        }
        Ok(folder)
    }

    fn make_one(&mut self, place: &Place<'_>) -> Result<(), Refused> {
        if place.depth >= DEPTH_MAX {
            return Err(Refused::Deep);
        }
        match fs::mkdirat(&place.folder, place.name, Mode::from_raw_mode(0o755)) {
            Ok(()) => {}
            // A link that leads nowhere stands there.
            Err(Errno::EXIST) => return Err(Refused::NoFolder),
            Err(error) => return Err(error.into()),
        }
        let folder = fs::openat(&place.folder, place.name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
        // The process's umask does not decide.
        fs::fchmod(&folder, Mode::from_raw_mode(0o755))?;
        self.depths.insert(fs::fstat(&folder)?.st_ino, place.depth + 1);
        Ok(())
    }

    /// Makes room for something new that is no folder, or a folder in the place of something that is none.
    fn clear(&mut self, place: &Place<'_>) -> Result<(), Refused> {
        if kind_at(place)?.is_none() {
            return Ok(());
        }
        if self.made.contains(&(place.inode, place.name.to_vec())) {
            return Err(Refused::Twice);
        }
        self.remove_lower((&place.folder, place.inode), place.name, 0)?;
        // Something of this layer lies in it.
        if kind_at(place)?.is_some() { Err(Refused::Twice) } else { Ok(()) }
    }

    /// Removes a name unless this layer made it, and everything in it that this layer did not make.
    fn remove_lower(&self, (folder, inode): (&OwnedFd, u64), name: &[u8], depth: usize) -> Result<(), Errno> {
        let is_ours = self.made.contains(&(inode, name.to_vec()));
        match kind(folder.as_fd(), name)? {
            None => Ok(()),
            Some(FileType::Directory) => {
                let inside = fs::openat(folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
                self.empty_lower(inside.as_fd(), depth + 1)?;
                if is_ours {
                    return Ok(());
                }
                match fs::unlinkat(folder, name, AtFlags::REMOVEDIR) {
                    // Something of this layer lies in it.
                    Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
                    done => done,
                }
            }
            Some(_) if is_ours => Ok(()),
            Some(_) => fs::unlinkat(folder, name, AtFlags::empty()),
        }
    }

    fn empty_lower(&self, folder: BorrowedFd<'_>, depth: usize) -> Result<(), Errno> {
        if depth > DEPTH_MAX + 1 {
            return Err(Errno::LOOP);
        }
        let inode = fs::fstat(folder)?.st_ino;
        let folder = fs::openat(folder, c".", FOLDER, Mode::empty())?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&folder)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(name);
            }
        }
        names.iter().try_for_each(|name| self.remove_lower((&folder, inode), name, depth))
    }
}

fn kind_at(place: &Place<'_>) -> Result<Option<FileType>, Refused> {
    kind(place.folder.as_fd(), place.name).map_err(Refused::from)
}

fn kind(folder: BorrowedFd<'_>, name: &[u8]) -> Result<Option<FileType>, Errno> {
    match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(FileType::from_raw_mode(found.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn path_of(name: &[Vec<u8>]) -> Vec<u8> {
    name.join(&b'/')
}

/// Rights that are kept: the owner's, and reading and executing for others.
const MODE_KEPT: u32 = 0o755;
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const COPY_BYTES: usize = 128 * 1024;
/// Latest time a file may have: that of file systems with 34 bits for it.
const SECONDS_MAX: i64 = (1 << 34) - 1 - (1 << 31);
