//! What a user has besides access keys and a password: SSH public keys, signing certificates, credentials for single
//! services. They are kept and shown as IaC expects; no service here lets anybody in with them, and the request path
//! never reads them.

use casemate_names::{Entropy, Scope, Secret, Timestamp, alphanumeric};
use casemate_store::{Key, ReadTx, Row, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{
    api::{Error, StatusType},
    page::{Page, Paging, page_of},
    rows::UserRow,
};

/// The condition key of a credential's service.
pub(crate) const SERVICE_KEY: &str = "iam:ServiceSpecificCredentialServiceName";

/// Something a user has several of, each with an id.
pub(crate) trait Deposit: Row + Clone {
    /// How many a user may have.
    const PER_USER_MAX: usize;
    /// The quota's name.
    const QUOTA: &'static str;
    /// What DeleteUser asks to be deleted first.
    const CALLED: &'static str;

    /// Its id.
    fn id(&self) -> &str;
    /// Switches it on or off.
    fn set_active(&mut self, active: bool);
    /// The text of NoSuchEntity.
    fn missing(id: &str) -> String;

    /// All of a user, in order of id.
    fn all(tx: &ReadTx<'_>, scope: &Scope, user: &UserRow) -> Result<Vec<Self>, Error> {
        let found = tx.scan::<Self>(&prefix(scope, user), None, Self::PER_USER_MAX)?;
        Ok(found.into_iter().map(|(_, row)| row).collect())
    }

    /// The one of this id, if it is the user's.
    fn fetch(tx: &ReadTx<'_>, scope: &Scope, user: &UserRow, id: &str) -> Result<Self, Error> {
        let found = tx.get::<Self>(&prefix(scope, user).text(id))?;
        found.ok_or_else(|| Error::no_such_entity_exception(Self::missing(id)))
    }

    /// Adds one, within the quota.
    fn add(&self, tx: &mut WriteTx<'_>, scope: &Scope, user: &UserRow) -> Result<(), Error> {
        if Self::all(tx, scope, user)?.len() >= Self::PER_USER_MAX {
            let text = format!("Cannot exceed quota for {}: {}", Self::QUOTA, Self::PER_USER_MAX);
            return Err(Error::limit_exceeded_exception(text));
        }
        self.save(tx, scope, user)
    }

    /// Stores it.
    fn save(&self, tx: &mut WriteTx<'_>, scope: &Scope, user: &UserRow) -> Result<(), Error> {
        Ok(tx.put(&prefix(scope, user).text(self.id()), self)?)
    }

    /// Switches one on or off.
    fn switch(
        tx: &mut WriteTx<'_>,
        scope: &Scope,
        user: &UserRow,
        id: &str,
        active: bool,
    ) -> Result<(), Error> {
        let mut row = Self::fetch(tx, scope, user, id)?;
        row.set_active(active);
        row.save(tx, scope, user)
    }

    /// Removes one.
    fn remove(tx: &mut WriteTx<'_>, scope: &Scope, user: &UserRow, id: &str) -> Result<(), Error> {
        let row = Self::fetch(tx, scope, user, id)?;
        tx.delete::<Self>(&prefix(scope, user).text(row.id()))?;
        Ok(())
    }

    /// Refuses the deletion of a user who has some.
    fn check_none(tx: &ReadTx<'_>, scope: &Scope, user: &UserRow) -> Result<(), Error> {
        if Self::all(tx, scope, user)?.is_empty() {
            return Ok(());
        }
        let text = format!("Cannot delete entity, must delete {} first.", Self::CALLED);
        Err(Error::delete_conflict_exception(text))
    }

    /// A page of a list.
    fn page<T>(all: Vec<Self>, paging: &Paging, show: impl Fn(Self) -> T) -> Result<Page<T>, Error> {
        page_of(all.into_iter().map(|row| (row.id().to_owned(), show(row))).collect(), paging)
    }
}

/// Under the unique id: a user made anew under the same name has none.
fn prefix(scope: &Scope, user: &UserRow) -> Key {
    Key::of_account(scope).text(&user.unique_id)
}

/// A public key for SSH.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SshKeyRow {
    /// `APKA…`
    pub(crate) id: String,
    /// The key as SSH encodes it.
    pub(crate) blob: Vec<u8>,
    pub(crate) active: bool,
    pub(crate) uploaded_at: Timestamp,
}

/// An X.509 certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SigningCertificateRow {
    pub(crate) id: String,
    /// PEM, as it was given.
    pub(crate) body: String,
    pub(crate) active: bool,
    pub(crate) uploaded_at: Timestamp,
}

/// A name for one service. Its password is shown when it is made and not kept: nothing here would ever compare it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ServiceCredentialRow {
    /// `ACCA…`
    pub(crate) id: String,
    pub(crate) service: String,
    pub(crate) service_user: String,
    pub(crate) active: bool,
    pub(crate) created_at: Timestamp,
}

