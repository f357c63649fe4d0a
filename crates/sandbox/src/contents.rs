//! What a runtime's root is made of, file by file, and whether the host's files are still those it was made of.
//!
//! ```text
//!   taken ──digested (in the background)──▶ known ──a look finds a difference──▶ changed, for good
//! ```
//! A look compares device, inode, rights, size and both times of every file and folder, which needs no reading. Where one of
//! them differs, what it holds decides: a file that was only touched, linked or put there again is the same. Not so what is
//! itself mounted: a mount goes on showing what was replaced, where nobody looks any more. Whoever starts
//! environments looks first; the same look serves all starts for a while that is [`LOOK_SHARE`] times as long as it took.
//!
//! Knows nothing of who assembles roots, or of what is written into them besides the host's files.

mod entry;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use tokio::{sync::watch, time::Instant};

use self::entry::{Mark, Substance};
use crate::runtime_root::{BindKind, RootPlan};

/// See the module.
#[derive(Debug)]
pub(crate) struct Contents {
    /// Path inside, path on the host; in the order of the plan, folders before what they hold.
    entries: Vec<(PathBuf, PathBuf)>,
    /// Which of them are mounted themselves; others are what lies in those.
    mounted: BTreeSet<usize>,
    /// How many of them are the runtime's own, which the digest is of. What is added, is only watched.
    own: usize,
    /// Written by whoever assembles the root.
    written: BTreeMap<PathBuf, Substance>,
    looked: Mutex<Looked>,
    digested: watch::Sender<Option<Digested>>,
    changed: OnceLock<Change>,
    told: AtomicBool,
}

/// Whether this is the first time that a change is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Told {
    First,
    Again,
}

#[derive(Debug)]
struct Looked {
    /// In the order of the entries.
    marks: Vec<Mark>,
    /// Until when nobody needs to look again.
    good_until: Option<Instant>,
}

/// What was digested, or why it could not be.
#[derive(Clone, Debug)]
struct Digested {
    substances: Arc<Vec<Substance>>,
    digest: Result<RootDigest, Change>,
}

/// All files of a root in one number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RootDigest {
    /// Files, links not counted.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// SHA-256 of the list of all files with their own, hexadecimal.
    pub sha256: String,
}

impl fmt::Display for RootDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} files, {} bytes, sha256 {}", self.files, self.bytes, self.sha256)
    }
}

/// What is not as it was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Change {
    /// Path on the host.
    pub path: PathBuf,
    /// In which way.
    pub what: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.path.display(), self.what)
    }
}

impl Contents {
    /// Looks at everything in a plan, and in what is added to it. Nothing is read.
    pub(crate) fn take(plan: &RootPlan, added: &RootPlan) -> io::Result<Self> {
        let mut found =
            Found { covers: &plan.covers, entries: Vec::new(), mounted: BTreeSet::new(), marks: Vec::new() };
        found.all(plan)?;
        let own = found.entries.len();
        found.all(added)?;
        let mut written: BTreeMap<PathBuf, Substance> =
            plan.files.iter().map(|(at, bytes)| (at.clone(), Substance::written(bytes))).collect();
        written.extend(plan.links.iter().map(|(at, to)| (at.clone(), Substance::Link(to.clone()))));
        Ok(Self {
            entries: found.entries,
            mounted: found.mounted,
            own,
            written,
            looked: Mutex::new(Looked { marks: found.marks, good_until: None }),
            digested: watch::Sender::new(None),
            changed: OnceLock::new(),
            told: AtomicBool::new(false),
        })
    }

    /// Reads everything; what a look may then compare with. Takes as long as reading does.
    pub(crate) fn digest(&self) {
        let mut substances = Vec::with_capacity(self.entries.len());
        let mut failed = None;
        for (_, host) in &self.entries {
            let substance = Substance::read(host).unwrap_or_else(|error| {
                failed.get_or_insert_with(|| Change { path: host.clone(), what: error.to_string() });
                Substance::Other
            });
            substances.push(substance);
        }
        // What was read is what was marked, or there is no digest.
        let read = match failed {
            Some(change) => Err(change),
            None => self.compare(None).map(|()| sum(&self.list(&substances))),
        };
        if let Err(change) = &read {
            let _ = self.changed.set(change.clone());
        }
        let digested = Digested { substances: Arc::new(substances), digest: read };
        self.digested.send_replace(Some(digested));
    }

    /// The digest, as soon as everything has been read.
    pub(crate) async fn digested(&self) -> Result<RootDigest, Change> {
        let mut digested = self.digested.subscribe();
        let known = digested.wait_for(Option::is_some).await;
        let known = known.ok().and_then(|known| known.clone());
        known.map_or_else(
            || Err(Change { path: PathBuf::new(), what: "was not read".into() }),
            |known| known.digest,
        )
    }

