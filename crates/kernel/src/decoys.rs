//! Access keys that belong to nobody. They lie where only an intruder looks; whoever signs with one is refused as with any
//! unknown key, and the record is an alarm that says where the key lay.
//!
//! Kept in memory only, as long as the place they lie in exists. Knows nothing of what such places are.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use casemate_names::{Entropy, Secret, alphanumeric, lower_alphanumeric};

use crate::{Env, Fault, Peer, audit::Bracket};

/// The decoys that lie somewhere now: key id → place.
#[derive(Clone, Default)]
pub(crate) struct Decoys(Arc<Mutex<BTreeMap<String, String>>>);

/// A key that belongs to nobody. It is forgotten when this value is dropped.
pub struct Decoy {
    access_key_id: String,
    secret_access_key: Secret<String>,
    among: Decoys,
}

impl Decoys {
    fn plant(&self, entropy: &dyn Entropy, place: String) -> Decoy {
        // As long-term keys look: an intruder who can tell does not try.
        let id = lower_alphanumeric(entropy, "kernel.decoy.id", 16).to_ascii_uppercase();
        let access_key_id = format!("AKIA{id}");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(access_key_id.clone(), place);
        let secret_access_key = Secret::new(alphanumeric(entropy, "kernel.decoy.secret", 40));
        Decoy { access_key_id, secret_access_key, among: self.clone() }
    }

    /// Marks the record if the request claims one of them; whether its signature is right does not matter.
    pub(crate) fn note(&self, access_key_id: &str, peer: &Peer, bracket: &mut Bracket) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(access_key_id).cloned();
        if let Some(place) = known {
            bracket.alarm(format!(
                "the decoy key of {place} was used from {}: somebody has read what lies there",
                peer.label()
            ));
        }
    }
}

impl Decoy {
    /// `AKIA…`
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// What belongs to it.
    pub fn secret_access_key(&self) -> &Secret<String> {
        &self.secret_access_key
    }
}

impl Drop for Decoy {
    fn drop(&mut self) {
        self.among.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.access_key_id);
    }
}

impl fmt::Debug for Decoys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoys")
    }
}

/// Who reads a log must not learn which keys to leave alone.
impl fmt::Debug for Decoy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decoy")
    }
}

impl Env {
    /// A key that belongs to nobody, to be laid in a place; alarms name it. There are as many as there are values of these.
    pub fn plant_decoy(&self, place: String) -> Result<Decoy, Fault> {
        Ok(self.kernel.get()?.decoys().plant(&*self.entropy, place))
    }
}