impl Row for SshKeyRow {
    const TABLE: &'static str = "iam.ssh-public-keys";
    const VERSION: u16 = 1;
}

impl Row for SigningCertificateRow {
    const TABLE: &'static str = "iam.signing-certificates";
    const VERSION: u16 = 1;
}

impl Row for ServiceCredentialRow {
    const TABLE: &'static str = "iam.service-credentials";
    const VERSION: u16 = 1;
}

impl Deposit for SshKeyRow {
    // AWS: IAM quotas, "SSH public keys assigned to an IAM user".
    const PER_USER_MAX: usize = 5;
    const QUOTA: &'static str = "SSHPublicKeysPerUser";
    const CALLED: &'static str = "SSH public keys";

    fn id(&self) -> &str {
        &self.id
    }

    fn set_active(&mut self, active: bool) {
        self.active = active;
    }

    fn missing(id: &str) -> String {
        format!("The Public Key with id {id} cannot be found.")
    }
}

impl Deposit for SigningCertificateRow {
    // AWS: IAM quotas, "X.509 signing certificates assigned to an IAM user".
    const PER_USER_MAX: usize = 2;
    const QUOTA: &'static str = "SigningCertificatesPerUser";
    const CALLED: &'static str = "signing certificates";

    fn id(&self) -> &str {
        &self.id
    }

    fn set_active(&mut self, active: bool) {
        self.active = active;
    }

    fn missing(id: &str) -> String {
        format!("The Certificate with id {id} cannot be found.")
    }
}

impl Deposit for ServiceCredentialRow {
    // AWS: API reference, CreateServiceSpecificCredential: two for each service; the services are below.
    const PER_USER_MAX: usize = PER_SERVICE_MAX * SERVICES.len();
    const QUOTA: &'static str = "ServiceSpecificCredentialsPerUser";
    const CALLED: &'static str = "service specific credentials";

    fn id(&self) -> &str {
        &self.id
    }

    fn set_active(&mut self, active: bool) {
        self.active = active;
    }

    fn missing(id: &str) -> String {
        format!("The Service Specific Credential with id {id} cannot be found.")
    }
}

/// Services that have credentials of this kind at AWS.
// AWS: IAM User Guide, "Service-specific credentials for IAM users".
// DIVERGES: API keys of Bedrock, which are of another form, are not kept.
const SERVICES: [&str; 2] = ["cassandra.amazonaws.com", "codecommit.amazonaws.com"];
/// Credentials of one user for one service.
// AWS: API reference, CreateServiceSpecificCredential.
const PER_SERVICE_MAX: usize = 2;
/// Characters of a password: more than can be guessed.
const PASSWORD_CHARS: usize = 44;

/// Refuses services that have no credentials of their own, and a further one beyond the quota.
pub(crate) fn check_service(
    tx: &ReadTx<'_>,
    scope: &Scope,
    user: &UserRow,
    service: &str,
) -> Result<(), Error> {
    if !SERVICES.contains(&service) {
        // AWS: text of ServiceNotSupported.
        let text = format!("No such service {service} is supported for Service Specific Credentials");
        return Err(Error::service_not_supported_exception(text));
    }
    let all = ServiceCredentialRow::all(tx, scope, user)?;
    if all.iter().filter(|row| row.service == service).count() >= PER_SERVICE_MAX {
        let text = format!("Cannot exceed quota for ServiceSpecificCredentialsPerUser: {PER_SERVICE_MAX}");
        return Err(Error::limit_exceeded_exception(text));
    }
    Ok(())
}

/// Refuses the deletion of a user who has anything of this.
pub(crate) fn check_none(tx: &ReadTx<'_>, scope: &Scope, user: &UserRow) -> Result<(), Error> {
    SigningCertificateRow::check_none(tx, scope, user)?;
    SshKeyRow::check_none(tx, scope, user)?;
    ServiceCredentialRow::check_none(tx, scope, user)
}

/// A password for a service-specific credential.
pub(crate) fn password(entropy: &dyn Entropy) -> Secret<String> {
    Secret::new(alphanumeric(entropy, "iam.service-credential.password", PASSWORD_CHARS))
}

/// What a request may set a status to.
pub(crate) fn is_active(status: StatusType) -> Result<bool, Error> {
    match status {
        StatusType::Active => Ok(true),
        StatusType::Inactive => Ok(false),
        StatusType::Expired => {
            Err(Error::Validation("A key can be set to Active or Inactive only.".to_owned()))
        }
    }
}

/// As answers tell it.
pub(crate) fn status(active: bool) -> StatusType {
    if active { StatusType::Active } else { StatusType::Inactive }
}
