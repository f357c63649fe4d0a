//! Zip packages: what may be in one, and unpacking it into a folder of its own.
//!
//! Every entry is judged before the first is written. Nothing is ever written through a link: a name below a link or below
//! a file is refused, and links are made last. Knows nothing of functions or of where the folder is.

pub(crate) mod listing;

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, Cursor, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use zip::ZipArchive;

use crate::api::Error;

/// Everything in a package together, in bytes.
// AWS: 250 MB (Lambda quotas, "Deployment package size", unzipped).
pub(crate) const UNPACKED_BYTES_MAX: u64 = 262_144_000;
/// A package as sent, in bytes.
// AWS: 50 MB (Lambda quotas, "Deployment package size", zipped, for direct upload).
pub(crate) const PACKED_BYTES_MAX: usize = 52_428_800;
/// Files, folders and links. Ours: bounds the time and inodes that one package costs.
const ENTRIES_MAX: usize = 100_000;
/// Bytes of one part of a name: the file systems' limit.
const PART_BYTES_MAX: usize = 255;
/// Bytes of a whole name. Below PATH_MAX (4,096) with room for the folder's own path.
const NAME_BYTES_MAX: usize = 3_072;

/// Why a package was not taken.
#[derive(Debug)]
pub(crate) enum PackageError {
    /// Not a zip archive, or damaged.
    Unreadable(String),
    /// A name that is absolute, climbs, or is no name.
    Name(String),
    /// Two entries for one name, or a name below a file or link.
    Conflict(String),
    /// Entries of the very same name.
    Twice,
    /// A link that leads out of the package.
    Link(String),
    /// More than [`UNPACKED_BYTES_MAX`].
    TooLarge,
    /// More than [`ENTRIES_MAX`] entries.
    TooMany,
    /// Nothing in it.
    Empty,
    /// Encrypted, or a device, socket or pipe.
    Kind(String),
    /// This host's disk.
    Disk(io::Error),
}

/// What an entry becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Folder,
    File { executable: bool },
    Link { target: String },
}

#[derive(Debug)]
struct Entry {
    index: usize,
    kind: Kind,
}

/// Entries by the parts of their names, so that a folder precedes what is in it.
type Plan = BTreeMap<Vec<String>, Entry>;

/// Unpacks `archive` into the empty folder `folder`; returns how many bytes its files have.
pub(crate) fn unpack(archive: &[u8], folder: &Path) -> Result<u64, PackageError> {
    unpack_within(archive, folder, UNPACKED_BYTES_MAX)
}

/// The same into a folder that holds other packages already, which this one covers: a file takes the place of what has its
/// name, a folder that of a file or link.
pub(crate) fn unpack_over(archive: &[u8], folder: &Path) -> Result<u64, PackageError> {
    let mut read = ZipArchive::new(Cursor::new(archive)).map_err(unreadable)?;
    for (name, entry) in &plan(&mut read, UNPACKED_BYTES_MAX)? {
        clear_way(folder, name, entry.kind == Kind::Folder)?;
    }
    unpack(archive, folder)
}

/// Removes what stands where an entry goes, and links and files where its folders go: nothing is written through a link of
/// an earlier package.
fn clear_way(folder: &Path, name: &[String], is_folder: bool) -> Result<(), PackageError> {
    let mut path = folder.to_owned();
    for (index, part) in name.iter().enumerate() {
        path.push(part);
        let kind = match fs::symlink_metadata(&path) {
            Ok(found) => found.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(PackageError::Disk(error)),
        };
        if !kind.is_dir() {
            return fs::remove_file(&path).map_err(PackageError::Disk);
        }
        if index + 1 == name.len() && !is_folder {
            return fs::remove_dir_all(&path).map_err(PackageError::Disk);
        }
    }
    Ok(())
}

fn unpack_within(archive: &[u8], folder: &Path, bytes_max: u64) -> Result<u64, PackageError> {
    let mut archive = ZipArchive::new(Cursor::new(archive)).map_err(unreadable)?;
    let plan = plan(&mut archive, bytes_max)?;
    let mut left = bytes_max;
    for (name, entry) in &plan {
        let path = under(folder, name);
        match &entry.kind {
            Kind::Folder => make_folder(&path)?,
            Kind::File { executable } => {
                if let Some(parent) = path.parent() {
                    make_folder(parent)?;
                }
                let mut source = archive.by_index(entry.index).map_err(unreadable)?;
                left -= write_file(&mut source, &path, *executable, left)?;
            }
            Kind::Link { .. } => {}
        }
    }
    for (name, entry) in &plan {
        if let Kind::Link { target } = &entry.kind {
            let path = under(folder, name);
            if let Some(parent) = path.parent() {
                make_folder(parent)?;
            }
            symlink(target, &path).map_err(PackageError::Disk)?;
        }
    }
    Ok(bytes_max - left)
}

