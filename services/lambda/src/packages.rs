//! Where packages are kept: sealed blobs for good, and unpacked folders as a cache.
//!
//! A folder lives while the package is in use or an environment still shows it, and is removed with its last user. The
//! whole cache is set aside at every start, so what runs always comes from the sealed blob.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use bytes::Bytes;
use casemate_kernel::{Env, Fault};
use casemate_names::hex_id;
use casemate_store::{BlobId, Blobs, Key, Row, StoreError, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{api::Error, package};

/// How many functions have a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Package {
    /// Functions that name it.
    references: u64,
}

impl Row for Package {
    const TABLE: &'static str = "lambda.package";
    const VERSION: u16 = 1;
}

/// An unpacked package. The folder goes with the last holder.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The folder that becomes `/var/task`.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.0);
        // Leftovers are removed at the next start.
        let remove = move || drop(fs::remove_dir_all(path));
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// A package that was checked and unpacked, not yet a function's.
#[derive(Debug)]
pub(crate) struct Received {
    /// SHA-256 of the archive.
    pub(crate) id: BlobId,
    /// Size of the archive in bytes.
    pub(crate) bytes: u64,
    /// Size of what is in it.
    pub(crate) unpacked_bytes: u64,
    archive: Bytes,
    folder: Arc<Folder>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Packages {
    env: Env,
    blobs: Blobs,
    folder: PathBuf,
    unpacked: Mutex<BTreeMap<BlobId, Arc<Folder>>>,
    /// Layers' folders while an environment shows them, by their packages in order.
    merged: Mutex<BTreeMap<Vec<BlobId>, Weak<Folder>>>,
    /// Held while a function gains or loses a package: a blob is not removed while another function takes it up.
    changes: tokio::sync::Mutex<()>,
}

impl Received {
    /// The archive as it came.
    pub(crate) fn archive(&self) -> Bytes {
        self.archive.clone()
    }
}

impl Packages {
    /// Sets the old cache aside and begins a new one.
    pub(crate) fn open(env: &Env, folder: &Path) -> Result<Self, Fault> {
        let fresh = folder.join(format!("{FRESH}{}", hex_id(&*env.entropy, "lambda.packages", 16)));
        // What functions are made of is nobody else's to read.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&fresh).map_err(Fault::internal)?;
        Ok(Self {
            env: env.clone(),
            blobs: env.blobs.clone(),
            folder: fresh,
            unpacked: Mutex::default(),
            merged: Mutex::default(),
            changes: tokio::sync::Mutex::default(),
        })
    }

    /// Removes what earlier runs left behind.
    pub(crate) async fn remove_leftovers(&self) {
        let Some(above) = self.folder.parent().map(Path::to_owned) else { return };
        let own = self.folder.clone();
        let remove = move || {
            for entry in fs::read_dir(above).into_iter().flatten().flatten() {
                let path = entry.path();
                let ours =
                    path.file_name().and_then(|name| name.to_str()).is_some_and(|n| n.starts_with(FRESH));
                if ours && path != own {
                    drop(fs::remove_dir_all(path));
                }
            }
        };
        drop(tokio::task::spawn_blocking(remove).await);
    }

    /// Checks and unpacks an archive.
    pub(crate) async fn receive(&self, archive: Bytes) -> Result<Received, Error> {
        if archive.len() > package::PACKED_BYTES_MAX {
            return Err(Error::Internal(Fault::coded(
                "RequestEntityTooLargeException",
                413,
                format!("the package has more than {} bytes", package::PACKED_BYTES_MAX),
            )));
        }
        let (folder, unpacked_bytes) = self.unpack(archive.clone()).await?;
        let (id, bytes) = (BlobId::of(&archive), archive.len() as u64);
        Ok(Received { id, bytes, unpacked_bytes, archive, folder })
    }

    /// Keeps a package while `change` gives it to a function. `change` answers with the package the function had before.
    pub(crate) async fn adopt<R: Send + 'static>(
        &self,
        received: Received,
        change: impl Fn(&mut WriteTx<'_>) -> Result<(Option<BlobId>, R), Error> + Send + Sync + 'static,
    ) -> Result<R, Error> {
        let _held = self.changes.lock().await;
        let id = self.blobs.put(received.archive.to_vec()).await.map_err(Fault::internal)?;
        let adopted = self
            .env
            .store
            .write(move |tx| {
                let (before, result) = change(tx)?;
                refer(tx, id)?;
                let orphan = before.map(|before| release(tx, before)).transpose()?.flatten();
                Ok::<_, Error>((orphan, result))
            })
            .await;
        let (orphan, result) = match adopted {
            Ok(done) => done,
            Err(error) => {
                self.remove_unless_referred(id).await?;
                return Err(error);
            }
        };
        self.remember(id, received.folder);
        if let Some(orphan) = orphan {
            self.remove(orphan).await?;
        }
        Ok(result)
    }

