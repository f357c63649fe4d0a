//! Roots that were assembled, by runtime; and for a while those that could not be, so that whoever asks again and again has
//! nothing verified, read and mounted again and again.
//!
//! Knows nothing of how a root is assembled.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use casemate_names::Timestamp;
use tokio::sync::OnceCell;

use super::NotStarted;
use crate::api::Error;

/// How long a failure is remembered. Ours: an operator who has mended something waits no longer.
const FAILURE_KEPT_MS: i64 = 60_000;

/// Which folder it was, where another may take its place: one of the same name is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    device: u64,
    inode: u64,
    /// Inodes are used again.
    changed: (i64, i64),
}

impl Place {
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let found = fs::symlink_metadata(folder)?;
        let changed = (found.ctime(), found.ctime_nsec());
        Ok(Self { device: found.dev(), inode: found.ino(), changed })
    }
}

/// All of a host.
#[derive(Debug)]
pub(crate) struct Assemblies<T>(Mutex<BTreeMap<String, Placed<T>>>);

type Placed<T> = (Option<Place>, Arc<Assembly<T>>);

impl<T> Default for Assemblies<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Assemblies<T> {
    /// That of a runtime; an empty one where there was none, or where the folder is another.
    pub(super) fn of(&self, id: &str, place: Option<Place>) -> Arc<Assembly<T>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (before, assembly) = all.entry(id.to_owned()).or_insert_with(|| (place, Arc::default()));
        if *before != place {
            (*before, *assembly) = (place, Arc::default());
        }
        Arc::clone(assembly)
    }
}

/// One root.
#[derive(Debug)]
pub(super) struct Assembly<T> {
    made: OnceCell<T>,
    failed: Mutex<Option<(Timestamp, Error)>>,
}

impl<T> Default for Assembly<T> {
    fn default() -> Self {
        Self { made: OnceCell::new(), failed: Mutex::new(None) }
    }
}

/// Why it was not assembled.
#[derive(Debug)]
pub(super) enum Failed {
    /// As it would be the next time.
    Kept(Error),
    /// What may be otherwise the next time.
    Passing(NotStarted),
}

impl<T: Clone> Assembly<T> {
    /// Makes it, once. Whoever wants this one waits; others do not.
    pub(super) async fn get(
        &self,
        now: impl Fn() -> Timestamp,
        make: impl AsyncFnOnce() -> Result<T, Failed>,
    ) -> Result<T, NotStarted> {
        let made = self.made.get_or_try_init(async || {
            if let Some(error) = self.failure(now()) {
                return Err(NotStarted::Refused(error));
            }
            make().await.map_err(|failed| match failed {
                Failed::Passing(error) => error,
                Failed::Kept(error) => {
                    let mut kept = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                    *kept = Some((now(), error.clone()));
                    NotStarted::Refused(error)
                }
            })
        });
        made.await.cloned()
    }

    fn failure(&self, now: Timestamp) -> Option<Error> {
        let kept = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, error) = kept.as_ref()?;
        (now.millis().abs_diff(at.millis()) < FAILURE_KEPT_MS.unsigned_abs()).then(|| error.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_failed_is_not_tried_again_for_a_minute_and_what_passes_is() {
        let assembly = Assembly::<u8>::default();
        let at = |millis| move || Timestamp::from_millis(millis);
        let passing = assembly.get(at(0), async || Err(Failed::Passing(NotStarted::TimedOut(Vec::new()))));
        assert!(matches!(passing.await, Err(NotStarted::TimedOut(_))));
        let failed = assembly.get(at(0), async || Err(Failed::Kept(Error::service_exception("first"))));
        assert!(failed.await.is_err());
        let again = assembly.get(at(FAILURE_KEPT_MS - 1), async || panic!("tried again")).await;
        assert!(
            matches!(again, Err(NotStarted::Refused(error)) if error == Error::service_exception("first"))
        );
        assert_eq!(assembly.get(at(FAILURE_KEPT_MS), async || Ok(1)).await.unwrap(), 1);
        assert_eq!(assembly.get(at(0), async || panic!("made twice")).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn another_folder_of_the_same_name_is_assembled_anew() {
        let held = tempfile::tempdir().unwrap();
        let root = held.path().join("root");
        fs::create_dir(&root).unwrap();
        let before = Place::of(&root).unwrap();
        let all = Assemblies::<u8>::default();
        let at = || Timestamp::from_millis(0);
        let made =
            async |place, what| all.of("image-1", Some(place)).get(at, async || Ok(what)).await.unwrap();
        assert_eq!((made(before, 1).await, made(before, 2).await), (1, 1));
        fs::rename(&root, held.path().join("going")).unwrap();
        fs::create_dir(&root).unwrap();
        let after = Place::of(&root).unwrap();
        assert_ne!(before, after);
        assert_eq!((made(after, 3).await, made(after, 4).await), (3, 3));
    }
}
