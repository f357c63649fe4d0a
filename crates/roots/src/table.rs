//! The runtimes that an operator added: a small file of the data directory, read when a server starts.
//!
//! An entry holds a digest of its root. Whoever makes the root ready compares it first; what its owner changes after that, nobody
//! notices until the next start of the server. Which families have a bootstrap, and what policies mean, others know.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::tree::{self, TreeError};

/// One runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What functions name it by.
    pub id: String,
    /// The folder with its root: a whole path without links.
    pub root: PathBuf,
    /// Program (a path inside) and arguments.
    pub argv: Vec<String>,
    /// Which bootstrap it gets: `provided` for none.
    pub family: Family,
    /// Which programs may be started inside, unless a function says otherwise.
    pub exec: Exec,
    /// SHA-256 of everything in the root, hexadecimal.
    pub sha256: String,
}

/// Which of our bootstraps calls the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Ours for Python.
    Python,
    /// Ours for Node.js.
    Node,
    /// Ours for Ruby.
    Ruby,
    /// None: the program speaks the Runtime API itself.
    Provided,
}

/// What may be executed besides the runtime's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exec {
    /// Nothing, as in managed runtimes.
    Deny,
    /// Everything, recorded.
    Audit,
    /// Everything.
    Allow,
}

/// All entries of one data directory.
#[derive(Debug, Clone)]
pub struct Table {
    path: PathBuf,
    entries: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u16,
    runtimes: Vec<Entry>,
}