fn plan(archive: &mut ZipArchive<Cursor<&[u8]>>, bytes_max: u64) -> Result<Plan, PackageError> {
    if archive.is_empty() {
        return Err(PackageError::Empty);
    }
    if archive.len() > ENTRIES_MAX {
        return Err(PackageError::TooMany);
    }
    // The reader shows only the last of them.
    if archive.has_duplicate_names() {
        return Err(PackageError::Twice);
    }
    let (mut plan, mut announced) = (Plan::new(), 0_u64);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(unreadable)?;
        let shown = String::from_utf8_lossy(entry.name_raw()).into_owned();
        if entry.encrypted() {
            return Err(PackageError::Kind(shown));
        }
        announced = announced.saturating_add(entry.size());
        if announced > bytes_max {
            return Err(PackageError::TooLarge);
        }
        let name = parts(entry.name_raw())?;
        if name.is_empty() {
            continue;
        }
        let kind = match entry.unix_mode().unwrap_or(0) & MODE_TYPE {
            MODE_LINK => {
                let mut target = String::new();
                let read = (&mut entry).take(NAME_BYTES_MAX as u64 + 1).read_to_string(&mut target);
                read.map_err(|_| PackageError::Link(shown.clone()))?;
                if !stays_inside(&name, &target) {
                    return Err(PackageError::Link(shown));
                }
                Kind::Link { target }
            }
            0 | MODE_FILE | MODE_FOLDER if entry.is_dir() => Kind::Folder,
            0 | MODE_FILE => Kind::File { executable: entry.unix_mode().unwrap_or(0) & 0o111 != 0 },
            _ => return Err(PackageError::Kind(shown)),
        };
        let is_folder = kind == Kind::Folder;
        let before = plan.insert(name, Entry { index, kind });
        if before.is_some_and(|before| !(is_folder && before.kind == Kind::Folder)) {
            return Err(PackageError::Conflict(shown));
        }
    }
    refuse_conflicts(&plan)?;
    Ok(plan)
}

/// A name must not lie below a file or link.
fn refuse_conflicts(plan: &Plan) -> Result<(), PackageError> {
    for name in plan.keys() {
        let mut above = name.clone();
        while above.pop().is_some() && !above.is_empty() {
            if plan.get(&above).is_some_and(|entry| entry.kind != Kind::Folder) {
                return Err(PackageError::Conflict(name.join("/")));
            }
        }
    }
    Ok(())
}

/// The parts of a name. Empty for the package's own folder (`./`).
fn parts(raw: &[u8]) -> Result<Vec<String>, PackageError> {
    let refused = || PackageError::Name(String::from_utf8_lossy(raw).into_owned());
    let text = std::str::from_utf8(raw).map_err(|_| refused())?;
    if text.starts_with('/') || text.contains('\0') || text.len() > NAME_BYTES_MAX {
        return Err(refused());
    }
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(refused()),
            part if part.len() > PART_BYTES_MAX => return Err(refused()),
            part => parts.push(part.to_owned()),
        }
    }
    Ok(parts)
}

/// Does a link at `name` lead to a place in the package?
///
/// `..` is taken only at the beginning of a target, where it climbs from the link's own folder, which is a real one. So no
/// chain of links leads out either: each step ends inside.
fn stays_inside(name: &[String], target: &str) -> bool {
    if target.is_empty() || target.starts_with('/') || target.contains('\0') || target.len() > NAME_BYTES_MAX
    {
        return false;
    }
    let depth = name.len().saturating_sub(1);
    let mut parts = target.split('/').filter(|part| !part.is_empty() && *part != ".").peekable();
    let mut climbed = 0;
    while parts.next_if_eq(&"..").is_some() {
        climbed += 1;
    }
    climbed <= depth && parts.all(|part| part != "..")
}

