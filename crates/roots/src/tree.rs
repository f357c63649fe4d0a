//! A folder that becomes somebody's root: whether others can change it, what it holds, and where a path in it leads.
//!
//! Links are read and never followed by the system. Since nobody else may write anywhere on the way to the folder or in it,
//! a path that was looked at stays what it was.

use std::{
    ffi::{OsStr, OsString},
    fmt, fs,
    io::{self, Read},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Component, Path, PathBuf},
};

use aws_lc_rs::digest::{Context, SHA256};

/// Why a folder cannot be a root.
#[derive(Debug)]
pub enum TreeError {
    /// It cannot be read.
    Io(PathBuf, io::Error),
    /// Others may change it, or what leads to it.
    Writable(PathBuf),
    /// It belongs to somebody else.
    Foreign(PathBuf),
    /// It is neither file nor folder nor link.
    Kind(PathBuf),
    /// Another file system begins there.
    Mount(PathBuf),
    /// There is too much in it.
    TooLarge,
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "`{}`: {error}", path.display()),
            Self::Writable(path) => write!(
                f,
                "`{}` can be written by others: a root must be its owner's alone (chmod -R go-w)",
                path.display()
            ),
            Self::Foreign(path) => {
                write!(f, "`{}` belongs neither to root nor to the user who runs this", path.display())
            }
            Self::Kind(path) => write!(f, "`{}` is neither a file, a folder nor a link", path.display()),
            Self::Mount(path) => write!(f, "at `{}` another file system begins", path.display()),
            Self::TooLarge => write!(
                f,
                "the root has more than {ENTRIES_MAX} files and folders, or more than {BYTES_MAX} bytes"
            ),
        }
    }
}

impl std::error::Error for TreeError {}

/// Most files and folders of a root. Ours: a distribution with several languages has a tenth of it.
pub const ENTRIES_MAX: u64 = 1_000_000;
/// Most bytes of a root. Ours: as much as AWS lets a container image have (10 GB, Lambda quotas).
pub const BYTES_MAX: u64 = 10 << 30;
/// How deep folders may lie in each other. Ours.
const DEPTH_MAX: usize = 128;
/// Links followed on one path. As the kernel's.
const LINKS_MAX: usize = 40;

/// Folders at the top that environments never see.
pub const UNSEEN: [&str; 4] = ["dev", "proc", "sys", "tmp"];

/// Looks at everything in a folder and digests it: names, kinds, rights, contents. `root` must be a whole path without links.
pub fn examine(root: &Path) -> Result<[u8; 32], TreeError> {
    let owner =
        Owner::of_this_process().map_err(|error| TreeError::Io(PathBuf::from("/proc/self"), error))?;
    for folder in root.ancestors().skip(1) {
        let found = look(folder)?;
        // In a folder such as /tmp, others cannot replace what is not theirs.
        owner.check(folder, &found, Sticky::Fine)?;
    }
    let top = look(root)?;
    if !top.is_dir() {
        return Err(TreeError::Kind(root.to_owned()));
    }
    let mut walk = Walk { owner, device: top.dev(), entries: 0, bytes: 0, digest: Context::new(&SHA256) };
    walk.entry(root, Path::new(""), 0)?;
    let mut sha256 = [0; 32];
    for (to, from) in sha256.iter_mut().zip(walk.digest.finish().as_ref()) {
        *to = *from;
    }
    Ok(sha256)
}

/// Where a path leads that is meant inside a root, every link on it, too: a path on the host that lies in the root.
/// `NotFound` where it leads nowhere.
pub fn resolve(root: &Path, inside: &Path) -> io::Result<PathBuf> {
    let mut open: Vec<OsString> = parts(inside);
    let (mut at, mut links) = (root.to_path_buf(), 0);
    while let Some(part) = open.pop() {
        if part == ".." {
            if at != root {
                at.pop();
            }
            continue;
        }
        let next = at.join(&part);
        if !fs::symlink_metadata(&next)?.is_symlink() {
            at = next;
            continue;
        }
        links += 1;
        if links > LINKS_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many links"));
        }
        let target = fs::read_link(&next)?;
        if target.is_absolute() {
            at = root.to_path_buf();
        }
        open.extend(parts(&target));
    }
    Ok(at)
}

