//! The private keys with which a SAML provider's assertions are decrypted, and whether they must be encrypted. Refuses to
//! show a key again, and to decrypt anything: that is STS's matter.

use casemate_kernel::AssertionEncryption;
use casemate_names::{Secret, Timestamp};
use casemate_saml::DecryptionKey;
use serde::{Deserialize, Serialize};

use crate::api::{AssertionEncryptionModeType, Error, SAMLPrivateKey};

/// Keys of one provider: the one in use and the one that will follow it.
// AWS: API reference, GetSAMLProvider, `PrivateKeyList`: at most two.
const KEYS_MAX: usize = 2;

/// What a provider's assertions may be encrypted for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct AssertionKeys {
    keys: Vec<PrivateKey>,
    encryption: Option<AssertionEncryption>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct PrivateKey {
    id: String,
    added_at: Timestamp,
    /// Checked when it was added.
    pem: Secret<String>,
}

/// What a request changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyChange {
    /// The id of a key that is added, and the key.
    pub(crate) add: Option<(String, Secret<String>)>,
    pub(crate) remove: Option<String>,
    pub(crate) encryption: Option<AssertionEncryptionModeType>,
}

impl AssertionKeys {
    /// Makes the change, or none of it.
    pub(crate) fn change(&mut self, change: &KeyChange, now: Timestamp) -> Result<(), Error> {
        if change.add.is_some() && change.remove.is_some() {
            // AWS: API reference, UpdateSAMLProvider: the old key is removed in a separate request.
            let text = "A private key is added and another removed in separate requests.";
            return Err(Error::invalid_input_exception(text));
        }
        if let Some(id) = &change.remove {
            let count = self.keys.len();
            self.keys.retain(|key| key.id != *id);
            if self.keys.len() == count {
                return Err(Error::no_such_entity_exception(format!("Private key {id} not found.")));
            }
        }
        if let Some((id, pem)) = &change.add {
            if DecryptionKey::parse(pem.expose()).is_none() {
                let text = "The private key must be an unencrypted RSA key of at least 2048 bits in PEM.";
                return Err(Error::invalid_input_exception(text));
            }
            if self.keys.len() >= KEYS_MAX {
                let text = format!("Cannot exceed quota for PrivateKeysPerSAMLProvider: {KEYS_MAX}");
                return Err(Error::limit_exceeded_exception(text));
            }
            self.keys.push(PrivateKey { id: id.clone(), added_at: now, pem: pem.clone() });
        }
        if let Some(mode) = change.encryption {
            self.encryption = Some(match mode {
                AssertionEncryptionModeType::Required => AssertionEncryption::Required,
                AssertionEncryptionModeType::Allowed => AssertionEncryption::Allowed,
            });
        }
        if self.encryption == Some(AssertionEncryption::Required) && self.keys.is_empty() {
            let text = "Encryption cannot be required without a private key.";
            return Err(Error::invalid_input_exception(text));
        }
        Ok(())
    }

    /// As shown: not the keys themselves.
    pub(crate) fn shown(&self) -> Option<Vec<SAMLPrivateKey>> {
        let keys = self
            .keys
            .iter()
            .map(|key| SAMLPrivateKey { key_id: Some(key.id.clone()), timestamp: Some(key.added_at) });
        (!self.keys.is_empty()).then(|| keys.collect())
    }

    /// As shown; `None` where nobody has said.
    pub(crate) fn mode(&self) -> Option<AssertionEncryptionModeType> {
        self.encryption.map(|encryption| match encryption {
            AssertionEncryption::Required => AssertionEncryptionModeType::Required,
            AssertionEncryption::Allowed => AssertionEncryptionModeType::Allowed,
        })
    }

    /// For whoever decrypts: the keys in PEM, and whether assertions in the open are taken.
    pub(crate) fn known(self) -> (Vec<Secret<String>>, AssertionEncryption) {
        let encryption = self.encryption.unwrap_or_default();
        (self.keys.into_iter().map(|key| key.pem).collect(), encryption)
    }
}