    /// Lets `change` take packages away from functions; it answers one entry for each reference that ends.
    pub(crate) async fn abandon<R: Send + 'static>(
        &self,
        change: impl Fn(&mut WriteTx<'_>) -> Result<(Vec<BlobId>, R), Error> + Send + Sync + 'static,
    ) -> Result<R, Error> {
        let _held = self.changes.lock().await;
        let (orphans, result) = self
            .env
            .store
            .write(move |tx| {
                let (before, result) = change(tx)?;
                let mut orphans = Vec::new();
                for id in before {
                    orphans.extend(release(tx, id)?);
                }
                Ok::<_, Error>((orphans, result))
            })
            .await?;
        for orphan in orphans {
            self.remove(orphan).await?;
        }
        Ok(result)
    }

    /// Lets `change` give a package that is kept already to something more, with [`refer`].
    pub(crate) async fn share<R: Send + 'static>(
        &self,
        change: impl Fn(&mut WriteTx<'_>) -> Result<R, Error> + Send + Sync + 'static,
    ) -> Result<R, Error> {
        let _held = self.changes.lock().await;
        self.env.store.write(change).await
    }

    /// The unpacked form of a package that a function has.
    pub(crate) async fn folder(&self, id: BlobId) -> Result<Arc<Folder>, Error> {
        if let Some(folder) = self.find(id) {
            return Ok(folder);
        }
        let _held = self.changes.lock().await;
        if let Some(folder) = self.find(id) {
            return Ok(folder);
        }
        let (folder, _) = self.unpack(self.archive(id).await?).await?;
        self.remember(id, Arc::clone(&folder));
        Ok(folder)
    }

    /// Several packages in one folder, later ones over earlier ones: what becomes `/opt`.
    pub(crate) async fn merged(&self, ids: &[BlobId]) -> Result<Arc<Folder>, Error> {
        let find = || {
            let all = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
            all.get(ids).and_then(Weak::upgrade)
        };
        if let Some(folder) = find() {
            return Ok(folder);
        }
        let _held = self.changes.lock().await;
        if let Some(folder) = find() {
            return Ok(folder);
        }
        let mut archives = Vec::new();
        for id in ids {
            archives.push(self.archive(*id).await?);
        }
        let folder = self
            .in_new_folder(move |folder| {
                archives.iter().try_for_each(|archive| package::unpack_over(archive, folder).map(drop))
            })
            .await?
            .0;
        let mut all = self.merged.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, folder| folder.strong_count() > 0);
        all.insert(ids.to_vec(), Arc::downgrade(&folder));
        Ok(folder)
    }

    /// A package that is kept.
    pub(crate) async fn archive(&self, id: BlobId) -> Result<Bytes, Error> {
        let archive = self.blobs.get(id).await.map_err(Fault::internal)?;
        Ok(archive.ok_or_else(|| Fault::broken("a package is gone"))?.into())
    }

    async fn unpack(&self, archive: Bytes) -> Result<(Arc<Folder>, u64), Error> {
        self.in_new_folder(move |folder| package::unpack(&archive, folder)).await
    }

    async fn in_new_folder<R: Send + 'static>(
        &self,
        fill: impl FnOnce(&Path) -> Result<R, package::PackageError> + Send + 'static,
    ) -> Result<(Arc<Folder>, R), Error> {
        let path = self.folder.join(hex_id(&*self.env.entropy, "lambda.folder", 16));
        let work = move || {
            fs::create_dir(&path).map_err(package::PackageError::Disk)?;
            // From here on the folder goes when it is not wanted, also if filling it fails.
            let folder = Arc::new(Folder(path));
            let filled = fill(folder.path())?;
            Ok::<_, package::PackageError>((folder, filled))
        };
        Ok(self.env.heavy.run(work).await??)
    }

    /// An empty folder.
    pub(crate) async fn scratch(&self) -> Result<Arc<Folder>, Error> {
        Ok(self.in_new_folder(|_| Ok(())).await?.0)
    }

    fn find(&self, id: BlobId) -> Option<Arc<Folder>> {
        self.unpacked.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn remember(&self, id: BlobId, folder: Arc<Folder>) {
        self.unpacked.lock().unwrap_or_else(PoisonError::into_inner).entry(id).or_insert(folder);
    }

    async fn remove_unless_referred(&self, id: BlobId) -> Result<(), Error> {
        if self.env.store.read(|tx| tx.exists::<Package>(&key(id)))? {
            return Ok(());
        }
        self.remove(id).await
    }

    async fn remove(&self, id: BlobId) -> Result<(), Error> {
        self.unpacked.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        self.blobs.delete(id).await.map_err(Fault::internal)?;
        Ok(())
    }
}

