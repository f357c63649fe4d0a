//! Read-only disks for the guest: ext4 images without a journal, made by `mke2fs` from a folder put together here.
//!
//! Files are copied with nothing but their contents and whether they may be executed: no owner, no set-uid bit, no
//! attribute of the host goes along.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use casemate_sandbox::{HostFile, Runtime};

use crate::{
    agent::Agent,
    guest::{AGENT_PATH, CODE_MOUNT},
};

/// What the code disk holds.
#[derive(Clone, Debug, Default)]
pub struct CodeDisk {
    /// Unpacked package, shown at `/var/task`.
    pub code_dir: PathBuf,
    /// Unpacked layers, shown at `/opt`.
    pub layers_dir: Option<PathBuf>,
    /// Files for `/var/runtime`: name, contents.
    pub bootstrap: Vec<(String, Vec<u8>)>,
}

/// A disk's file. It goes with its last holder.
#[derive(Debug)]
pub struct Disk(PathBuf);

impl Disk {
    pub(crate) fn path(&self) -> &Path {
        &self.0
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

/// Makes the disk of a runtime: its interpreter, libraries, the agent, and further folders of the host.
pub(crate) fn runtime(
    runtime: &Runtime,
    mounts: &[HostFile],
    agent: &Agent,
    image: PathBuf,
) -> io::Result<Disk> {
    let folder = Staging::new(&image)?;
    for name in ["/proc", "/sys", "/dev", "/tmp", "/run", "/casemate/path", CODE_MOUNT] {
        folder.directory(Path::new(name))?;
    }
    folder.copy(&agent.file, Path::new(AGENT_PATH), &BTreeSet::new())?;
    for (inside, host) in &agent.libraries {
        folder.copy(host, inside, &BTreeSet::new())?;
    }
    let (files, hidden) = runtime.host_files()?;
    let hidden: BTreeSet<PathBuf> = hidden.into_iter().collect();
    for file in files.iter().chain(mounts) {
        folder.copy(&file.host, &file.at, &hidden)?;
    }
    // The agent looks for interpreters by name, along a path on which the host's folders need not lie.
    if let Some(interpreter) = &runtime.interpreter {
        let name = runtime.id.split_once(".x").map_or(runtime.id.as_str(), |_| "node");
        folder.link(&Path::new("/casemate/path").join(name), interpreter)?;
    }
    let disk = folder.finish(image)?;
    readable(disk.path())?;
    Ok(disk)
}

/// Makes the disk of a function's code. All have one size, so that a guest takes each for the one it was booted with.
pub(crate) fn code(code: &CodeDisk, image: PathBuf) -> io::Result<Disk> {
    let folder = Staging::new(&image)?;
    folder.directory(Path::new("/bootstrap"))?;
    folder.copy(&code.code_dir, Path::new("/task"), &BTreeSet::new())?;
    if let Some(layers) = &code.layers_dir {
        folder.copy(layers, Path::new("/opt"), &BTreeSet::new())?;
    }
    for (name, contents) in &code.bootstrap {
        if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "bootstrap file name"));
        }
        folder.write(&Path::new("/bootstrap").join(name), contents, true)?;
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

/// A folder that is removed again, whatever happens.
struct Staging {
    root: PathBuf,
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
        Ok(Self { root })
    }

    fn inside(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(self.inside(path))
    }

    fn parents(&self, path: &Path) -> io::Result<PathBuf> {
        path.parent().map_or(Ok(()), |parent| self.directory(parent))?;
        Ok(self.inside(path))
    }

    fn write(&self, path: &Path, contents: &[u8], executable: bool) -> io::Result<()> {
        let to = self.parents(path)?;
        match fs::remove_file(&to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::write(&to, contents)?,
        }
        fs::set_permissions(&to, fs::Permissions::from_mode(if executable { 0o555 } else { 0o444 }))
    }

    fn link(&self, path: &Path, target: &Path) -> io::Result<()> {
        let at = self.parents(path)?;
        let about =
            |error: io::Error| io::Error::new(error.kind(), format!("link {}: {error}", path.display()));
        symlink(target, at).map_err(about)
    }

    /// Copies a file or a folder with all it holds, links as links. The folders `hidden` inside stay empty.
    fn copy(&self, host: &Path, at: &Path, hidden: &BTreeSet<PathBuf>) -> io::Result<()> {
        // What is named is followed, as a bind mount would; what is found in a folder is not.
        let mut waiting = vec![(host.canonicalize()?, at.to_path_buf())];
        while let Some((host, at)) = waiting.pop() {
            let kind = fs::symlink_metadata(&host)?;
            if kind.is_dir() {
                self.directory(&at)?;
                if hidden.contains(&at) {
                    continue;
                }
                for entry in fs::read_dir(&host)? {
                    let entry = entry?;
                    waiting.push((entry.path(), at.join(entry.file_name())));
                }
            } else if kind.is_symlink() {
                self.link(&at, &fs::read_link(&host)?)?;
            } else if kind.is_file() {
                self.write(&at, &fs::read(&host)?, kind.permissions().mode() & 0o111 != 0)?;
            }
        }
        Ok(())
    }

    fn finish(self, image: PathBuf) -> io::Result<Disk> {
        self.made_by(Path::new("/sbin/mke2fs"), image)
    }

    fn made_by(self, mke2fs: &Path, image: PathBuf) -> io::Result<Disk> {
        let (bytes, entries) = size(&self.root)?;
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
}
