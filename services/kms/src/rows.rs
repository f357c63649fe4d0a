//! What is stored, and under which keys. Every value is sealed by the store; material lies in rows of its own, so that
//! what only needs to know a key never reads it.

use std::collections::{BTreeMap, BTreeSet};

use casemate_names::{Scope, Secret, Timestamp};
use casemate_store::{Key, ReadTx, Row, StoreError, WriteTx};
use serde::{Deserialize, Serialize};

/// Rows deleted at a time.
const BATCH: usize = 500;

/// Whether a key can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    /// It can.
    Enabled,
    /// It cannot, until it is enabled again.
    Disabled,
    /// It cannot, and is gone at that time.
    PendingDeletion {
        /// When.
        at: Timestamp,
    },
}

/// Yearly or otherwise regular new material.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rotation {
    /// Days between two materials.
    pub(crate) period_days: i32,
    /// When new material is due.
    pub(crate) next_at: Timestamp,
}

/// A KMS key, without its material.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// What its owner says of it.
    pub(crate) description: String,
    /// Whether it can be used.
    pub(crate) state: State,
    /// Automatic rotation, if it is on.
    pub(crate) rotation: Option<Rotation>,
    /// The version of the material that encrypts; the first is 1.
    pub(crate) version: u32,
    /// How often rotation was asked for.
    pub(crate) on_demand_rotations: u32,
    /// The key policy as it was given.
    pub(crate) policy: String,
    /// The unique ids of the users and roles that the policy names by ARN, at the time it was put.
    pub(crate) policy_ids: BTreeMap<String, String>,
    /// Tags.
    pub(crate) tags: BTreeMap<String, String>,
    // INVARIANT: those whose rows point here.
    /// Its aliases.
    pub(crate) aliases: BTreeSet<String>,
}

impl Row for KeyRow {
    const TABLE: &'static str = "kms.key";
    const VERSION: u16 = 1;
}

/// What a key encrypts with, or did before it was rotated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Material {
    /// 64 hexadecimal digits: what answers call it.
    pub(crate) id: String,
    /// Since when.
    pub(crate) made_at: Timestamp,
    /// Made because somebody asked for it.
    pub(crate) on_demand: bool,
    /// The secret itself.
    pub(crate) secret: Secret<Vec<u8>>,
}

impl Row for Material {
    const TABLE: &'static str = "kms.material";
    const VERSION: u16 = 1;
}

/// A name for a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alias {
    /// The key, in the same account.
    pub(crate) key_id: String,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When it was last pointed elsewhere.
    pub(crate) updated_at: Timestamp,
}

impl Row for Alias {
    const TABLE: &'static str = "kms.alias";
    const VERSION: u16 = 1;
}

/// A key and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// Whose.
    pub(crate) scope: Scope,
    /// Its id.
    pub(crate) id: String,
}

impl Place {
    /// The key's row.
    pub(crate) fn key(&self) -> Key {
        Key::of(&self.scope).text(&self.id)
    }

    /// The row of one of its materials.
    pub(crate) fn material(&self, version: u32) -> Key {
        self.key().number(u64::from(version))
    }

    /// The key's row, if there is one.
    pub(crate) fn find(&self, tx: &ReadTx<'_>) -> Result<Option<KeyRow>, StoreError> {
        tx.get(&self.key())
    }

    /// Removes the key and all that hangs on it.
    pub(crate) fn erase(&self, tx: &mut WriteTx<'_>) -> Result<(), StoreError> {
        erase_all::<Material>(tx, &self.key())?;
        erase_all::<crate::grant::Grant>(tx, &self.key())?;
        for name in self.find(tx)?.into_iter().flat_map(|row| row.aliases) {
            tx.delete::<Alias>(&alias_key(&self.scope, &name))?;
        }
        tx.delete::<KeyRow>(&self.key())
    }
}

/// An alias's row; `name` includes `alias/`.
pub(crate) fn alias_key(scope: &Scope, name: &str) -> Key {
    Key::of(scope).text(name)
}

fn erase_all<T: Row>(tx: &mut WriteTx<'_>, prefix: &Key) -> Result<(), StoreError> {
    loop {
        let keys = tx.keys::<T>(prefix, None, BATCH)?;
        for key in &keys {
            tx.delete::<T>(key)?;
        }
        if keys.len() < BATCH {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, sync::Arc};

    use casemate_names::{AccountId, Region, SystemEntropy};
    use casemate_store::{RootKey, Store};

    use super::*;

    /// Does any file below `dir` contain these bytes?
    fn is_in_a_file(dir: &Path, bytes: &[u8]) -> bool {
        fs::read_dir(dir).unwrap().any(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                return is_in_a_file(&path, bytes);
            }
            fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes)
        })
    }

    #[test]
    fn material_is_in_no_file() {
        let dir = tempfile::tempdir().unwrap();
        // Bytes below 128: in the encoding of rows each of them would be itself.
        let secret = b"0123456789-known-material-of-key";
        let scope = Scope {
            partition: "aws".to_owned(),
            region: Region::parse("us-east-1").unwrap(),
            account: AccountId::parse("123456789012").unwrap(),
        };
        let place = Place { scope, id: "01234567-89ab-cdef-0123-456789abcdef".to_owned() };
        let material = Material {
            id: "0".repeat(64),
            made_at: Timestamp::from_seconds(0),
            on_demand: false,
            secret: Secret::new(secret.to_vec()),
        };
        let encoded = rmp_serde::to_vec_named(&material).unwrap();
        assert!(encoded.windows(secret.len()).any(|window| window == secret));
        let open = || {
            Store::open(dir.path(), RootKey::from_bytes([1; 32]), Arc::new(SystemEntropy::default())).unwrap()
        };
        let at = place.material(1);
        let kept = material.clone();
        open().write_blocking(move |tx| tx.put(&at, &kept)).unwrap();
        assert!(!is_in_a_file(dir.path(), secret));
        // That very row was in what was searched.
        assert!(is_in_a_file(dir.path(), place.id.as_bytes()));
        let found = open().read(|tx| tx.get::<Material>(&place.material(1))).unwrap();
        assert_eq!(found, Some(material));
    }
}