/// One reference more.
pub(crate) fn refer(tx: &mut WriteTx<'_>, id: BlobId) -> Result<(), StoreError> {
    let references = tx.get::<Package>(&key(id))?.map_or(0, |package| package.references) + 1;
    tx.put(&key(id), &Package { references })
}

/// Takes one reference away; the package itself, if that was the last.
fn release(tx: &mut WriteTx<'_>, id: BlobId) -> Result<Option<BlobId>, StoreError> {
    let references = tx.get::<Package>(&key(id))?.map_or(0, |package| package.references).saturating_sub(1);
    if references == 0 {
        tx.delete::<Package>(&key(id))?;
        return Ok(Some(id));
    }
    tx.put(&key(id), &Package { references })?;
    Ok(None)
}

fn key(id: BlobId) -> Key {
    Key::global().bytes(id.sha256())
}

const FRESH: &str = "run-";

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use casemate_kernel::{Builder, Site, audit::Audit};
    use casemate_names::{AccountId, FakeClock, NamedEntropy, Region, Scope, Timestamp};
    use casemate_store::Store;
    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn env() -> Env {
        let scope = Scope {
            partition: "aws".to_owned(),
            account: AccountId::parse("123456789012").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        let site = Site { scope, endpoint: String::new(), data_dir: None };
        let clock = Arc::new(FakeClock::at(Timestamp::from_millis(0)));
        let store = Store::in_memory(Arc::new(NamedEntropy::seeded(1)));
        Builder::new(site, clock, Arc::new(NamedEntropy::seeded(2)), store, Audit::in_memory())
            .env("lambda", "lambda.amazonaws.com")
    }

    fn archive(content: &str) -> Bytes {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file("app.py", SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
        writer.finish().unwrap().into_inner().into()
    }

    async fn adopt(packages: &Packages, content: &str, before: Option<BlobId>) -> BlobId {
        let received = packages.receive(archive(content)).await.unwrap();
        let id = received.id;
        packages.adopt(received, move |_| Ok((before, ()))).await.unwrap();
        id
    }

    #[tokio::test]
    async fn after_a_start_packages_come_from_their_blobs_and_old_folders_go() {
        let (env, folder) = (env(), tempfile::tempdir().unwrap());
        let before = Packages::open(&env, folder.path()).unwrap();
        let id = adopt(&before, "x = 1", None).await;
        let old = before.folder(id).await.unwrap().path().to_owned();
        fs::write(old.join("app.py"), "tampered with").unwrap();
        let after = Packages::open(&env, folder.path()).unwrap();
        let fresh = after.folder(id).await.unwrap();
        assert_ne!(fresh.path(), old);
        assert_eq!(fs::read_to_string(fresh.path().join("app.py")).unwrap(), "x = 1");
        after.remove_leftovers().await;
        assert!(!old.exists() && fresh.path().exists());
    }

    #[tokio::test]
    async fn a_package_goes_with_its_last_function_and_its_folder_with_its_last_user() {
        let (env, folder) = (env(), tempfile::tempdir().unwrap());
        let packages = Packages::open(&env, folder.path()).unwrap();
        let first = adopt(&packages, "x = 1", None).await;
        assert_eq!(adopt(&packages, "x = 1", None).await, first);
        let shown = packages.folder(first).await.unwrap();
        adopt(&packages, "x = 2", Some(first)).await;
        assert!(env.blobs.get(first).await.unwrap().is_some());
        packages.abandon(move |_| Ok((vec![first], ()))).await.unwrap();
        assert!(env.blobs.get(first).await.unwrap().is_none());
        assert!(shown.path().join("app.py").exists());
    }

    #[tokio::test]
    async fn a_package_that_no_function_took_leaves_nothing() {
        let (env, folder) = (env(), tempfile::tempdir().unwrap());
        let packages = Packages::open(&env, folder.path()).unwrap();
        let received = packages.receive(archive("x = 1")).await.unwrap();
        let id = received.id;
        let refused = packages
            .adopt(received, |_| Err::<(Option<BlobId>, ()), _>(Error::service_exception("no")))
            .await;
        assert!(refused.is_err());
        assert!(env.blobs.get(id).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_package_beyond_fifty_megabytes_is_refused_unread() {
        let (env, folder) = (env(), tempfile::tempdir().unwrap());
        let packages = Packages::open(&env, folder.path()).unwrap();
        let large = Bytes::from(vec![0; package::PACKED_BYTES_MAX + 1]);
        assert!(packages.receive(large).await.is_err());
    }
}
