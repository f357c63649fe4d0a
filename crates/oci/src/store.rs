//! Images of one data directory: unpacked by digest, named by a small table.
//!
//! ```text
//! images/images.json            which names there are, and which digest each means
//! images/DIGITS/about.json      what an image says of itself, and a digest of its root
//! images/DIGITS/root/           the root
//! images/new-NUMBER/            being filled; whoever comes next removes it
//! images/gathering/             what is fetched from a registry; while nobody has gathering.lock, whoever comes next removes it
//! ```
//!
//! A digest's folder appears at once and whole, by a rename. Names move, contents never change. What may use an image, others
//! decide; here it is only kept for which accounts an operator meant it.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::{fs::FlockOperation, process::geteuid};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Config, Digest, OciError, Platform,
    layer::{self, Account, LAYERS_MAX},
    name::{Name, Pin, Uri},
    root::Root,
    source::{Chosen, Source},
};

/// The images of a data directory.
#[derive(Debug, Clone)]
pub struct Images {
    data_dir: PathBuf,
    folder: PathBuf,
}

/// A name, and what it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Lower-case path.
    pub repository: String,
    /// `None` since another image has it, or since it was taken away: the image is then for no new function.
    pub tag: Option<String>,
    /// Which image.
    pub digest: Digest,
    /// The accounts that may use it; none means all.
    pub accounts: Vec<String>,
}

/// An image that is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    format: u16,
    /// Of its manifest.
    pub digest: Digest,
    /// What it wants to be run with.
    pub config: Config,
    /// Layers it was made of.
    pub layers: usize,
    /// Bytes of its files.
    pub bytes: u64,
    /// Devices, pipes and sockets that were left out.
    pub left_out: u64,
    /// SHA-256 of everything in the root, hexadecimal.
    pub sha256: String,
}

/// An image's root, and what the image says of itself.
#[derive(Debug, Clone)]
pub struct Image {
    /// The folder with its root: a whole path without links.
    pub root: PathBuf,
    /// What it says.
    pub about: About,
}

/// What is to be added.
#[derive(Debug)]
pub struct Addition<'a> {
    /// What it is to be called.
    pub name: Name,
    /// Layout or archive.
    pub path: &'a Path,
    /// Which image, if there are several: a name in the layout, or a digest.
    pub select: Option<&'a str>,
    /// The accounts that may use it; none means all.
    pub accounts: Vec<String>,
    /// May it take the name of another?
    pub replace: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    format: u16,
    images: Vec<Entry>,
}

const FORMAT: u16 = 1;
/// Most names. Ours.
const ENTRIES_MAX: usize = 1_000;
/// Bytes of one of our files. Ours: a thousand names with some accounts each; a configuration within a document's limit.
const FILE_BYTES_MAX: u64 = 8 << 20;
const TABLE: &str = "images.json";
const ABOUT: &str = "about.json";
const FRESH: &str = "new-";
const GATHERING: &str = "gathering";

impl Images {
    /// Those of a data directory, which must exist.
    pub fn of(data_dir: &Path) -> Result<Self, OciError> {
        let data_dir = data_dir.canonicalize().map_err(OciError::io(data_dir))?;
        Ok(Self { folder: data_dir.join("images"), data_dir })
    }

    /// All names, in their order.
    pub fn entries(&self) -> Result<Vec<Entry>, OciError> {
        let table: Option<Table> = read(&self.folder.join(TABLE))?;
        let table = table.unwrap_or(Table { format: FORMAT, images: Vec::new() });
        if table.format != FORMAT {
            return Err(OciError::Store(format!("{TABLE} is of another version of this program")));
        }
        Ok(table.images)
    }