fn write_file(source: &mut impl Read, path: &Path, executable: bool, left: u64) -> Result<u64, PackageError> {
    let mode = if executable { 0o755 } else { 0o644 };
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(PackageError::Disk)?;
    let (mut buffer, mut written) = (vec![0; COPY_BYTES], 0_u64);
    loop {
        // What the archive announces is not believed: what comes out of it is counted.
        let read = source.read(&mut buffer).map_err(|error| PackageError::Unreadable(error.to_string()))?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
        written += chunk.len() as u64;
        if written > left {
            return Err(PackageError::TooLarge);
        }
        file.write_all(chunk).map_err(PackageError::Disk)?;
    }
    // The process's umask does not decide.
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(PackageError::Disk)?;
    Ok(written)
}

fn make_folder(path: &Path) -> Result<(), PackageError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    fs::create_dir(path).map_err(PackageError::Disk)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(PackageError::Disk)
}

fn under(folder: &Path, name: &[String]) -> PathBuf {
    name.iter().fold(folder.to_owned(), |path, part| path.join(part))
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function for map_err")]
fn unreadable(error: zip::result::ZipError) -> PackageError {
    PackageError::Unreadable(error.to_string())
}

const MODE_TYPE: u32 = 0o170_000;
const MODE_LINK: u32 = 0o120_000;
const MODE_FILE: u32 = 0o100_000;
const MODE_FOLDER: u32 = 0o040_000;
const COPY_BYTES: usize = 64 * 1024;

impl fmt::Display for PackageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "the package cannot be read: {why}"),
            Self::Name(name) => write!(f, "the package holds the name {name:?}, which is not relative to it"),
            Self::Conflict(name) => {
                write!(f, "the package holds {name:?} twice, or below something that is no folder")
            }
            Self::Twice => f.write_str("the package holds a name twice"),
            Self::Link(name) => write!(f, "the link {name:?} leads out of the package"),
            Self::TooLarge => write!(f, "the package has more than {UNPACKED_BYTES_MAX} bytes unzipped"),
            Self::TooMany => write!(f, "the package has more than {ENTRIES_MAX} entries"),
            Self::Empty => f.write_str("the package is empty"),
            Self::Kind(name) => write!(f, "{name:?} is encrypted, or neither file, folder nor link"),
            Self::Disk(error) => write!(f, "the package cannot be written: {error}"),
        }
    }
}

impl std::error::Error for PackageError {}