/// The parts of a path, last one first; `..` is kept.
fn parts(path: &Path) -> Vec<OsString> {
    let part = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(part).collect()
}

fn look(path: &Path) -> Result<fs::Metadata, TreeError> {
    fs::symlink_metadata(path).map_err(|error| TreeError::Io(path.to_owned(), error))
}

/// Whether others may make files in a folder in which everybody owns what is his.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sticky {
    Fine,
    Refused,
}

#[derive(Clone, Copy)]
struct Owner(u32);

impl Owner {
    fn of_this_process() -> io::Result<Self> {
        fs::metadata("/proc/self").map(|own| Self(own.uid()))
    }

    fn check(self, path: &Path, found: &fs::Metadata, sticky: Sticky) -> Result<(), TreeError> {
        if found.uid() != 0 && found.uid() != self.0 {
            return Err(TreeError::Foreign(path.to_owned()));
        }
        let kept = sticky == Sticky::Fine && found.mode() & STICKY != 0;
        if !found.is_symlink() && found.mode() & WRITABLE_BY_OTHERS != 0 && !kept {
            return Err(TreeError::Writable(path.to_owned()));
        }
        Ok(())
    }
}

const WRITABLE_BY_OTHERS: u32 = 0o022;
const STICKY: u32 = 0o1000;

struct Walk {
    owner: Owner,
    device: u64,
    entries: u64,
    bytes: u64,
    digest: Context,
}

impl Walk {
    fn entry(&mut self, path: &Path, inside: &Path, depth: usize) -> Result<(), TreeError> {
        let failed = |error| TreeError::Io(path.to_owned(), error);
        let found = look(path)?;
        self.owner.check(path, &found, Sticky::Refused)?;
        self.entries += 1;
        if self.entries > ENTRIES_MAX || depth > DEPTH_MAX {
            return Err(TreeError::TooLarge);
        }
        self.field(inside.as_os_str());
        let kind = found.file_type();
        if kind.is_symlink() {
            self.digest.update(b"l");
            let target = fs::read_link(path).map_err(failed)?;
            self.field(target.as_os_str());
        } else if kind.is_file() {
            self.digest.update(b"f");
            self.digest.update(&(found.mode() & 0o7777).to_le_bytes());
            self.contents(path).map_err(failed)?;
            if self.bytes > BYTES_MAX {
                return Err(TreeError::TooLarge);
            }
        } else if kind.is_dir() {
            self.digest.update(b"d");
            self.digest.update(&(found.mode() & 0o7777).to_le_bytes());
            if found.dev() != self.device {
                return Err(TreeError::Mount(path.to_owned()));
            }
            let mut names: Vec<OsString> = Vec::new();
            for entry in fs::read_dir(path).map_err(failed)? {
                names.push(entry.map_err(failed)?.file_name());
            }
            names.sort();
            for name in names {
                if depth > 0 || !UNSEEN.iter().any(|unseen| name == *unseen) {
                    self.entry(&path.join(&name), &inside.join(&name), depth + 1)?;
                }
            }
        } else {
            return Err(TreeError::Kind(path.to_owned()));
        }
        Ok(())
    }

    /// Length first, so that no two trees read the same.
    fn field(&mut self, text: &OsStr) {
        self.digest.update(&(text.len() as u64).to_le_bytes());
        self.digest.update(text.as_bytes());
    }