    /// What a name means to an account; an error where the image is not for it. A digest, too, means something only while a
    /// name means it: taking a name away, or giving it to another, ends the use of the image for what is new.
    pub fn find(&self, uri: &Uri, account: &str) -> Result<Found, OciError> {
        let meant = |entry: &Entry| {
            let Some(tag) = &entry.tag else { return false };
            entry.repository == uri.repository
                && match &uri.pin {
                    Pin::Tag(wanted) => tag == wanted,
                    Pin::Digest(digest) => entry.digest == *digest,
                }
        };
        let mut found = Found::Nothing;
        for entry in self.entries()?.iter().filter(|entry| meant(entry)) {
            if entry.accounts.is_empty() || entry.accounts.iter().any(|one| one == account) {
                return Ok(Found::Image(entry.digest));
            }
            found = Found::NotFor;
        }
        Ok(found)
    }

    /// The image of a digest, if it is here.
    pub fn image(&self, digest: Digest) -> Result<Option<Image>, OciError> {
        let folder = self.folder.join(digest.hex());
        let Some(about): Option<About> = read(&folder.join(ABOUT))? else { return Ok(None) };
        if about.format != FORMAT || about.digest != digest {
            return Err(OciError::Store(format!("`{}` is not about {digest}", folder.join(ABOUT).display())));
        }
        Ok(Some(Image { root: folder.join("root"), about }))
    }

    /// Digests that are here.
    pub fn digests(&self) -> Result<Vec<Digest>, OciError> {
        let mut all = Vec::new();
        for name in names(&self.folder)? {
            all.extend(format!("sha256:{name}").parse::<Digest>());
        }
        all.sort();
        Ok(all)
    }

    /// Reads an image, keeps it, and gives it a name. Says what is kept.
    pub fn add(&self, addition: &Addition<'_>) -> Result<About, OciError> {
        let _lock = self.lock()?;
        let staging = Staging::new(&self.folder)?;
        let mut source = Source::open(addition.path, &staging.0)?;
        let chosen = source.choose(&Platform::of_host(), addition.select)?;
        let entries = named(self.entries()?, addition, chosen.digest)?;
        let about = match self.image(chosen.digest)?.filter(|image| image.verify().is_ok()) {
            Some(image) => image.about,
            None => self.keep(&source, chosen, &staging)?,
        };
        self.write(entries)?;
        Ok(about)
    }

    /// Whether an image of this digest could be given its name now; [`Self::add`] says the same later, at more cost.
    pub fn check(&self, addition: &Addition<'_>, digest: Digest) -> Result<(), OciError> {
        named(self.entries()?, addition, digest).map(drop)
    }

    /// An empty folder in which an image of a registry is gathered before it is added. One at a time; it goes when it is let go.
    pub fn gathering(&self) -> Result<Gathering, OciError> {
        drop(self.lock()?);
        let lock = self.gathering_lock()?;
        let folder = self.folder.join(GATHERING);
        if fs::symlink_metadata(&folder).is_ok() {
            fs::remove_dir_all(&folder).map_err(OciError::io(&folder))?;
        }
        fs::DirBuilder::new().mode(0o700).create(&folder).map_err(OciError::io(&folder))?;
        Ok(Gathering { staging: Staging(folder), _lock: lock })
    }

    /// Takes a name away. The image stays: what runs from it goes on. `false`: there is no such name.
    pub fn remove_name(&self, name: &Name) -> Result<bool, OciError> {
        let _lock = self.lock()?;
        let mut entries = self.entries()?;
        let found = entries
            .iter_mut()
            .find(|entry| entry.repository == name.repository && entry.tag.as_ref() == Some(&name.tag));
        let Some(found) = found else { return Ok(false) };
        found.tag = None;
        self.write(entries).map(|()| true)
    }

    /// Takes an image away, and all its names. `false`: it was not here.
    pub fn remove(&self, digest: Digest) -> Result<bool, OciError> {
        let _lock = self.lock()?;
        let mut entries = self.entries()?;
        entries.retain(|entry| entry.digest != digest);
        self.write(entries)?;
        let folder = self.folder.join(digest.hex());
        if fs::symlink_metadata(&folder).is_err() {
            return Ok(false);
        }
        self.discard(&folder).map(|()| true)
    }

