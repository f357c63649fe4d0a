//! Outbound federation: an account's issuer of tokens, by which strangers recognise its users and roles. An issuer has an
//! address, an RSA key and a key on P-384, and keeps them for ever; it can be switched off, which ends the making of tokens and
//! leaves those that were made verifiable.
//!
//! Knows no claims but the issuer's name: who is attested, and as what, is said by the security token service.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use casemate_jose::{CurveKey, SigningKey, key_id};
use casemate_kernel::{Env, Fault, TokenAlgorithm};
use casemate_names::{AccountId, Scope, Secret, uuid};
use casemate_store::{Key, ReadTx, Row, WriteTx};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::api::Error;

/// Under this path of the server's own address lies what is public of issuers.
pub(crate) const PATH: &str = "outbound-identity";
/// Issuers whose keys are kept parsed; beyond it the cache starts again. Ours: bounds memory.
const PARSED_MAX: usize = 1_000;

/// The issuer of an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IssuerRow {
    /// A part of its address; never given twice.
    pub(crate) id: String,
    pub(crate) enabled: bool,
    rsa: StoredKey,
    curve: StoredKey,
}

/// A private key.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredKey {
    kid: String,
    private: Secret<Vec<u8>>,
}

/// Whose issuer it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct OwnerRow {
    account: AccountId,
}

impl Row for IssuerRow {
    const TABLE: &'static str = "iam.outbound-issuers";
    const VERSION: u16 = 1;
}

impl Row for OwnerRow {
    const TABLE: &'static str = "iam.outbound-issuers-by-id";
    const VERSION: u16 = 1;
}

/// Both keys, ready to use.
#[derive(Debug)]
struct Ring {
    rsa: SigningKey,
    curve: CurveKey,
}

/// Issuers' keys that were parsed before, by the issuer's id.
#[derive(Debug, Default)]
pub(crate) struct Parsed(Mutex<HashMap<String, Arc<Ring>>>);

/// The issuer's name and address.
// DIVERGES: AWS gives every account a host name of its own; here it is a path of the server's address, where the documents
// can be had. A server that gets another address has other issuers.
pub(crate) fn identifier(env: &Env, id: &str) -> String {
    format!("{}/{PATH}/{id}", env.site.endpoint)
}

/// Is this text the name of an issuer here?
pub(crate) fn is_identifier(env: &Env, text: &str) -> bool {
    let rest = text.strip_prefix(env.site.endpoint.as_str()).and_then(|rest| rest.strip_prefix('/'));
    rest.and_then(|rest| rest.strip_prefix(PATH)).is_some_and(|rest| rest.starts_with('/'))
}

/// The account's issuer, on or off.
pub(crate) fn issuer(tx: &ReadTx<'_>, scope: &Scope) -> Result<Option<IssuerRow>, Error> {
    Ok(tx.get::<IssuerRow>(&Key::of_account(scope))?)
}

/// The same, if it is on.
pub(crate) fn enabled(tx: &ReadTx<'_>, scope: &Scope) -> Result<IssuerRow, Error> {
    issuer(tx, scope)?.filter(|issuer| issuer.enabled).ok_or_else(|| {
        // The text is ours: AWS publishes none.
        Error::feature_disabled_exception("Outbound identity federation is not enabled for this account.")
    })
}

/// The account whose issuer has that id.
pub(crate) fn owner(tx: &ReadTx<'_>, id: &str) -> Result<Option<AccountId>, Error> {
    Ok(tx.get::<OwnerRow>(&by_id(id))?.map(|row| row.account))
}

fn by_id(id: &str) -> Key {
    Key::global().text(id)
}

impl IssuerRow {
    /// An issuer that nobody has seen yet. Takes a tenth of a second.
    pub(crate) async fn new(env: &Env) -> Result<Self, Fault> {
        let (rsa, curve) =
            (key_id(&*env.entropy, "iam.outbound-key-id"), key_id(&*env.entropy, "iam.outbound-key-id"));
        let made = env.heavy.run(move || {
            let (rsa, curve) = (SigningKey::generate(rsa), CurveKey::generate(curve));
            Ok::<_, Fault>((rsa.map_err(Fault::internal)?, curve.map_err(Fault::internal)?))
        });
        let (rsa, curve) = made.await??;
        let private = (rsa.to_pkcs8().map_err(Fault::internal)?, curve.to_pkcs8().map_err(Fault::internal)?);
        Ok(Self {
            id: uuid(&*env.entropy, "iam.outbound-issuer"),
            enabled: true,
            rsa: StoredKey { kid: rsa.kid().to_owned(), private: private.0 },
            curve: StoredKey { kid: curve.kid().to_owned(), private: private.1 },
        })
    }

    /// Keeps it as the account's.
    pub(crate) fn save(&self, tx: &mut WriteTx<'_>, scope: &Scope) -> Result<(), Error> {
        tx.put(&by_id(&self.id), &OwnerRow { account: scope.account.clone() })?;
        tx.put(&Key::of_account(scope), self)?;
        Ok(())
    }

    fn parse(&self) -> Result<Ring, Fault> {
        Ok(Ring {
            rsa: SigningKey::from_pkcs8(self.rsa.kid.clone(), &self.rsa.private).map_err(Fault::internal)?,
            curve: CurveKey::from_pkcs8(self.curve.kid.clone(), &self.curve.private)
                .map_err(Fault::internal)?,
        })
    }
}

impl Parsed {
    fn of(&self, issuer: &IssuerRow) -> Result<Arc<Ring>, Fault> {
        // Ids are never given twice and keys never change, so the id alone names them.
        if let Some(ring) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&issuer.id) {
            return Ok(Arc::clone(ring));
        }
        let ring = Arc::new(issuer.parse()?);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= PARSED_MAX {
            kept.clear();
        }
        kept.insert(issuer.id.clone(), Arc::clone(&ring));
        Ok(ring)
    }

    /// Signs claims in the issuer's name.
    pub(crate) fn sign(
        &self,
        env: &Env,
        issuer: &IssuerRow,
        algorithm: TokenAlgorithm,
        mut claims: Map<String, Value>,
    ) -> Result<String, Fault> {
        claims.insert("iss".to_owned(), identifier(env, &issuer.id).into());
        let ring = self.of(issuer)?;
        let signed = match algorithm {
            TokenAlgorithm::Rs256 => ring.rsa.sign(&claims),
            TokenAlgorithm::Es384 => ring.curve.sign(&claims),
        };
        signed.map_err(Fault::internal)
    }

    /// The public halves of its keys, as a key set.
    pub(crate) fn key_set(&self, issuer: &IssuerRow) -> Result<Value, Fault> {
        let ring = self.of(issuer)?;
        Ok(json!({ "keys": [ring.rsa.jwk(), ring.curve.jwk()] }))
    }
}