/// The table or an entry cannot be used.
#[derive(Debug)]
pub enum TableError {
    /// The file cannot be read or written.
    Io(PathBuf, io::Error),
    /// The file is not what we write, or others may write it.
    Unusable(PathBuf, String),
    /// The root cannot be one.
    Root(TreeError),
    /// Something about the entry.
    Entry(String),
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "`{}`: {error}", path.display()),
            Self::Unusable(path, why) => write!(f, "`{}`: {why}", path.display()),
            Self::Root(error) => write!(f, "{error}"),
            Self::Entry(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for TableError {}

/// `O_NOFOLLOW`.
const NO_FOLLOW: i32 = 0o400_000;
/// `O_NONBLOCK`: a pipe that nobody reads is not waited for.
const NO_WAITING: i32 = 0o4_000;
/// The file's name in the data directory.
const FILE: &str = "runtimes.json";
const FORMAT: u16 = 1;
/// Longest identifier. Ours; AWS's have twenty characters at most.
const ID_LENGTH_MAX: usize = 64;
/// Most runtimes. Ours.
const ENTRIES_MAX: usize = 100;
/// Bytes of the file. Ours: a hundred entries with long paths.
const FILE_BYTES_MAX: u64 = 1 << 20;

impl Table {
    /// Reads the table of a data directory; an empty one where there is no file.
    pub fn open(data_dir: &Path) -> Result<Self, TableError> {
        let path = data_dir.join(FILE);
        let found = match fs::symlink_metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { path, entries: Vec::new() });
            }
            Err(error) => return Err(TableError::Io(path, error)),
        };
        let unusable = |why: &str| TableError::Unusable(path.clone(), why.to_owned());
        if !found.is_file() || found.mode() & 0o022 != 0 || found.len() > FILE_BYTES_MAX {
            return Err(unusable("must be a small file that only its owner can write"));
        }
        let bytes = fs::read(&path).map_err(|error| TableError::Io(path.clone(), error))?;
        let content: Content =
            serde_json::from_slice(&bytes).map_err(|error| unusable(&error.to_string()))?;
        if content.format != FORMAT {
            return Err(unusable("is of another version of this program"));
        }
        for entry in &content.runtimes {
            check(entry)?;
        }
        Ok(Self { path, entries: content.runtimes })
    }

    /// The runtimes, in the order of their identifiers.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds a runtime, or replaces the one of its identifier if `replace` says so. The root is looked at and digested; the
    /// entry's own `root` and `sha256` are overwritten by what was found.
    pub fn add(&mut self, mut entry: Entry, replace: bool) -> Result<&Entry, TableError> {
        let given = entry.root.clone();
        entry.root = given.canonicalize().map_err(|error| TableError::Io(given, error))?;
        self.check_place(&entry.root)?;
        entry.sha256 = hex::encode(tree::examine(&entry.root).map_err(TableError::Root)?);
        check(&entry)?;
        check_program(&entry)?;
        let _held = self.hold()?;
        let at = self.entries.binary_search_by(|one| one.id.cmp(&entry.id));
        let at = match at {
            Ok(_) if !replace => {
                return Err(TableError::Entry(format!(
                    "there is a runtime {} already; say --replace to put this in its place",
                    entry.id
                )));
            }
            Ok(at) => {
                self.entries.remove(at);
                at
            }
            Err(_) if self.entries.len() >= ENTRIES_MAX => {
                return Err(TableError::Entry(format!(
                    "there are {ENTRIES_MAX} runtimes, the most there may be"
                )));
            }
            Err(at) => at,
        };
        self.entries.insert(at, entry);
        self.write()?;
        self.entries.get(at).ok_or_else(|| TableError::Entry("the entry is gone".to_owned()))
    }

    /// Takes a runtime out. `false`: there was none.
    pub fn remove(&mut self, id: &str) -> Result<bool, TableError> {
        let _held = self.hold()?;
        let before = self.entries.len();
        self.entries.retain(|entry| entry.id != id);
        if self.entries.len() == before {
            return Ok(false);
        }
        self.write()?;
        Ok(true)
    }

    /// A root may not be, or hold, or lie in the data directory: functions would see what it keeps.
    fn check_place(&self, root: &Path) -> Result<(), TableError> {
        let data = self.path.parent().unwrap_or(Path::new("."));
        let data = data.canonicalize().map_err(|error| TableError::Io(data.to_owned(), error))?;
        if root.parent().is_none() || data.starts_with(root) || root.starts_with(&data) {
            return Err(TableError::Entry(format!(
                "`{}` is the host's root, or holds or lies in the data directory `{}`",
                root.display(),
                data.display()
            )));
        }
        Ok(())
    }

    /// Keeps other writers out as long as the file is held, and takes over what they have written before.
    fn hold(&mut self) -> Result<fs::File, TableError> {
        let path = self.path.with_extension("lock");
        let opened = self.open_lock(&path).and_then(|file| file.lock().map(|()| file));
        let file = opened.map_err(|error| TableError::Io(path, error))?;
        self.entries = Self::open(self.path.parent().unwrap_or(Path::new(".")))?.entries;
        Ok(file)
    }

    /// Makes the file, or opens one that is there. Only what was just made is given away: what was there may be a second name
    /// of a file that has nothing to do with us.
    fn open_lock(&self, path: &Path) -> io::Result<fs::File> {
        let mut options = fs::OpenOptions::new();
        options.write(true).mode(0o600).custom_flags(NO_FOLLOW | NO_WAITING);
        match options.clone().create_new(true).open(path) {
            Ok(file) => return self.give(&file).map(|()| file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let file = options.open(path)?;
        let found = file.metadata()?;
        if !found.is_file() || found.nlink() != 1 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "is no file with one name"));
        }
        Ok(file)
    }

    /// A file of ours in somebody else's data directory is his: root adds runtimes for the servers of ordinary users.
    fn give(&self, file: &fs::File) -> io::Result<()> {
        let folder = fs::metadata(self.path.parent().unwrap_or(Path::new(".")))?;
        if folder.uid() == file.metadata()?.uid() {
            return Ok(());
        }
        std::os::unix::fs::fchown(file, Some(folder.uid()), Some(folder.gid()))
    }

    fn write(&self) -> Result<(), TableError> {
        let content = Content { format: FORMAT, runtimes: self.entries.clone() };
        let fresh = self.path.with_extension("json.new");
        let written = serde_json::to_vec_pretty(&content).map_err(io::Error::from).and_then(|bytes| {
            drop(fs::remove_file(&fresh));
            let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
            file.write_all(&bytes)?;
            self.give(&file)?;
            file.sync_all()?;
            fs::rename(&fresh, &self.path)
        });
        written.map_err(|error| TableError::Io(self.path.clone(), error))
    }
}

impl Entry {
    /// Looks at the root again: it must hold exactly what it held when it was added.
    pub fn verify(&self) -> Result<(), String> {
        verify(&self.root, &self.sha256)
    }

    /// The digest's bytes.
    pub fn digest(&self) -> Option<[u8; 32]> {
        hex::decode(&self.sha256).ok()?.try_into().ok()
    }
}

/// Does the root hold exactly what `sha256` (hexadecimal) was made of?
pub fn verify(root: &Path, sha256: &str) -> Result<(), String> {
    // A link above it, made since, would lead to a place whose owners nobody has looked at.
    if root.canonicalize().map_err(|error| format!("`{}`: {error}", root.display()))? != root {
        return Err(format!("`{}` is reached through a link", root.display()));
    }
    let found = tree::examine(root).map_err(|error| error.to_string())?;
    if hex::encode(found) == sha256 {
        return Ok(());
    }
    Err(format!(
        "`{}` does not hold what it held when it was added (see casemate runtime add --replace)",
        root.display()
    ))
}