    fn keep(&self, source: &Source, chosen: Chosen, staging: &Staging) -> Result<About, OciError> {
        let root = staging.0.join("root");
        fs::create_dir(&root).map_err(OciError::io(&root))?;
        let account = unpack(source, &chosen, &root, Account::default())?;
        let sha256 =
            casemate_roots::tree::examine(&root).map_err(|error| OciError::Store(error.to_string()))?;
        let about = About {
            format: FORMAT,
            digest: chosen.digest,
            config: chosen.config,
            layers: chosen.manifest.layers.len(),
            bytes: account.bytes(),
            left_out: account.left_out,
            sha256: hex::encode(sha256),
        };
        write(&staging.0.join(ABOUT), &about)?;
        let place = self.folder.join(chosen.digest.hex());
        if fs::symlink_metadata(&place).is_ok() {
            // It was damaged, or it would not have been unpacked again.
            self.discard(&place)?;
        }
        let disk = fs::File::open(&staging.0).map_err(OciError::io(&staging.0))?;
        rustix::fs::syncfs(&disk).map_err(|error| OciError::Io(place.clone(), error.into()))?;
        fs::rename(&staging.0, &place).map_err(OciError::io(place))?;
        Ok(about)
    }

    /// Removes a folder that nobody may find half removed.
    fn discard(&self, folder: &Path) -> Result<(), OciError> {
        let going = Staging::new(&self.folder)?;
        let target = going.0.join("going");
        fs::rename(folder, &target).map_err(OciError::io(folder))
    }

    fn write(&self, mut images: Vec<Entry>) -> Result<(), OciError> {
        images.sort_by(|a, b| (&a.repository, &a.tag, a.digest).cmp(&(&b.repository, &b.tag, b.digest)));
        write(&self.folder.join(TABLE), &Table { format: FORMAT, images })
    }

    /// One at a time; removes what others have left.
    fn lock(&self) -> Result<fs::File, OciError> {
        let owner = fs::metadata(&self.data_dir).map_err(OciError::io(&self.data_dir))?.uid();
        if owner != geteuid().as_raw() {
            return Err(OciError::Store(format!(
                "`{}` belongs to another user: whoever runs the server runs this, too",
                self.data_dir.display()
            )));
        }
        let made = fs::DirBuilder::new().mode(0o700).create(&self.folder);
        if let Err(error) = made
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(OciError::Io(self.folder.clone(), error));
        }
        let file = locked(&self.folder.join("lock"), "somebody else is adding or removing an image")?;
        for name in names(&self.folder)?.iter().filter(|name| name.starts_with(FRESH)) {
            let path = self.folder.join(name);
            fs::remove_dir_all(&path).map_err(OciError::io(path))?;
        }
        let gathering = self.folder.join(GATHERING);
        if fs::symlink_metadata(&gathering).is_ok()
            && let Ok(_free) = self.gathering_lock()
        {
            fs::remove_dir_all(&gathering).map_err(OciError::io(gathering))?;
        }
        Ok(file)
    }

    fn gathering_lock(&self) -> Result<fs::File, OciError> {
        locked(&self.folder.join("gathering.lock"), "somebody else is fetching an image")
    }
}

fn locked(path: &Path, taken: &str) -> Result<fs::File, OciError> {
    let mut options = fs::OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(OciError::io(path))?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| OciError::Store(taken.to_owned()))?;
    Ok(file)
}

/// A folder for an image that is being fetched; see [`Images::gathering`].
#[derive(Debug)]
pub struct Gathering {
    staging: Staging,
    _lock: fs::File,
}

impl Gathering {
    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.staging.0
    }
}

/// What was found under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// This image.
    Image(Digest),
    /// An image that is for other accounts.
    NotFor,
    /// Nothing.
    Nothing,
}

