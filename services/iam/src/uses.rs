//! When and for what long-term keys were last used: noted in memory on every request, stored once a minute.
// DIVERGES: uses of the last minute before the server stops are forgotten.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError, Weak},
    time::Duration,
};

use casemate_names::Timestamp;
use casemate_store::{Key, ReadTx, Row, Store, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{
    Iam,
    api::Error,
    rows::{AccessKeyRow, access_key_key},
};

/// Keys noted between two writes; further ones are not noted until then.
const NOTED_MAX: usize = 10_000;

/// Seconds between two writes.
const PERIOD_S: u64 = 60;

/// When and for what a key was last used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastUse {
    pub(crate) at: Timestamp,
    /// As the service signs.
    pub(crate) service: String,
}

impl Row for LastUse {
    const TABLE: &'static str = "iam.access-key-uses";
    const VERSION: u16 = 1;
}

/// What has been noted since it was last stored.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    noted: Mutex<HashMap<String, LastUse>>,
}

impl Uses {
    /// Notes a use. Does not block on anything but other notes.
    pub(crate) fn note(&self, access_key_id: &str, service: &str, at: Timestamp) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = noted.get_mut(access_key_id) {
            known.at = at;
            if known.service != service {
                service.clone_into(&mut known.service);
            }
        } else if noted.len() < NOTED_MAX {
            noted.insert(access_key_id.to_owned(), LastUse { at, service: service.to_owned() });
        }
    }

    /// The last use of a key: the noted one, else the stored one.
    pub(crate) fn last(&self, tx: &ReadTx<'_>, access_key_id: &str) -> Result<Option<LastUse>, Error> {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner).get(access_key_id).cloned();
        match noted {
            Some(noted) => Ok(Some(noted)),
            None => Ok(tx.get::<LastUse>(&key(access_key_id))?),
        }
    }

    /// Stores what has been noted. What is noted meanwhile, or could not be stored, stays noted.
    async fn store(&self, store: &Store) -> Result<(), Error> {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if noted.is_empty() {
            return Ok(());
        }
        let written = noted.clone();
        store.write(move |tx| written.iter().try_for_each(|(id, used)| save(tx, id, used))).await?;
        let mut left = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        left.retain(|id, used| noted.get(id) != Some(used));
        Ok(())
    }
}

/// Stores a use, unless the key is gone meanwhile.
fn save(tx: &mut WriteTx<'_>, id: &str, used: &LastUse) -> Result<(), Error> {
    if tx.exists::<AccessKeyRow>(&access_key_key(id))? {
        tx.put(&key(id), used)?;
    }
    Ok(())
}

/// Forgets the uses of a key that is deleted.
pub(crate) fn forget(tx: &mut WriteTx<'_>, id: &str) -> Result<(), Error> {
    Ok(tx.delete::<LastUse>(&key(id))?)
}

fn key(access_key_id: &str) -> Key {
    Key::global().text(access_key_id)
}

/// Stores uses from time to time, until the service is gone.
pub(crate) async fn run(service: Weak<Iam>) {
    loop {
        tokio::time::sleep(Duration::from_secs(PERIOD_S)).await;
        let Some(service) = service.upgrade() else { return };
        // What could not be stored is still noted, and tried again a minute later.
        let _ = service.cache.uses.store(&service.env.store).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use casemate_names::{AccountId, NamedEntropy, Secret};

    use super::*;

    fn last(uses: &Uses, store: &Store, id: &str) -> Option<LastUse> {
        store.read(|tx| uses.last(tx, id)).unwrap()
    }

    #[tokio::test]
    async fn uses_outlive_the_process_and_go_with_their_key() {
        let store = Store::in_memory(Arc::new(NamedEntropy::seeded(1)));
        let now = Timestamp::from_seconds(100);
        let row = AccessKeyRow {
            secret: Secret::new("secret".to_owned()),
            active: true,
            account: AccountId::parse("123456789012").unwrap(),
            user: None,
            created_at: now,
        };
        store.write(move |tx| Ok::<_, Error>(tx.put(&access_key_key("known"), &row)?)).await.unwrap();
        let uses = Uses::default();
        uses.note("known", "s3", now);
        uses.note("known", "iam", now);
        uses.note("gone", "iam", now);
        uses.store(&store).await.unwrap();
        let after_restart = Uses::default();
        let used = LastUse { at: now, service: "iam".to_owned() };
        assert_eq!(last(&after_restart, &store, "known"), Some(used));
        assert_eq!(last(&after_restart, &store, "gone"), None);
        store.write(|tx| forget(tx, "known")).await.unwrap();
        assert_eq!(last(&after_restart, &store, "known"), None);
    }

    #[tokio::test]
    async fn a_newer_use_is_shown_before_it_is_stored() {
        let store = Store::in_memory(Arc::new(NamedEntropy::seeded(1)));
        let uses = Uses::default();
        uses.note("key", "iam", Timestamp::from_seconds(1));
        uses.store(&store).await.unwrap();
        uses.note("key", "sts", Timestamp::from_seconds(2));
        assert_eq!(last(&uses, &store, "key").unwrap().at, Timestamp::from_seconds(2));
    }
}