fn check(entry: &Entry) -> Result<(), TableError> {
    let fine =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_');
    let begins = entry.id.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if !begins || entry.id.len() > ID_LENGTH_MAX || !entry.id.bytes().all(fine) {
        return Err(TableError::Entry(format!(
            "a runtime's identifier begins with a letter and has up to {ID_LENGTH_MAX} of a-z, 0-9, dot, dash, underscore"
        )));
    }
    let program = entry.argv.first().is_some_and(|program| program.starts_with('/'));
    if !program || entry.argv.iter().any(|text| text.contains('\0')) {
        return Err(TableError::Entry("argv begins with a whole path inside the root".to_owned()));
    }
    if entry.digest().is_none() || !entry.root.is_absolute() {
        return Err(TableError::Entry(format!("the entry {} has no whole path or no digest", entry.id)));
    }
    Ok(())
}

/// The program must be there, where it is not the package's or the environment's own.
fn check_program(entry: &Entry) -> Result<(), TableError> {
    let Some(program) = entry.argv.first() else { return Ok(()) };
    if ["/var/task/", "/opt/"].iter().any(|folder| program.starts_with(folder)) {
        return Ok(());
    }
    let found = tree::resolve(&entry.root, Path::new(program)).and_then(fs::symlink_metadata);
    match found {
        Ok(file) if file.is_file() && file.mode() & 0o001 != 0 => Ok(()),
        Ok(_) => {
            Err(TableError::Entry(format!("{program} in the root is not a program that all may execute")))
        }
        Err(error) => Err(TableError::Entry(format!("{program} in the root: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    struct Bench {
        _held: tempfile::TempDir,
        data: PathBuf,
        root: PathBuf,
    }

    fn bench() -> Bench {
        let held = tempfile::tempdir().unwrap();
        let base = held.path().canonicalize().unwrap();
        let (data, root) = (base.join("data"), base.join("root"));
        fs::create_dir_all(&data).unwrap();
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::write(root.join("bin/run"), "#!/bin/run").unwrap();
        fs::set_permissions(root.join("bin/run"), fs::Permissions::from_mode(0o755)).unwrap();
        Bench { _held: held, data, root }
    }

    fn entry(bench: &Bench) -> Entry {
        Entry {
            id: "php8.2".to_owned(),
            root: bench.root.clone(),
            argv: vec!["/bin/run".to_owned()],
            family: Family::Provided,
            exec: Exec::Deny,
            sha256: String::new(),
        }
    }

    #[test]
    fn what_was_added_is_there_after_opening_again_and_goes_when_removed() {
        let bench = bench();
        let mut table = Table::open(&bench.data).unwrap();
        let added = table.add(entry(&bench), false).unwrap().clone();
        added.verify().unwrap();
        let mut table = Table::open(&bench.data).unwrap();
        assert_eq!(table.entries(), std::slice::from_ref(&added));
        assert!(matches!(table.add(entry(&bench), false), Err(TableError::Entry(_))));
        table.add(entry(&bench), true).unwrap();
        assert!(table.remove("php8.2").unwrap() && !table.remove("php8.2").unwrap());
        assert!(Table::open(&bench.data).unwrap().entries().is_empty());
    }

    #[test]
    fn who_writes_at_the_same_time_takes_nothing_from_the_other() {
        let bench = bench();
        let mut one = Table::open(&bench.data).unwrap();
        let mut other = Table::open(&bench.data).unwrap();
        one.add(entry(&bench), false).unwrap();
        other.add(Entry { id: "perl5".to_owned(), ..entry(&bench) }, false).unwrap();
        assert!(matches!(other.add(entry(&bench), false), Err(TableError::Entry(_))));
        let ids: Vec<String> =
            Table::open(&bench.data).unwrap().entries().iter().map(|entry| entry.id.clone()).collect();
        assert_eq!(ids, ["perl5", "php8.2"]);
        // A lock that is held is waited for; one that leads elsewhere is not opened.
        let lock = bench.data.join("runtimes.lock");
        assert_eq!(fs::metadata(&lock).unwrap().mode() & 0o777, 0o600);
        fs::remove_file(&lock).unwrap();
        symlink(bench.root.join("bin/run"), &lock).unwrap();
        assert!(matches!(one.remove("perl5"), Err(TableError::Io(..))));
    }

    #[test]
    fn a_table_in_an_ordinary_users_directory_is_his() {
        let bench = bench();
        let own = fs::metadata("/proc/self").unwrap().uid();
        let user = if own == 0 { 65_534 } else { own };
        std::os::unix::fs::chown(&bench.data, Some(user), None).unwrap();
        Table::open(&bench.data).unwrap().add(entry(&bench), false).unwrap();
        for name in [FILE, "runtimes.lock"] {
            assert_eq!(fs::metadata(bench.data.join(name)).unwrap().uid(), user, "{name}");
        }
    }

    #[test]
    fn a_lock_that_is_a_second_name_or_no_file_is_neither_used_nor_given_away() {
        let bench = bench();
        let own = fs::metadata("/proc/self").unwrap().uid();
        let user = if own == 0 { 65_534 } else { own };
        std::os::unix::fs::chown(&bench.data, Some(user), None).unwrap();
        let lock = bench.data.join("runtimes.lock");
        let theirs = bench.root.join("bin/run");
        let before = fs::metadata(&theirs).unwrap().uid();
        fs::hard_link(&theirs, &lock).unwrap();
        let mut table = Table::open(&bench.data).unwrap();
        assert!(matches!(table.add(entry(&bench), false), Err(TableError::Io(..))));
        assert_eq!(fs::metadata(&theirs).unwrap().uid(), before);
        fs::remove_file(&lock).unwrap();
        // A file that is there already stays whose it is.
        fs::write(&lock, "").unwrap();
        table.add(entry(&bench), false).unwrap();
        assert_eq!(fs::metadata(&lock).unwrap().uid(), own);
        fs::remove_file(&lock).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&lock).status().unwrap().success());
        assert!(matches!(table.remove("php8.2"), Err(TableError::Io(..))));
    }

    #[test]
    fn a_root_that_a_link_leads_to_since_does_not_verify() {
        let bench = bench();
        let added = Table::open(&bench.data).unwrap().add(entry(&bench), false).unwrap().clone();
        let moved = bench.root.with_file_name("moved");
        fs::rename(&bench.root, &moved).unwrap();
        // The same tree, elsewhere.
        symlink(&moved, &bench.root).unwrap();
        assert!(added.verify().unwrap_err().contains("reached through a link"));
    }

    #[test]
    fn a_root_that_changed_does_not_verify() {
        let bench = bench();
        let mut table = Table::open(&bench.data).unwrap();
        let added = table.add(entry(&bench), false).unwrap().clone();
        fs::write(bench.root.join("bin/run"), "#!/bin/other").unwrap();
        assert!(added.verify().unwrap_err().contains("does not hold what it held"));
        fs::remove_dir_all(&bench.root).unwrap();
        assert!(added.verify().is_err());
    }

    #[test]
    fn roots_that_would_show_the_platforms_own_data_are_refused() {
        let bench = bench();
        let mut table = Table::open(&bench.data).unwrap();
        let inside = bench.data.join("root");
        fs::create_dir(&inside).unwrap();
        let link = bench.root.parent().unwrap().join("link");
        symlink("/", &link).unwrap();
        for root in
            [PathBuf::from("/"), bench.data.parent().unwrap().to_owned(), bench.data.clone(), inside, link]
        {
            let refused = table.add(Entry { root, ..entry(&bench) }, false);
            assert!(matches!(refused, Err(TableError::Entry(_))), "{refused:?}");
        }
    }

    #[test]
    fn entries_that_make_no_sense_are_refused() {
        let bench = bench();
        let mut table = Table::open(&bench.data).unwrap();
        symlink("/bin/sh", bench.root.join("bin/out")).unwrap();
        fs::write(bench.root.join("bin/text"), "").unwrap();
        for (id, program) in [
            ("", "/bin/run"),
            ("8php", "/bin/run"),
            ("PHP", "/bin/run"),
            ("a/b", "/bin/run"),
            ("php", "bin/run"),
            ("php", "/bin/none"),
            ("php", "/bin/text"),
            ("php", "/bin/out"),
            ("php", "/bin"),
        ] {
            let bad = Entry { id: id.to_owned(), argv: vec![program.to_owned()], ..entry(&bench) };
            assert!(table.add(bad, false).is_err(), "{id} {program}");
        }
        assert!(table.add(Entry { argv: Vec::new(), ..entry(&bench) }, false).is_err());
        assert!(Table::open(&bench.data).unwrap().entries().is_empty());
    }

    #[test]
    fn a_table_that_others_can_write_or_that_is_not_ours_is_not_read() {
        let bench = bench();
        Table::open(&bench.data).unwrap().add(entry(&bench), false).unwrap();
        let path = bench.data.join(FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(Table::open(&bench.data), Err(TableError::Unusable(..))));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "{\"format\":1,\"runtimes\":[],\"more\":1}").unwrap();
        assert!(matches!(Table::open(&bench.data), Err(TableError::Unusable(..))));
    }
}