impl Image {
    /// Looks at the root again: it must hold exactly what was unpacked.
    pub fn verify(&self) -> Result<(), String> {
        casemate_roots::table::verify(&self.root, &self.about.sha256)
    }
}

fn unpack(source: &Source, chosen: &Chosen, root: &Path, mut account: Account) -> Result<Account, OciError> {
    let layers = &chosen.manifest.layers;
    if layers.len() > LAYERS_MAX {
        return Err(OciError::TooLarge(format!("the image has more than {LAYERS_MAX} layers")));
    }
    if layers.len() != chosen.diff_ids.len() {
        return Err(OciError::malformed("the image's configuration and manifest have other layers"));
    }
    let mut filled = Root::new(root).map_err(OciError::io(root))?;
    for (descriptor, diff_id) in layers.iter().zip(&chosen.diff_ids) {
        layer::apply(source.blob(descriptor)?, descriptor, *diff_id, &mut filled, &mut account)?;
    }
    Ok(account)
}

/// The table with an image under a name; one that had the name keeps its digest.
fn named(
    mut entries: Vec<Entry>,
    Addition { name, accounts, replace, .. }: &Addition<'_>,
    digest: Digest,
) -> Result<Vec<Entry>, OciError> {
    let entry = Entry {
        repository: name.repository.clone(),
        tag: Some(name.tag.clone()),
        digest,
        accounts: accounts.clone(),
    };
    if let Some(before) =
        entries.iter_mut().find(|one| one.repository == entry.repository && one.tag == entry.tag)
    {
        if *before == entry {
            return Ok(entries);
        }
        if !replace {
            return Err(OciError::Store(format!(
                "there is an image {name} already; say --replace to give this one its name"
            )));
        }
        before.tag = None;
    }
    // One image of a repository is once without a name at most, and not at all if it has one again.
    entries.retain(|one| !(one.tag.is_none() && one.repository == entry.repository && one.digest == digest));
    entries.push(entry);
    if entries.len() > ENTRIES_MAX {
        return Err(OciError::TooLarge(format!("there are {ENTRIES_MAX} images, the most there may be")));
    }
    Ok(entries)
}

/// A folder that goes unless it was renamed.
#[derive(Debug)]
struct Staging(PathBuf);

impl Staging {
    fn new(folder: &Path) -> Result<Self, OciError> {
        // Under the lock there is nobody else; a second one is for what goes while another is filled.
        for number in 0..2 {
            let path = folder.join(format!("{FRESH}{number}"));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(OciError::Io(path, error)),
            }
        }
        Err(OciError::Store("there is no room for a new folder".to_owned()))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn names(folder: &Path) -> Result<Vec<String>, OciError> {
    let all = match fs::read_dir(folder) {
        Ok(all) => all,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(OciError::Io(folder.to_owned(), error)),
    };
    let mut names = Vec::new();
    for entry in all {
        names.extend(entry.map_err(OciError::io(folder))?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// One of our files; `None` where there is none.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, OciError> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OciError::Io(path.to_owned(), error)),
    };
    if !found.is_file() || found.mode() & 0o022 != 0 || found.len() > FILE_BYTES_MAX {
        return Err(OciError::Store(format!(
            "`{}` must be a small file that only its owner can write",
            path.display()
        )));
    }
    let bytes = fs::read(path).map_err(OciError::io(path))?;
    let read = serde_json::from_slice(&bytes);
    read.map(Some).map_err(|error| OciError::Store(format!("`{}`: {error}", path.display())))
}

fn write<T: Serialize>(path: &Path, content: &T) -> Result<(), OciError> {
    let fresh = path.with_extension("json.new");
    let written = serde_json::to_vec_pretty(content).map_err(io::Error::from).and_then(|bytes| {
        drop(fs::remove_file(&fresh));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    });
    written.map_err(OciError::io(path))
}

#[cfg(test)]
mod tests;