    /// Whether a look that was made lately serves. Waits for nobody: while somebody looks, it is not known.
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        self.looked.try_lock().is_ok_and(|looked| self.serves(&looked, now))
    }

    fn serves(&self, looked: &Looked, now: Instant) -> bool {
        self.changed.get().is_none() && looked.good_until.is_some_and(|until| now < until)
    }

    /// Looks, unless somebody has just looked.
    pub(crate) fn look_unless_fresh(&self) -> Result<(), (Change, Told)> {
        let looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let serves = self.serves(&looked, Instant::now());
        drop(looked);
        if serves { Ok(()) } else { self.look() }
    }

    /// Looks whether everything is as it was. Once it is not, it never is again.
    pub(crate) fn look(&self) -> Result<(), (Change, Told)> {
        self.find().map_err(|change| {
            let told = if self.told.swap(true, Ordering::Relaxed) { Told::Again } else { Told::First };
            (change, told)
        })
    }

    fn find(&self) -> Result<(), Change> {
        if let Some(change) = self.changed.get() {
            return Err(change.clone());
        }
        let known = self.digested.borrow().as_ref().map(|known| Arc::clone(&known.substances));
        let begun = Instant::now();
        let compared = self.compare(known.as_ref().map(|known| known.as_slice()));
        if let Err(change) = compared {
            return Err(self.changed.get_or_init(|| change).clone());
        }
        let now = Instant::now();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let good = (now.duration_since(begun) * LOOK_SHARE).min(LOOK_GOOD_MAX);
        looked.good_until = now.checked_add(good);
        Ok(())
    }

    /// Compares all marks; what is held where they differ, if that is known.
    fn compare(&self, known: Option<&[Substance]>) -> Result<(), Change> {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, ((_, host), mark)) in self.entries.iter().zip(&mut looked.marks).enumerate() {
            let change = |what: String| Change { path: host.clone(), what };
            let now = Mark::of(host).map_err(|error| change(format!("cannot be looked at: {error}")))?;
            if now == *mark {
                continue;
            }
            if self.mounted.contains(&index) && !now.is_same_inode(mark) {
                return Err(change("was replaced; what is mounted is the old one".into()));
            }
            let Some(before) = known.and_then(|known| known.get(index)) else {
                return Err(change("was written to or replaced".into()));
            };
            let holds = Substance::read(host).map_err(|error| change(format!("cannot be read: {error}")))?;
            if holds != *before {
                return Err(change(before.difference(&holds)));
            }
            *mark = now;
        }
        Ok(())
    }

    /// All files, by path inside: SHA-256, size, rights, path; links with what they lead to.
    fn list(&self, substances: &[Substance]) -> Vec<Line> {
        let of_host = self.entries.iter().map(|(at, _)| at).zip(substances).take(self.own);
        // The later one is on top.
        let all: BTreeMap<&PathBuf, &Substance> = of_host.chain(&self.written).collect();
        all.into_iter().filter_map(|(at, substance)| Line::of(at, substance)).collect()
    }

    /// The list as text, for people; reads everything.
    pub(crate) fn listing(&self) -> io::Result<(RootDigest, String)> {
        let substances: io::Result<Vec<_>> =
            self.entries.iter().map(|(_, host)| Substance::read(host)).collect();
        let lines = self.list(&substances?);
        Ok((sum(&lines), text(&lines)))
    }
}

/// A line of the list.
struct Line {
    bytes: Option<u64>,
    text: String,
}

impl Line {
    fn of(at: &Path, substance: &Substance) -> Option<Self> {
        let name = escaped(at);
        match substance {
            Substance::File { sha256, bytes, rights } => Some(Self {
                bytes: Some(*bytes),
                text: format!("{}  {bytes}  {rights:o}  {name}", hexadecimal(sha256)),
            }),
            Substance::Link(to) => Some(Self { bytes: None, text: format!("{name} -> {}", escaped(to)) }),
            Substance::Closed => Some(Self { bytes: None, text: format!("unreadable  {name}") }),
            Substance::Folder(_) | Substance::Other => None,
        }
    }
}

fn escaped(path: &Path) -> String {
    path.display().to_string().escape_default().to_string()
}

fn text(lines: &[Line]) -> String {
    lines.iter().fold(String::new(), |all, line| all + &line.text + "\n")
}

