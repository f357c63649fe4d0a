//! Read-only disks for the guest: ext4 images without a journal, made by `mke2fs` from a folder put together here.
//!
//! Files are copied with nothing but their contents and what may be done with them: no owner, no set-uid bit, no
//! attribute of the host goes along. Nothing is written by way of a link.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Component, Path, PathBuf},
    process::{Command, Stdio},
};

use casemate_sandbox::PlannedRoot;

use crate::{
    agent::Agent,
    guest::{AGENT_PATH, CODE_MOUNT, PLAN_PATH, ROOT},
};

/// What the code disk holds.
#[derive(Clone, Debug, Default)]
pub struct CodeDisk {
    /// Unpacked package, shown at `/var/task`.
    pub code_dir: PathBuf,
    /// Unpacked layers, shown at `/opt`.
    pub layers_dir: Option<PathBuf>,
}

/// A disk's file. It goes with its last holder.
#[derive(Debug)]
pub struct Disk(PathBuf);

impl Disk {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The room it takes.
    pub(crate) fn bytes(&self) -> io::Result<u64> {
        Ok(fs::metadata(&self.0)?.blocks().saturating_mul(BLOCK_BYTES))
    }

    /// A file that is there, and is ours from now on.
    pub(crate) fn of(path: PathBuf) -> Self {
        Self(path)
    }

