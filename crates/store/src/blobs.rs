//! What is too large for rows: sealed, content-addressed files. Not transactional: write the blob, then the row that
//! names it; delete the row, then the blob.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use casemate_names::{Entropy, Secret, hex, hex_id, sha256};
use serde::{Deserialize, Serialize};

use crate::{RootKey, StoreError, seal::Sealer};

/// Largest blob: 250 MiB, what a Lambda function may hold unzipped (AWS: Lambda quotas).
pub const BLOB_BYTES_MAX: usize = 250 * 1024 * 1024;

const BLOB_VERSION: u16 = 1;

/// SHA-256 of a blob's content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlobId([u8; 32]);

/// A blob that could not be stored or read.
#[derive(Debug)]
pub enum BlobError {
    /// The file system refused.
    Io(io::Error),
    /// Larger than [`BLOB_BYTES_MAX`].
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The file cannot be unsealed or holds something else.
    Tampered,
    /// Sealing failed.
    Store(StoreError),
}

/// A directory of blobs. Cloning is cheap.
#[derive(Clone)]
pub struct Blobs {
    inner: Arc<Inner>,
    /// Whose these are; empty for the common ones.
    owner: &'static str,
}

struct Inner {
    place: Place,
    sealer: Sealer,
    /// Under which file names are made, so that a name does not betray known content.
    naming: RootKey,
    entropy: Arc<dyn Entropy>,
}

enum Place {
    Directory(PathBuf),
    Memory(Mutex<BTreeMap<String, Vec<u8>>>),
}

impl BlobId {
    /// The id of some content.
    pub fn of(content: &[u8]) -> Self {
        Self(sha256(content))
    }

    /// The digest.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Blobs {
    /// Opens or makes the directory (mode 0700).
    pub fn open(dir: &Path, root_key: &RootKey, entropy: Arc<dyn Entropy>) -> Result<Self, BlobError> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        Self::at(Place::Directory(dir.to_owned()), root_key, entropy)
    }

    /// Blobs that end with the process.
    pub fn in_memory(root_key: &RootKey, entropy: Arc<dyn Entropy>) -> Result<Self, BlobError> {
        Self::at(Place::Memory(Mutex::default()), root_key, entropy)
    }

    fn at(place: Place, root_key: &RootKey, entropy: Arc<dyn Entropy>) -> Result<Self, BlobError> {
        let derived = |purpose| {
            let key: Secret<[u8; 32]> = root_key.derive(purpose, b"");
            RootKey::from_bytes(*key.expose())
        };
        let sealer =
            Sealer::new(derived("casemate.blobs.value"), Arc::clone(&entropy)).map_err(BlobError::Store)?;
        let naming = derived("casemate.blobs.name");
        Ok(Self { inner: Arc::new(Inner { place, sealer, naming, entropy }), owner: "" })
    }

    /// The blobs of one owner. The same content is another blob for everybody else: who deletes his own takes nothing
    /// from others.
    #[must_use]
    pub fn of(&self, owner: &'static str) -> Self {
        Self { inner: Arc::clone(&self.inner), owner }
    }

    /// Stores `content`; durable when it resolves. The same content is stored once.
    pub async fn put(&self, content: Vec<u8>) -> Result<BlobId, BlobError> {
        let blobs = self.clone();
        off_the_reactor(move || blobs.put_blocking(&content)).await
    }

    /// The content of `id`, or `None` if there is none.
    pub async fn get(&self, id: BlobId) -> Result<Option<Vec<u8>>, BlobError> {
        let blobs = self.clone();
        off_the_reactor(move || blobs.get_blocking(id)).await
    }

    /// Removes the content of `id`. The caller knows that no other row names it.
    pub async fn delete(&self, id: BlobId) -> Result<(), BlobError> {
        let blobs = self.clone();
        off_the_reactor(move || blobs.delete_blocking(id)).await
    }

    /// [`Self::put`] on this thread.
    pub fn put_blocking(&self, content: &[u8]) -> Result<BlobId, BlobError> {
        if content.len() > BLOB_BYTES_MAX {
            return Err(BlobError::TooLarge { bytes: content.len() });
        }
        let id = BlobId::of(content);
        let name = self.name(id);
        let sealed =
            || self.inner.sealer.seal(name.as_bytes(), BLOB_VERSION, content).map_err(BlobError::Store);
        match &self.inner.place {
            Place::Memory(files) => {
                let sealed = sealed()?;
                files.lock().unwrap_or_else(PoisonError::into_inner).insert(name, sealed);
            }
            Place::Directory(dir) => {
                let path = dir.join(&name);
                // What is there already was written whole, but may have been damaged since.
                if path.exists() && matches!(self.get_blocking(id), Ok(Some(_))) {
                    return Ok(id);
                }
                let suffix = hex_id(&*self.inner.entropy, "store.blob-draft", 16);
                let draft = dir.join(format!("{name}.{suffix}.new"));
                let written = write_durably(&draft, &sealed()?).and_then(|()| fs::rename(&draft, &path));
                if let Err(error) = written {
                    let _ = fs::remove_file(&draft);
                    return Err(error.into());
                }
                File::open(dir)?.sync_all()?;
            }
        }
        Ok(id)
    }

    /// [`Self::get`] on this thread.
    pub fn get_blocking(&self, id: BlobId) -> Result<Option<Vec<u8>>, BlobError> {
        let name = self.name(id);
        let sealed = match &self.inner.place {
            Place::Memory(files) => files.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned(),
            Place::Directory(dir) => match fs::read(dir.join(&name)) {
                Ok(sealed) => Some(sealed),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error.into()),
            },
        };
        let Some(sealed) = sealed else { return Ok(None) };
        let content = self.inner.sealer.open(name.as_bytes(), sealed).ok_or(BlobError::Tampered)?.bytes;
        if BlobId::of(&content) == id { Ok(Some(content)) } else { Err(BlobError::Tampered) }
    }

    /// [`Self::delete`] on this thread.
    pub fn delete_blocking(&self, id: BlobId) -> Result<(), BlobError> {
        let name = self.name(id);
        match &self.inner.place {
            Place::Memory(files) => {
                files.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
                Ok(())
            }
            Place::Directory(dir) => match fs::remove_file(dir.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
                _ => Ok(()),
            },
        }
    }

    fn name(&self, id: BlobId) -> String {
        let named = [&id.0[..], self.owner.as_bytes()].concat();
        hex(self.inner.naming.derive("casemate.blobs.file", &named).expose())
    }
}