fn sum(lines: &[Line]) -> RootDigest {
    let files = lines.iter().filter_map(|line| line.bytes);
    RootDigest {
        files: files.clone().count() as u64,
        bytes: files.sum(),
        sha256: hexadecimal(digest(&SHA256, text(lines).as_bytes()).as_ref()),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Walks the binds of a plan.
struct Found<'a> {
    covers: &'a [PathBuf],
    entries: Vec<(PathBuf, PathBuf)>,
    mounted: BTreeSet<usize>,
    marks: Vec<Mark>,
}

impl Found<'_> {
    fn all(&mut self, plan: &RootPlan) -> io::Result<()> {
        for bind in plan.binds.iter().filter(|bind| bind.kind != BindKind::Device) {
            // The mount follows links at this place, and nowhere below.
            self.add(bind.mount.at.clone(), bind.mount.host.canonicalize()?)?;
        }
        Ok(())
    }

    fn add(&mut self, at: PathBuf, host: PathBuf) -> io::Result<()> {
        let mut open = vec![(at, host)];
        let mut device = None;
        while let Some((at, host)) = open.pop() {
            if self.covers.contains(&at) {
                continue;
            }
            let mark = Mark::of(&host)?;
            if device.is_none() {
                self.mounted.insert(self.entries.len());
            }
            // Mounts below are not part of a bind.
            if *device.get_or_insert(mark.device) != mark.device {
                continue;
            }
            if self.entries.len() >= ENTRIES_MAX {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a runtime's root has too many files",
                ));
            }
            if mark.is_folder() {
                let names = entry::names(&host).or_else(|error| match error.kind() {
                    io::ErrorKind::PermissionDenied => Ok(Vec::new()),
                    _ => Err(error),
                });
                for name in names? {
                    open.push((at.join(&name), host.join(&name)));
                }
            }
            self.entries.push((at, host));
            self.marks.push(mark);
        }
        Ok(())
    }
}