    /// A code disk without anything, for machines whose function is not known yet.
    pub(crate) fn blank(path: PathBuf) -> io::Result<Self> {
        let disk = Self(path);
        fs::File::create_new(&disk.0)?.set_len(CODE_DISK_BYTES)?;
        readable(&disk.0)?;
        Ok(disk)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Makes the disk of a root: all that is in it, at its path below a folder; how it is put together; the agent.
pub(crate) fn runtime(root: &PlannedRoot, agent: &Agent, image: PathBuf) -> io::Result<Disk> {
    let folder = Staging::new(&image)?;
    for name in ["/proc", "/sys", "/dev", "/tmp", "/run", ROOT, CODE_MOUNT] {
        folder.directory(Path::new(name))?;
    }
    folder.copy(&agent.file, Path::new(AGENT_PATH), &Manner::PLAIN)?;
    for (inside, host) in &agent.libraries {
        folder.copy(host, inside, &Manner::PLAIN)?;
    }
    let below = |path: &Path| Path::new(ROOT).join(path.strip_prefix("/").unwrap_or(path));
    let hidden = root.hidden().iter().map(|path| below(path)).collect();
    // The function's user is another one inside, too: it may read and execute what it may on the host.
    let manner = Manner { hidden, keeps_rights: true };
    for file in root.shown() {
        folder.copy(&file.host, &below(&file.at), &manner)?;
    }
    for (path, contents) in root.written() {
        folder.write(&below(path), contents)?;
    }
    let plan = serde_json::to_vec(&root.clone().below(Path::new(ROOT)))?;
    folder.write(Path::new(PLAN_PATH), &plan)?;
    let disk = folder.finish(image)?;
    readable(disk.path())?;
    Ok(disk)
}

/// Makes the disk of a function's code. All have one size, so that a guest takes each for the one it was booted with.
pub(crate) fn code(code: &CodeDisk, image: PathBuf) -> io::Result<Disk> {
    let folder = Staging::new(&image)?;
    folder.copy(&code.code_dir, Path::new("/task"), &Manner::PLAIN)?;
    if let Some(layers) = &code.layers_dir {
        folder.copy(layers, Path::new("/opt"), &Manner::PLAIN)?;
    }
    let disk = folder.finish(image)?;
    let file = fs::File::options().write(true).open(disk.path())?;
    if file.metadata()?.len() > CODE_DISK_BYTES {
        return Err(io::Error::other("the code is larger than its disk"));
    }
    file.set_len(CODE_DISK_BYTES)?;
    readable(disk.path())?;
    Ok(disk)
}

/// A machine's user may read it and nobody write it, whatever the server's own files are like. The folder it lies in is closed to
/// everybody else.
pub(crate) fn readable(file: &Path) -> io::Result<()> {
    fs::set_permissions(file, fs::Permissions::from_mode(0o444))
}

/// How files are copied.
struct Manner {
    /// Folders that stay empty.
    hidden: BTreeSet<PathBuf>,
    /// Whether only those may read and execute a thing that may on the host; otherwise all may.
    keeps_rights: bool,
}

impl Manner {
    const PLAIN: Self = Self { hidden: BTreeSet::new(), keeps_rights: false };

    fn of_file(&self, mode: u32) -> u32 {
        match self.keeps_rights {
            true => mode & 0o555 | 0o400,
            false if mode & 0o111 != 0 => 0o555,
            false => 0o444,
        }
    }

    fn of_folder(&self, mode: u32) -> u32 {
        if self.keeps_rights { mode & 0o555 | 0o700 } else { 0o755 }
    }
}

/// A folder that is removed again, whatever happens.
struct Staging {
    root: PathBuf,
    bytes: Cell<u64>,
    /// Rights of folders, which they get in the end.
    folders: RefCell<Vec<(PathBuf, u32)>>,
}

impl Staging {
    fn new(image: &Path) -> io::Result<Self> {
        if image.exists() {
            // It may be in use.
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        let mut root = image.as_os_str().to_owned();
        root.push(".staging");
        let root = PathBuf::from(root);
        fs::create_dir(&root)?;
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755))?;
        Ok(Self { root, bytes: Cell::new(0), folders: RefCell::default() })
    }

    /// Makes a folder and those above it. What is copied may hold links to anywhere: none is followed.
    fn directory(&self, path: &Path) -> io::Result<PathBuf> {
        let mut folder = self.root.clone();
        for part in path.components().filter(|part| matches!(part, Component::Normal(_))) {
            folder.push(part);
            match fs::create_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
            if !fs::symlink_metadata(&folder)?.is_dir() {
                let why = format!("{} leads through what is no folder", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        }
        Ok(folder)
    }

    /// The place of a thing, where nothing is any more.
    fn place(&self, path: &Path) -> io::Result<PathBuf> {
        let folder = self.directory(path.parent().unwrap_or(Path::new("/")))?;
        let at = folder.join(path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
        match fs::remove_file(&at) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(at),
        }
    }

    fn counted(&self, bytes: u64) -> io::Result<()> {
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        let fits = self.bytes.get() <= DISK_BYTES_MAX;
        fits.then_some(()).ok_or_else(|| io::Error::other("the files are more than a disk may hold"))
    }

    fn write(&self, path: &Path, contents: &[u8]) -> io::Result<()> {
        let at = self.place(path)?;
        self.counted(contents.len() as u64)?;
        fs::write(&at, contents)?;
        fs::set_permissions(&at, fs::Permissions::from_mode(0o444))
    }

    fn link(&self, path: &Path, target: &Path) -> io::Result<()> {
        let at = self.place(path)?;
        let about =
            |error: io::Error| io::Error::new(error.kind(), format!("link {}: {error}", path.display()));
        symlink(target, at).map_err(about)
    }

    /// Copies a file or a folder with all it holds, links as links.
    fn copy(&self, host: &Path, at: &Path, manner: &Manner) -> io::Result<()> {
        // What is named is followed, as a bind mount would; what is found in a folder is not.
        let mut waiting = vec![(host.canonicalize()?, at.to_path_buf())];
        while let Some((host, at)) = waiting.pop() {
            let found = fs::symlink_metadata(&host)?;
            if found.is_dir() {
                let rights = manner.of_folder(found.permissions().mode());
                self.folders.borrow_mut().push((self.directory(&at)?, rights));
                if manner.hidden.contains(&at) {
                    continue;
                }
                for entry in fs::read_dir(&host)? {
                    let entry = entry?;
                    waiting.push((entry.path(), at.join(entry.file_name())));
                }
            } else if found.is_symlink() {
                self.link(&at, &fs::read_link(&host)?)?;
            } else if found.is_file() {
                self.counted(found.len())?;
                let to = self.place(&at)?;
                fs::copy(&host, &to)?;
                let rights = manner.of_file(found.permissions().mode());
                fs::set_permissions(&to, fs::Permissions::from_mode(rights))?;
            }
        }
        Ok(())
    }

    fn finish(self, image: PathBuf) -> io::Result<Disk> {
        self.made_by(Path::new("/sbin/mke2fs"), image)
    }

    fn made_by(self, mke2fs: &Path, image: PathBuf) -> io::Result<Disk> {
        let (bytes, entries) = size(&self.root)?;
        for (folder, rights) in self.folders.borrow().iter() {
            fs::set_permissions(folder, fs::Permissions::from_mode(*rights))?;
        }
        // Whole blocks, an inode per entry, and room for the file system's own tables.
        let blocks = (bytes + entries * 4096 + bytes / 8) / 4096 + 1024;
        let inodes = entries + 64;
        // From here on the file goes if it does not become whole: a piece of it would stand in the way of the next try.
        let disk = Disk(image);
        let made = Command::new(mke2fs)
            .args(["-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-O", "^has_journal,^resize_inode"])
            .args(["-E", "root_owner=0:0,lazy_itable_init=0", "-U", DISK_UUID, "-N"])
            .arg(inodes.to_string())
            .arg("-d")
            .arg(&self.root)
            .arg(disk.path())
            .arg(blocks.to_string())
            .env_clear()
            .stdin(Stdio::null())
            .output()?;
        if made.status.success() {
            return Ok(disk);
        }
        let text = String::from_utf8_lossy(&made.stderr).into_owned();
        Err(io::Error::other(format!("mke2fs: {}", text.trim())))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn size(root: &Path) -> io::Result<(u64, u64)> {
    let (mut bytes, mut entries) = (0, 0);
    let mut waiting = vec![root.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.metadata()?;
            entries += 1;
            if kind.is_dir() {
                // Whatever the server's umask is: the function's user must get in.
                fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o755))?;
                waiting.push(entry.path());
            } else {
                bytes += kind.len();
            }
        }
    }
    Ok((bytes, entries))
}

/// Size of every code disk; what is not written takes no room. Package and layers together have at most 250 MB.
const CODE_DISK_BYTES: u64 = 1 << 30;
/// Files of one disk. Ours: with a container image, everything in it.
// DIVERGES: AWS takes images of up to 10 GB; a machine's root lies on a disk of its own, a second time on this host.
const DISK_BYTES_MAX: u64 = 4 << 30;
/// What the system counts a file's room in.
const BLOCK_BYTES: u64 = 512;
/// The same for every disk: nothing is found by it.
const DISK_UUID: &str = "00000000-0000-4000-8000-000000000001";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_that_could_not_be_made_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        let staging = Staging::new(&image).unwrap();
        // What a mke2fs that then fails has written.
        fs::write(&image, b"a piece").unwrap();
        assert!(staging.made_by(Path::new("/bin/false"), image.clone()).is_err());
        assert!(!image.exists());
        assert!(Staging::new(&image).is_ok());
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn nothing_is_written_by_way_of_a_link_that_was_copied() {
        let folder = tempfile::tempdir().unwrap();
        let (outside, source) = (folder.path().join("outside"), folder.path().join("source"));
        fs::create_dir(&outside).unwrap();
        fs::create_dir(&source).unwrap();
        symlink(&outside, source.join("etc")).unwrap();
        symlink(outside.join("file"), source.join("file")).unwrap();
        let staging = Staging::new(&folder.path().join("image")).unwrap();
        staging.copy(&source, Path::new("/root"), &Manner::PLAIN).unwrap();
        assert!(staging.write(Path::new("/root/etc/passwd"), b"x").is_err());
        assert!(staging.copy(Path::new("/proc/version"), Path::new("/root/etc/x"), &Manner::PLAIN).is_err());
        // The link itself makes way.
        staging.write(Path::new("/root/file"), b"ours").unwrap();
        assert_eq!(fs::read(staging.root.join("root/file")).unwrap(), b"ours");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }

    #[test]
    fn rights_of_a_root_are_kept_and_never_what_a_set_user_bit_or_writing_gives() {
        let keeps = Manner { hidden: BTreeSet::new(), keeps_rights: true };
        for (mode, file, dir) in [(0o644, 0o444, 0o744), (0o4711, 0o511, 0o711), (0o2770, 0o550, 0o750)] {
            assert_eq!((keeps.of_file(mode), keeps.of_folder(mode)), (file, dir), "{mode:o}");
        }
        for (mode, file) in [(0o600, 0o444), (0o6710, 0o555)] {
            assert_eq!((Manner::PLAIN.of_file(mode), Manner::PLAIN.of_folder(mode)), (file, 0o755));
        }
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        fs::create_dir_all(source.join("closed")).unwrap();
        fs::write(source.join("closed/file"), "x").unwrap();
        fs::set_permissions(source.join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(source.join("closed/file"), fs::Permissions::from_mode(0o4700)).unwrap();
        let staging = Staging::new(&folder.path().join("image")).unwrap();
        staging.copy(&source, Path::new("/root"), &keeps).unwrap();
        let closed = staging.root.join("root/closed");
        assert_eq!(mode(&closed.join("file")), 0o500);
        assert_eq!(staging.folders.borrow().last(), Some(&(closed, 0o700)));
    }

    #[test]
    fn more_than_a_disk_may_hold_is_refused_before_it_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large");
        fs::File::create(&large).unwrap().set_len(DISK_BYTES_MAX + 1).unwrap();
        let staging = Staging::new(&folder.path().join("image")).unwrap();
        let refused = staging.copy(&large, Path::new("/large"), &Manner::PLAIN).unwrap_err();
        assert!(refused.to_string().contains("more than a disk may hold"), "{refused}");
        assert!(!staging.root.join("large").exists());
    }
}