    fn contents(&mut self, path: &Path) -> io::Result<()> {
        let mut file = fs::OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(path)?;
        let (mut content, mut buffer) = (Context::new(&SHA256), vec![0; 128 * 1024]);
        loop {
            let length = file.read(&mut buffer)?;
            let Some(read) = buffer.get(..length).filter(|read| !read.is_empty()) else { break };
            content.update(read);
            self.bytes += length as u64;
            if self.bytes > BYTES_MAX {
                return Ok(());
            }
        }
        self.digest.update(content.finish().as_ref());
        Ok(())
    }
}

/// `O_NOFOLLOW` and `O_NONBLOCK`: neither a link nor a pipe that came meanwhile.
const NO_FOLLOW: i32 = 0o400_000 | 0o4_000;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn root() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("root");
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        fs::write(root.join("usr/bin/tool"), "#!").unwrap();
        (folder, root)
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn every_change_changes_the_digest() {
        let (_held, root) = root();
        let mut seen = vec![examine(&root).unwrap()];
        assert_eq!(examine(&root).unwrap(), seen[0]);
        let tool = root.join("usr/bin/tool");
        let changes: [&dyn Fn(); 6] = [
            &|| fs::write(&tool, "!#").unwrap(),
            &|| chmod(&tool, 0o755),
            &|| fs::write(root.join("usr/bin/other"), "").unwrap(),
            &|| symlink("tool", root.join("usr/bin/link")).unwrap(),
            &|| {
                fs::remove_file(root.join("usr/bin/link")).unwrap();
                symlink("other", root.join("usr/bin/link")).unwrap();
            },
            &|| fs::create_dir(root.join("empty")).unwrap(),
        ];
        for change in changes {
            change();
            let now = examine(&root).unwrap();
            assert!(!seen.contains(&now));
            seen.push(now);
        }
        // What no environment sees does not count.
        fs::create_dir(root.join("tmp")).unwrap();
        fs::write(root.join("tmp/x"), "x").unwrap();
        assert_eq!(examine(&root).unwrap(), *seen.last().unwrap());
    }

    #[test]
    fn what_others_may_write_is_refused_inside_and_above() {
        let (_held, root) = root();
        for path in ["usr", "usr/bin/tool", ""] {
            let path = root.join(path);
            let mode = fs::metadata(&path).unwrap().mode();
            for bits in [0o020, 0o002, 0o1002] {
                chmod(&path, mode | bits);
                assert!(matches!(examine(&root), Err(TreeError::Writable(_))), "{}", path.display());
            }
            chmod(&path, mode);
        }
        examine(&root).unwrap();
        let above = root.parent().unwrap();
        chmod(above, 0o777);
        assert!(matches!(examine(&root), Err(TreeError::Writable(_))));
        // As /tmp is.
        chmod(above, 0o1777);
        examine(&root).unwrap();
    }

    #[test]
    fn sockets_and_files_instead_of_folders_are_refused() {
        let (_held, root) = root();
        assert!(matches!(examine(&root.join("usr/bin/tool")), Err(TreeError::Kind(_))));
        let _listener = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
        assert!(matches!(examine(&root), Err(TreeError::Kind(_) | TreeError::Writable(_))));
        assert!(matches!(examine(&root.join("none")), Err(TreeError::Io(..))));
    }

    #[test]
    fn links_lead_to_what_is_inside_and_nowhere_else() {
        let (_held, root) = root();
        symlink("/usr/bin", root.join("bin")).unwrap();
        symlink("../../../../../../usr/bin/tool", root.join("usr/up")).unwrap();
        symlink("/etc/passwd", root.join("usr/out")).unwrap();
        symlink("round", root.join("round")).unwrap();
        let tool = root.join("usr/bin/tool");
        for path in ["/usr/bin/tool", "/bin/tool", "/usr/up", "/../../usr/./bin/../bin/tool"] {
            assert_eq!(resolve(&root, Path::new(path)).unwrap(), tool, "{path}");
        }
        for path in ["/usr/out", "/etc/passwd", "/round", "/usr/bin/tool/x"] {
            assert!(resolve(&root, Path::new(path)).is_err(), "{path}");
        }
    }
}