/// A look that took one millisecond is good for fifty: looking takes a fiftieth of a processor however many environments are
/// started, until the limit below is reached. Ours.
const LOOK_SHARE: u32 = 50;
/// On a busy machine a look takes long and is worth no more for it. Ours.
const LOOK_GOOD_MAX: Duration = Duration::from_secs(1);
/// As `casemate-roots` allows.
const ENTRIES_MAX: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;

    struct Bench {
        held: tempfile::TempDir,
        plan: RootPlan,
    }

    impl Bench {
        fn new() -> Self {
            let held = tempfile::tempdir().unwrap();
            let at = |name: &str| held.path().join(name);
            for folder in ["lib/deep", "lib/packages"] {
                fs::create_dir_all(at(folder)).unwrap();
            }
            for file in ["program", "lib/a", "lib/deep/b", "lib/packages/c"] {
                fs::write(at(file), file).unwrap();
            }
            symlink("a", at("lib/link")).unwrap();
            let mut plan = RootPlan::devices();
            plan.bind(&at("program"), BindKind::File);
            plan.bind(&at("lib"), BindKind::Directory);
            plan.covers.push(at("lib/packages"));
            plan.files.push(("/etc/x".into(), b"text".to_vec()));
            Self { held, plan }
        }

        fn at(&self, name: &str) -> PathBuf {
            self.held.path().join(name)
        }

        fn known(&self) -> Contents {
            let contents = Contents::take(&self.plan, &RootPlan::default()).unwrap();
            contents.digest();
            contents.look().unwrap();
            contents
        }
    }

    #[test]
    fn every_file_is_listed_with_size_and_digest_and_hidden_ones_and_devices_are_not() {
        let bench = Bench::new();
        let (digest, listing) = bench.known().listing().unwrap();
        // printf program | sha256sum
        let program = "1310ca2c8932dbd118668bd97442558a3e1f546b5e15c69699dfbd6024f548d8  7  644  ";
        let line = listing.lines().find(|line| line.ends_with("/program")).unwrap();
        assert!(line.starts_with(program), "{line}");
        assert_eq!((digest.files, digest.bytes), (4, 7 + 5 + 10 + 4));
        assert!(listing.contains("lib/link -> a\n") && listing.contains("/etc/x"), "{listing}");
        assert!(!listing.contains("packages/c") && !listing.contains("/dev/null "), "{listing}");
        assert_eq!(
            digest.sha256,
            hexadecimal(aws_lc_rs::digest::digest(&SHA256, listing.as_bytes()).as_ref())
        );
    }

    #[test]
    fn a_file_that_holds_something_else_is_found_and_never_forgotten() {
        let bench = Bench::new();
        let contents = bench.known();
        let file = bench.at("lib/deep/b");
        // As many bytes, and the time of last writing as before.
        let time = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, "lib/deep/x").unwrap();
        fs::File::options().write(true).open(&file).unwrap().set_modified(time).unwrap();
        let (change, told) = contents.look().unwrap_err();
        assert_eq!((&change.path, told), (&file, Told::First));
        fs::write(&file, "lib/deep/b").unwrap();
        assert_eq!(contents.look().unwrap_err(), (change, Told::Again));
        assert!(!contents.is_fresh(Instant::now()));
    }

    #[test]
    fn every_kind_of_change_is_found() {
        type Changed<'a> = (&'a str, &'a dyn Fn(&Bench));
        let changes: [Changed<'_>; 7] = [
            ("program", &|bench| {
                fs::write(bench.at("new"), "another").unwrap();
                fs::rename(bench.at("new"), bench.at("program")).unwrap();
            }),
            ("lib", &|bench| fs::write(bench.at("lib/new"), "").unwrap()),
            ("lib/deep", &|bench| fs::remove_file(bench.at("lib/deep/b")).unwrap()),
            ("lib/a", &|bench| {
                fs::set_permissions(bench.at("lib/a"), fs::Permissions::from_mode(0o666)).unwrap();
            }),
            ("lib/link", &|bench| {
                fs::remove_file(bench.at("lib/link")).unwrap();
                symlink("deep/b", bench.at("lib/link")).unwrap();
            }),
            ("lib/a", &|bench| {
                fs::remove_file(bench.at("lib/a")).unwrap();
                symlink("deep/b", bench.at("lib/a")).unwrap();
            }),
            ("program", &|bench| fs::remove_file(bench.at("program")).unwrap()),
        ];
        for (path, change) in changes {
            let bench = Bench::new();
            let contents = bench.known();
            change(&bench);
            assert_eq!(contents.look().unwrap_err().0.path, bench.at(path));
        }
    }

    #[test]
    fn a_file_that_was_only_touched_linked_or_put_there_again_is_the_same() {
        let bench = Bench::new();
        let contents = bench.known();
        let file = fs::File::options().write(true).open(bench.at("program")).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        contents.look().unwrap();
        fs::hard_link(bench.at("lib/a"), bench.at("outside")).unwrap();
        contents.look().unwrap();
        fs::copy(bench.at("lib/a"), bench.at("lib/fresh")).unwrap();
        fs::rename(bench.at("lib/fresh"), bench.at("lib/a")).unwrap();
        contents.look().unwrap();
        // What no environment sees may change.
        fs::write(bench.at("lib/packages/c"), "other").unwrap();
        contents.look().unwrap();
        assert!(contents.is_fresh(Instant::now()));
    }

    #[test]
    fn what_is_mounted_and_was_replaced_is_a_change_though_it_holds_the_same() {
        let replaced = |name: &str, replace: &dyn Fn(&Bench)| {
            let bench = Bench::new();
            let contents = bench.known();
            replace(&bench);
            let (change, _) = contents.look().unwrap_err();
            assert_eq!(change.path, bench.at(name));
            assert!(change.what.contains("what is mounted is the old one"), "{change}");
        };
        replaced("program", &|bench| {
            fs::copy(bench.at("program"), bench.at("fresh")).unwrap();
            fs::rename(bench.at("fresh"), bench.at("program")).unwrap();
        });
        replaced("lib", &|bench| {
            fs::rename(bench.at("lib"), bench.at("old")).unwrap();
            fs::create_dir(bench.at("lib")).unwrap();
            for name in ["a", "link", "deep", "packages"] {
                fs::rename(bench.at("old").join(name), bench.at("lib").join(name)).unwrap();
            }
        });
    }

    #[test]
    fn what_is_added_is_watched_and_not_in_the_digest() {
        let bench = Bench::new();
        fs::write(bench.at("added"), "1").unwrap();
        let mount = crate::Mount { host: bench.at("added"), at: "/opt/added".into() };
        let added = RootPlan::default().with_bootstrap(Vec::new(), vec![mount]).unwrap();
        let contents = Contents::take(&bench.plan, &added).unwrap();
        contents.digest();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(contents.digested()).unwrap(), bench.known().listing().unwrap().0);
        fs::write(bench.at("added"), "2").unwrap();
        assert_eq!(contents.look().unwrap_err().0.path, bench.at("added"));
    }

    #[test]
    fn before_everything_is_read_each_difference_is_a_change_and_there_is_no_digest() {
        let bench = Bench::new();
        let contents = Contents::take(&bench.plan, &RootPlan::default()).unwrap();
        fs::write(bench.at("lib/a"), "lib/a").unwrap();
        assert_eq!(contents.look().unwrap_err().0.path, bench.at("lib/a"));
        let contents = Contents::take(&bench.plan, &RootPlan::default()).unwrap();
        fs::write(bench.at("lib/a"), "other").unwrap();
        contents.digest();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert_eq!(runtime.block_on(contents.digested()).unwrap_err().path, bench.at("lib/a"));
        assert!(contents.look().is_err());
    }
}
