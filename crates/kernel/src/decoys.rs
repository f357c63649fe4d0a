//! Access keys that belong to nobody. They lie where only an intruder looks; whoever signs with one is refused as with any
//! unknown key, and the record is an alarm that says where the key lay.
//!
//! Kept in memory only, and for a while after the place they lie in is gone. Knows nothing of what such places are.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use casemate_names::{Entropy, Secret, alphanumeric, lower_alphanumeric};

use crate::{Env, Fault, Peer, audit::Bracket};

/// Decoys of places that are gone which are remembered: who read one there may try it later. Ours.
const FORMER_MAX: usize = 10_000;

#[derive(Clone, Default)]
pub(crate) struct Decoys(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    /// Key id → place.
    places: BTreeMap<String, String>,
    /// The ids of those whose places are gone, oldest first.
    former: VecDeque<String>,
}

/// A key that belongs to nobody. When this value is dropped, it is one of the former ones.
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
        self.known().places.insert(access_key_id.clone(), place);
        let secret_access_key = Secret::new(alphanumeric(entropy, "kernel.decoy.secret", 40));
        Decoy { access_key_id, secret_access_key, among: self.clone() }
    }

    /// Marks the record if the request claims one of them; whether its signature is right does not matter.
    pub(crate) fn note(&self, access_key_id: &str, peer: &Peer, bracket: &mut Bracket) {
        let place = self.known().places.get(access_key_id).cloned();
        if let Some(place) = place {
            bracket.alarm(format!(
                "the decoy key of {place} was used from {}: somebody has read what lies there",
                peer.label()
            ));
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut known = self.among.known();
        known.former.push_back(std::mem::take(&mut self.access_key_id));
        if known.former.len() > FORMER_MAX
            && let Some(oldest) = known.former.pop_front()
        {
            known.places.remove(&oldest);
        }
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

#[cfg(test)]
mod tests {
    use casemate_names::NamedEntropy;

    use super::*;

    #[test]
    fn so_many_former_ones_are_remembered_and_every_present_one() {
        let (decoys, entropy) = (Decoys::default(), NamedEntropy::seeded(1));
        let knows = |id: &str| decoys.known().places.contains_key(id);
        let lasting = decoys.plant(&entropy, "here".to_owned());
        let ids: Vec<String> = (0..=FORMER_MAX)
            .map(|_| decoys.plant(&entropy, "gone".to_owned()).access_key_id().to_owned())
            .collect();
        assert!(knows(lasting.access_key_id()));
        assert!(!knows(&ids[0]));
        assert!(knows(&ids[1]) && knows(&ids[FORMER_MAX]));
        assert_eq!(decoys.known().places.len(), FORMER_MAX + 1);
    }
}