async fn off_the_reactor<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, BlobError> + Send + 'static,
) -> Result<R, BlobError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(BlobError::Store(StoreError::Panicked)))
}

fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.inner.place {
            Place::Directory(dir) => write!(f, "Blobs({})", dir.display()),
            Place::Memory(_) => f.write_str("Blobs(memory)"),
        }
    }
}

impl From<io::Error> for BlobError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<BlobError> for io::Error {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Io(error) => error,
            other => Self::other(other),
        }
    }
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the blob's file cannot be used: {error}"),
            Self::TooLarge { bytes } => write!(f, "the blob has {bytes} bytes, too many"),
            Self::Tampered => f.write_str("the blob cannot be unsealed"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BlobError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Store(error) => Some(error),
            Self::TooLarge { .. } | Self::Tampered => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use casemate_names::SystemEntropy;

    use super::*;

    fn on_disk(dir: &Path) -> Blobs {
        Blobs::open(dir, &RootKey::from_bytes([1; 32]), Arc::new(SystemEntropy::default())).unwrap()
    }

    #[test]
    fn content_comes_back_and_lies_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = on_disk(dir.path());
        let id = blobs.put_blocking(b"a marker to look for").unwrap();
        assert_eq!(blobs.put_blocking(b"a marker to look for").unwrap(), id);
        assert_eq!(
            on_disk(dir.path()).get_blocking(id).unwrap().as_deref(),
            Some(b"a marker to look for".as_slice())
        );
        let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        let raw = fs::read(&files[0]).unwrap();
        assert!(!raw.windows(6).any(|window| window == b"marker"));
        assert!(!files[0].to_string_lossy().contains(&id.to_string()));
        blobs.delete_blocking(id).unwrap();
        blobs.delete_blocking(id).unwrap();
        assert_eq!(blobs.get_blocking(id).unwrap(), None);
    }

    #[test]
    fn an_altered_or_exchanged_file_is_refused_and_a_second_put_repairs_it() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = on_disk(dir.path());
        let (a, b) = (blobs.put_blocking(b"a").unwrap(), blobs.put_blocking(b"b").unwrap());
        let path = |id| dir.path().join(blobs.name(id));
        fs::copy(path(b), path(a)).unwrap();
        assert!(matches!(blobs.get_blocking(a), Err(BlobError::Tampered)));
        blobs.put_blocking(b"a").unwrap();
        assert_eq!(blobs.get_blocking(a).unwrap().as_deref(), Some(b"a".as_slice()));
    }

    #[test]
    fn what_one_owner_deletes_stays_with_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let common = on_disk(dir.path());
        let own = common.of("deployments");
        let id = common.put_blocking(b"the same").unwrap();
        assert_eq!(own.get_blocking(id).unwrap(), None);
        assert_eq!(own.put_blocking(b"the same").unwrap(), id);
        common.delete_blocking(id).unwrap();
        assert_eq!(own.get_blocking(id).unwrap().as_deref(), Some(b"the same".as_slice()));
        assert_eq!(common.of("others").get_blocking(id).unwrap(), None);
    }

    #[test]
    fn another_root_key_finds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let id = on_disk(dir.path()).put_blocking(b"a").unwrap();
        let other =
            Blobs::open(dir.path(), &RootKey::from_bytes([2; 32]), Arc::new(SystemEntropy::default()))
                .unwrap();
        assert_eq!(other.get_blocking(id).unwrap(), None);
    }

    #[tokio::test]
    async fn memory_behaves_as_files_do() {
        let entropy = Arc::new(SystemEntropy::default());
        let blobs = Blobs::in_memory(&RootKey::from_bytes([1; 32]), entropy).unwrap();
        let id = blobs.put(b"x".to_vec()).await.unwrap();
        assert_eq!(id, BlobId::of(b"x"));
        assert_eq!(blobs.get(id).await.unwrap().as_deref(), Some(b"x".as_slice()));
        blobs.delete(id).await.unwrap();
        assert_eq!(blobs.get(id).await.unwrap(), None);
    }
}
