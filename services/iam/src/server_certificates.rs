//! Server certificates: a certificate, its private key and the chain above it, kept for whoever serves TLS with them. Names
//! are keys in lower case. The private key is sealed in the store and never read again by anything here: no operation
//! answers with it, and no service here serves TLS with it.

use std::fmt;

use casemate_kernel::{Access, Caller};
use casemate_names::{Arn, Scope, Secret, Timestamp};
use casemate_store::{Key, ReadTx, Row, WriteTx};
use casemate_x509::{Certificate, InvalidKey, PrivateKey, pem};
use serde::{Deserialize, Serialize};

use crate::{
    Iam,
    api::{Error, ServerCertificate, ServerCertificateMetadata, Tag},
    resource::{entity_arn, path_and_name},
    rows::{NAME_BYTES_MAX, name_key},
    tags,
};

/// What ARNs call a server certificate.
pub(crate) const NOUN: &str = "server-certificate";

/// Server certificates per account.
// AWS: IAM quotas, "Server certificates stored in an AWS account" (default).
pub(crate) const PER_ACCOUNT_MAX: usize = 20;

/// Certificates of one chain. Our own figure: chains in use have one to three; each is one verification for whoever asks.
const CHAIN_MAX: usize = 10;

const LABEL: &str = "CERTIFICATE";

/// A server certificate.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ServerCertificateRow {
    pub(crate) name: String,
    /// Begins and ends with a slash.
    pub(crate) path: String,
    /// `ASCA…`
    pub(crate) unique_id: String,
    pub(crate) uploaded_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// PEM, as it was given.
    pub(crate) body: String,
    /// PEM, as it was given.
    pub(crate) chain: Option<String>,
    private_key: Secret<String>,
    pub(crate) tags: Vec<(String, String)>,
}

impl fmt::Debug for ServerCertificateRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCertificateRow").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Row for ServerCertificateRow {
    const TABLE: &'static str = "iam.server-certificates";
    const VERSION: u16 = 1;
}

/// A certificate and key that belong together and may be kept.
#[derive(Debug)]
pub(crate) struct Checked {
    body: String,
    chain: Option<String>,
    private_key: Secret<String>,
    expires_at: Timestamp,
}

impl Checked {
    /// Reads and compares what was given.
    pub(crate) fn new(
        body: String,
        chain: Option<String>,
        private_key: Secret<String>,
        now: Timestamp,
    ) -> Result<Self, Error> {
        let malformed = |text: &str| Error::malformed_certificate_exception(text);
        let der = pem::body(&body, LABEL).ok_or_else(unreadable)?;
        let certificate = Certificate::parse(der.expose()).ok_or_else(unreadable)?;
        let key = PrivateKey::parse(private_key.expose()).map_err(|why| match why {
            InvalidKey::Encrypted => malformed("The private key must not be encrypted with a passphrase."),
            InvalidKey::Unreadable => malformed(
                "The private key must be one RSA key of at least 2048 bits, or one on P-256 or P-384, in PEM.",
            ),
        })?;
        if !key.belongs_to(&certificate) {
            let text = "The private key does not belong to the certificate.";
            return Err(Error::key_pair_mismatch_exception(text));
        }
        // AWS: IAM User Guide, "Manage server certificates in IAM": the certificate must be valid when it is uploaded.
        if now < certificate.not_before {
            return Err(malformed("The certificate is not valid yet."));
        }
        if now > certificate.not_after {
            return Err(malformed("The certificate is not valid any more."));
        }
        if let Some(chain) = &chain {
            check_chain(certificate, chain)?;
        }
        Ok(Self { expires_at: certificate.not_after, body, chain, private_key })
    }

    /// A certificate under a name.
    pub(crate) fn named(
        self,
        name: String,
        path: Option<String>,
        tags: Vec<(String, String)>,
        unique_id: String,
        now: Timestamp,
    ) -> ServerCertificateRow {
        let path = path.unwrap_or_else(|| "/".to_owned());
        let Self { body, chain, private_key, expires_at } = self;
        ServerCertificateRow {
            name,
            path,
            unique_id,
            uploaded_at: now,
            expires_at,
            body,
            chain,
            private_key,
            tags,
        }
    }
}

fn unreadable() -> Error {
    // AWS: text of MalformedCertificate.
    Error::malformed_certificate_exception(
        "Unable to parse certificate. Please ensure the certificate is in PEM format.",
    )
}

/// Each certificate of the chain must have signed the one before it, the first of them the certificate itself.
fn check_chain(certificate: Certificate<'_>, chain: &str) -> Result<(), Error> {
    // AWS: text of MalformedCertificate; the certificate itself has the index -1.
    let broken = |index: &str| {
        Error::malformed_certificate_exception(format!(
            "Unable to validate certificate chain. The certificate chain must start with the immediate signing \
             certificate, followed by any intermediaries in order. The index within the chain of the invalid \
             certificate is: {index}"
        ))
    };
    let ders = pem::bodies(chain, LABEL, CHAIN_MAX).ok_or_else(|| broken("0"))?;
    let mut below = certificate;
    let mut index_below = "-1".to_owned();
    for (index, der) in ders.iter().enumerate() {
        let index = index.to_string();
        let issuer = Certificate::parse(der.expose()).ok_or_else(|| broken(&index))?;
        if !below.is_signed_by(&issuer) {
            return Err(broken(&index_below));
        }
        (below, index_below) = (issuer, index);
    }
    Ok(())
}