impl From<PackageError> for Error {
    fn from(error: PackageError) -> Self {
        match error {
            // AWS: these three texts are the service's.
            PackageError::TooLarge => Self::invalid_parameter_value_exception(format!(
                "Unzipped size must be smaller than {UNPACKED_BYTES_MAX} bytes"
            )),
            PackageError::Empty => {
                Self::invalid_parameter_value_exception("Uploaded file must be a non-empty zip")
            }
            PackageError::Unreadable(_) => Self::invalid_parameter_value_exception(
                "Could not unzip uploaded file. Please check your file, then try to upload again.",
            ),
            PackageError::Disk(error) => Self::Internal(casemate_kernel::Fault::internal(error)),
            refused => Self::invalid_parameter_value_exception(refused.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    type Build = ZipWriter<Cursor<Vec<u8>>>;

    fn archive(fill: impl FnOnce(&mut Build)) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        fill(&mut writer);
        writer.finish().unwrap().into_inner()
    }

    fn file(writer: &mut Build, name: &str, mode: u32, content: &[u8]) {
        writer.start_file(name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
        writer.write_all(content).unwrap();
    }

    fn unpacked(bytes: &[u8]) -> Result<(tempfile::TempDir, u64), PackageError> {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("inside");
        fs::create_dir(&inside).unwrap();
        let size = unpack(bytes, &inside)?;
        Ok((folder, size))
    }

    #[test]
    fn files_keep_their_content_and_their_execute_bit() {
        let bytes = archive(|zip| {
            file(zip, "app.py", 0o600, b"print(1)");
            file(zip, "bin/tool", 0o700, b"x");
            zip.add_symlink("lib", "bin", SimpleFileOptions::default()).unwrap();
        });
        let (folder, size) = unpacked(&bytes).unwrap();
        let at = |name: &str| folder.path().join("inside").join(name);
        assert_eq!(fs::read(at("app.py")).unwrap(), b"print(1)");
        assert_eq!(fs::metadata(at("app.py")).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::metadata(at("lib/tool")).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(size, 9);
    }

    #[test]
    fn a_package_over_another_covers_it_and_writes_through_none_of_its_links() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let first = archive(|zip| {
            file(zip, "kept", 0o644, b"1");
            file(zip, "both", 0o644, b"1");
            file(zip, "real/inside", 0o644, b"1");
            file(zip, "became/folder", 0o644, b"1");
            zip.add_symlink("link", "real", SimpleFileOptions::default()).unwrap();
        });
        let second = archive(|zip| {
            file(zip, "both", 0o644, b"2");
            file(zip, "link/inside", 0o644, b"2");
            file(zip, "became", 0o644, b"2");
        });
        unpack_over(&first, folder.path()).unwrap();
        unpack_over(&second, folder.path()).unwrap();
        for (name, content) in
            [("kept", "1"), ("both", "2"), ("real/inside", "1"), ("link/inside", "2"), ("became", "2")]
        {
            assert_eq!(fs::read_to_string(at(name)).unwrap(), content, "{name}");
        }
        assert!(fs::symlink_metadata(at("link")).unwrap().is_dir());
    }

    #[test]
    fn names_that_leave_the_package_are_refused() {
        for name in ["../evil", "a/../../evil", "/etc/evil", "a/..", &"x".repeat(256)] {
            let bytes = archive(|zip| file(zip, name, 0o644, b"x"));
            assert!(matches!(unpacked(&bytes), Err(PackageError::Name(_))), "{name}");
        }
    }

    #[test]
    fn links_out_of_the_package_are_refused() {
        for (name, target) in
            [("l", "/etc/passwd"), ("l", ".."), ("a/l", "../../x"), ("a/l", "b/../../../x"), ("l", "a/../b")]
        {
            let bytes = archive(|zip| zip.add_symlink(name, target, SimpleFileOptions::default()).unwrap());
            assert!(matches!(unpacked(&bytes), Err(PackageError::Link(_))), "{name} -> {target}");
        }
    }

    #[test]
    fn the_very_same_name_twice_is_refused() {
        let mut bytes = archive(|zip| {
            file(zip, "aaa", 0o644, b"1");
            file(zip, "bbb", 0o644, b"2");
        });
        for at in 0..bytes.len() - 2 {
            if bytes[at..].starts_with(b"bbb") {
                bytes[at..at + 3].copy_from_slice(b"aaa");
            }
        }
        assert!(matches!(unpacked(&bytes), Err(PackageError::Twice)));
    }

    #[test]
    fn nothing_is_written_through_a_link_or_a_file() {
        let bytes = archive(|zip| {
            zip.add_symlink("d", "other", SimpleFileOptions::default()).unwrap();
            file(zip, "d/x", 0o644, b"x");
        });
        assert!(matches!(unpacked(&bytes), Err(PackageError::Conflict(_))));
        let bytes = archive(|zip| {
            file(zip, "d", 0o644, b"x");
            file(zip, "d/x", 0o644, b"x");
        });
        assert!(matches!(unpacked(&bytes), Err(PackageError::Conflict(_))));
    }

    #[test]
    fn a_bomb_is_refused_by_what_it_announces() {
        let bytes = archive(|zip| {
            for name in ["a", "b", "c"] {
                file(zip, name, 0o644, &vec![0; 100_000]);
            }
        });
        assert!(bytes.len() < 10_000);
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(unpack_within(&bytes, folder.path(), 299_999), Err(PackageError::TooLarge)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(unpack_within(&bytes, folder.path(), 300_000).unwrap(), 300_000);
    }

    #[test]
    fn a_bomb_that_lies_about_its_size_is_refused_by_what_comes_out() {
        let mut written = io::repeat(0).take(1000);
        let folder = tempfile::tempdir().unwrap();
        let refused = write_file(&mut written, &folder.path().join("f"), false, 999);
        assert!(matches!(refused, Err(PackageError::TooLarge)));
    }

    #[test]
    fn garbage_and_empty_archives_are_refused() {
        assert!(matches!(unpacked(b"no zip at all"), Err(PackageError::Unreadable(_))));
        assert!(matches!(unpacked(&archive(|_| {})), Err(PackageError::Empty)));
        let mut bytes = archive(|zip| file(zip, "a", 0o644, &[7; 10_000]));
        let middle = 40;
        bytes[middle] ^= 0xFF;
        assert!(matches!(unpacked(&bytes), Err(PackageError::Unreadable(_))));
    }
}