impl ServerCertificateRow {
    pub(crate) fn arn(&self, scope: &Scope) -> Arn {
        entity_arn(scope, NOUN, &self.path, &self.name)
    }

    /// Looks it up; `None`: there is none.
    pub(crate) fn find(tx: &ReadTx<'_>, scope: &Scope, name: &str) -> Result<Option<Self>, Error> {
        if name.len() > NAME_BYTES_MAX { Ok(None) } else { Ok(tx.get(&name_key(scope, name))?) }
    }

    /// Looks it up; an error if there is none.
    pub(crate) fn fetch(tx: &ReadTx<'_>, scope: &Scope, name: &str) -> Result<Self, Error> {
        // AWS: text of NoSuchEntity.
        Self::find(tx, scope, name)?.ok_or_else(|| {
            Error::no_such_entity_exception(format!(
                "The Server Certificate with name {name} cannot be found."
            ))
        })
    }

    /// The certificate of an ARN, which must have its path and spelling.
    pub(crate) fn by_arn(tx: &ReadTx<'_>, scope: &Scope, arn: &Arn) -> Result<Option<Self>, Error> {
        let Some((_, name)) = path_and_name(arn, NOUN) else { return Ok(None) };
        Ok(Self::find(tx, scope, name)?.filter(|row| row.arn(scope) == *arn))
    }

    /// Stores one that does not exist yet.
    pub(crate) fn create(&self, tx: &mut WriteTx<'_>, scope: &Scope) -> Result<(), Error> {
        self.check_free(tx, scope)?;
        if tx.keys::<Self>(&Key::of_account(scope), None, PER_ACCOUNT_MAX)?.len() >= PER_ACCOUNT_MAX {
            let text = format!("Cannot exceed quota for ServerCertificatesPerAccount: {PER_ACCOUNT_MAX}");
            return Err(Error::limit_exceeded_exception(text));
        }
        self.save(tx, scope)
    }

    /// Gives it another name or path; `None` keeps what is.
    pub(crate) fn rename(
        tx: &mut WriteTx<'_>,
        scope: &Scope,
        old_name: &str,
        name: Option<&str>,
        path: Option<&str>,
    ) -> Result<(), Error> {
        let before = Self::fetch(tx, scope, old_name)?;
        let mut after = before.clone();
        name.unwrap_or(&before.name).clone_into(&mut after.name);
        path.unwrap_or(&before.path).clone_into(&mut after.path);
        if !after.name.eq_ignore_ascii_case(&before.name) {
            after.check_free(tx, scope)?;
            before.remove(tx, scope)?;
        }
        after.save(tx, scope)
    }

    /// Changes its tags.
    pub(crate) fn retag(
        tx: &mut WriteTx<'_>,
        scope: &Scope,
        name: &str,
        change: impl Fn(&mut Vec<(String, String)>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut row = Self::fetch(tx, scope, name)?;
        change(&mut row.tags)?;
        row.save(tx, scope)
    }

    /// Removes it.
    pub(crate) fn remove(&self, tx: &mut WriteTx<'_>, scope: &Scope) -> Result<(), Error> {
        tx.delete::<Self>(&name_key(scope, &self.name))?;
        Ok(())
    }

    fn check_free(&self, tx: &ReadTx<'_>, scope: &Scope) -> Result<(), Error> {
        if Self::find(tx, scope, &self.name)?.is_none() {
            return Ok(());
        }
        // AWS: text of EntityAlreadyExists.
        let text = format!("The Server Certificate with name {} already exists.", self.name);
        Err(Error::entity_already_exists_exception(text))
    }

    fn save(&self, tx: &mut WriteTx<'_>, scope: &Scope) -> Result<(), Error> {
        Ok(tx.put(&name_key(scope, &self.name), self)?)
    }

    /// As lists show it.
    pub(crate) fn metadata(&self, scope: &Scope) -> ServerCertificateMetadata {
        ServerCertificateMetadata {
            path: self.path.clone(),
            server_certificate_name: self.name.clone(),
            server_certificate_id: self.unique_id.clone(),
            arn: self.arn(scope).as_str().to_owned(),
            upload_date: Some(self.uploaded_at),
            expiration: Some(self.expires_at),
        }
    }

    /// As answers show its tags.
    pub(crate) fn shown_tags(&self) -> Option<Vec<Tag>> {
        (!self.tags.is_empty()).then(|| tags::shown(&self.tags))
    }

    /// All of it but the private key.
    pub(crate) fn shown(self, scope: &Scope) -> ServerCertificate {
        ServerCertificate {
            server_certificate_metadata: self.metadata(scope),
            tags: self.shown_tags(),
            certificate_body: self.body,
            certificate_chain: self.chain,
        }
    }
}

impl Iam {
    /// What an operation on a server certificate asks for.
    pub(crate) fn ask_on_server_certificate(
        &self,
        action: &'static str,
        name: &str,
        caller: &Caller,
    ) -> Result<Access, Error> {
        let scope = self.scope(caller);
        let found = self.read(|tx| ServerCertificateRow::find(tx, &scope, name))?;
        let arn = found.map_or_else(|| entity_arn(&scope, NOUN, "/", name), |row| row.arn(&scope));
        Ok(Access::on(action, arn))
    }
}
