//! Rows as answers show them, and managed policies whoever owns them.

use casemate_kernel::{Env, Fault};
use casemate_managed::Managed;
use casemate_names::{Arn, Scope, Secret};
use casemate_store::{Key, ReadTx};

use crate::{
    api::{
        Error, Group, Policy, PolicyVersion, Role, SSHPublicKey, SSHPublicKeyMetadata,
        ServiceSpecificCredential, ServiceSpecificCredentialMetadata, SigningCertificate, User,
    },
    deposits::{ServiceCredentialRow, SigningCertificateRow, SshKeyRow, status},
    documents::percent_encoded,
    entity::Entity,
    holder::no_policy,
    rows::{GroupRow, PolicyRow, RoleRow, Usage, UseRow, UserRow, Version, use_key},
    ssh_keys::PublicKey,
    tags, trust,
};

/// Uses of one policy that are counted; AWS's quotas keep the true number below.
const USES_MAX: usize = 100_000;

/// How much of an entity an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// As in lists: without tags and boundary.
    // AWS: IAM API reference, ListUsers and ListRoles.
    Listed,
    /// Everything.
    Full,
}

/// A public key, in the encoding asked for.
pub(crate) fn ssh_key(row: SshKeyRow, user_name: String, key: &PublicKey, body: String) -> SSHPublicKey {
    SSHPublicKey {
        user_name,
        ssh_public_key_id: row.id,
        fingerprint: key.fingerprint(),
        ssh_public_key_body: body,
        status: status(row.active),
        upload_date: Some(row.uploaded_at),
    }
}

/// A public key in a list.
pub(crate) fn ssh_key_metadata(row: SshKeyRow, user: &str) -> SSHPublicKeyMetadata {
    SSHPublicKeyMetadata {
        user_name: user.to_owned(),
        ssh_public_key_id: row.id,
        status: status(row.active),
        upload_date: row.uploaded_at,
    }
}

/// A signing certificate.
pub(crate) fn certificate(row: SigningCertificateRow, user: &str) -> SigningCertificate {
    SigningCertificate {
        user_name: user.to_owned(),
        certificate_id: row.id,
        certificate_body: row.body,
        status: status(row.active),
        upload_date: Some(row.uploaded_at),
    }
}

/// A credential for one service, with its password.
pub(crate) fn service_credential(
    row: ServiceCredentialRow,
    user_name: String,
    password: Secret<String>,
) -> ServiceSpecificCredential {
    ServiceSpecificCredential {
        create_date: row.created_at,
        service_name: row.service,
        service_user_name: Some(row.service_user),
        service_password: Some(password),
        service_specific_credential_id: row.id,
        user_name,
        status: status(row.active),
        ..ServiceSpecificCredential::default()
    }
}

/// A credential for one service in a list.
pub(crate) fn service_credential_metadata(
    row: ServiceCredentialRow,
    user: &str,
) -> ServiceSpecificCredentialMetadata {
    ServiceSpecificCredentialMetadata {
        user_name: user.to_owned(),
        status: status(row.active),
        service_user_name: Some(row.service_user),
        create_date: row.created_at,
        service_specific_credential_id: row.id,
        service_name: row.service,
        ..ServiceSpecificCredentialMetadata::default()
    }
}

/// A user.
pub(crate) fn user(row: &UserRow, scope: &Scope, detail: Detail) -> User {
    let full = detail == Detail::Full;
    User {
        path: row.path.clone(),
        user_name: row.name.clone(),
        user_id: row.unique_id.clone(),
        arn: row.arn(scope).as_str().to_owned(),
        create_date: row.created_at,
        permissions_boundary: row.holder.shown_boundary().filter(|_| full),
        tags: row.holder.shown_tags().filter(|_| full),
        ..User::default()
    }
}

/// A group.
pub(crate) fn group(row: &GroupRow, scope: &Scope) -> Group {
    Group {
        path: row.path.clone(),
        group_name: row.name.clone(),
        group_id: row.unique_id.clone(),
        arn: row.arn(scope).as_str().to_owned(),
        create_date: row.created_at,
    }
}

/// A role.
pub(crate) fn role(
    tx: &ReadTx<'_>,
    env: &Env,
    row: &RoleRow,
    scope: &Scope,
    detail: Detail,
) -> Result<Role, Error> {
    let full = detail == Detail::Full;
    Ok(Role {
        path: row.path.clone(),
        role_name: row.name.clone(),
        role_id: row.unique_id.clone(),
        arn: row.arn(scope).as_str().to_owned(),
        create_date: row.created_at,
        assume_role_policy_document: Some(trust::shown(tx, env, row)?),
        description: row.description.clone(),
        max_session_duration: i32::try_from(row.session_s_max).ok(),
        permissions_boundary: row.holder.shown_boundary().filter(|_| full),
        tags: row.holder.shown_tags().filter(|_| full),
        ..Role::default()
    })
}

/// A managed policy: the account's own or one of AWS's.
#[derive(Debug)]
pub(crate) enum AnyPolicy {
    /// The account's own.
    Own(Box<PolicyRow>),
    /// AWS's.
    Aws(&'static Managed),
}

impl AnyPolicy {
    /// Looks a policy up; another account's do not exist for this one.
    pub(crate) fn fetch(tx: &ReadTx<'_>, scope: &Scope, arn: &str) -> Result<Self, Error> {
        if let Some(managed) = casemate_managed::find(arn) {
            return Ok(Self::Aws(managed));
        }
        own(tx, scope, arn).map(|row| Self::Own(Box::new(row)))
    }

    /// The policy as answers show it.
    pub(crate) fn shown(&self, tx: &ReadTx<'_>, scope: &Scope, detail: Detail) -> Result<Policy, Error> {
        let full = detail == Detail::Full;
        let mut policy = match self {
            Self::Own(row) => Policy {
                policy_name: Some(row.name.clone()),
                policy_id: Some(row.unique_id.clone()),
                arn: Some(row.arn(scope).as_str().to_owned()),
                path: Some(row.path.clone()),
                default_version_id: Some(version_id(row.default_version)),
                description: row.description.clone().filter(|_| full),
                create_date: Some(row.created_at),
                update_date: Some(row.updated_at),
                tags: Some(tags::shown(&row.tags)).filter(|tags| full && !tags.is_empty()),
                ..Policy::default()
            },
            Self::Aws(managed) => Policy {
                policy_name: Some(managed.name.to_owned()),
                policy_id: Some(managed_id(managed.name)),
                arn: Some(managed.arn()),
                path: Some(managed.path.to_owned()),
                default_version_id: Some(version_id(managed.version)),
                create_date: Some(managed.created_at),
                update_date: Some(managed.updated_at),
                ..Policy::default()
            },
        };
        let arn = policy.arn.clone().unwrap_or_default();
        policy.attachment_count = i32::try_from(count(tx, scope, &arn, Usage::Permissions)?).ok();
        policy.permissions_boundary_usage_count =
            i32::try_from(count(tx, scope, &arn, Usage::Boundary)?).ok();
        policy.is_attachable = Some(true);
        Ok(policy)
    }

    /// The path, for filters.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Own(row) => row.path.clone(),
            Self::Aws(managed) => managed.path.to_owned(),
        }
    }

    /// The versions, newest first, without documents.
    pub(crate) fn versions(&self) -> Vec<PolicyVersion> {
        match self {
            Self::Own(row) => row
                .versions
                .iter()
                .rev()
                .map(|v| shown_version(v, row.default_version, Detail::Listed))
                .collect(),
            Self::Aws(managed) => vec![PolicyVersion { document: None, ..managed_version(managed) }],
        }
    }

    /// One version with its document.
    pub(crate) fn version(&self, arn: &str, id: &str) -> Result<PolicyVersion, Error> {
        let found = match self {
            Self::Own(row) => version_number(id)
                .and_then(|number| row.version(number))
                .map(|version| shown_version(version, row.default_version, Detail::Full)),
            Self::Aws(managed) => (id == version_id(managed.version)).then(|| managed_version(managed)),
        };
        found.ok_or_else(|| no_version(arn, id))
    }
}

/// One of the account's own policies, to be changed.
pub(crate) fn own(tx: &ReadTx<'_>, scope: &Scope, arn: &str) -> Result<PolicyRow, Error> {
    if casemate_managed::find(arn).is_some() {
        // AWS: its own policies cannot be changed, whatever the caller's rights. The text is ours.
        return Err(Fault::coded("AccessDenied", 403, format!("Policy {arn} is managed by AWS.")).into());
    }
    let parsed = Arn::parse(arn).ok().filter(|parsed| parsed.account() == scope.account.as_str());
    let found = parsed.map(|parsed| PolicyRow::by_arn(tx, scope, &parsed)).transpose()?.flatten();
    found.ok_or_else(|| no_policy(arn))
}

/// The uses of a policy, of one sort: noun and entity.
pub(crate) fn uses(
    tx: &ReadTx<'_>,
    scope: &Scope,
    arn: &str,
    usage: Usage,
) -> Result<Vec<(String, UseRow)>, Error> {
    let rows: Vec<(Key, UseRow)> = tx.scan(&use_key(scope, arn, usage, None), None, USES_MAX)?;
    Ok(rows.into_iter().map(|(key, row)| (key.text_at(2).unwrap_or_default(), row)).collect())
}

/// How often a policy is used.
pub(crate) fn count(tx: &ReadTx<'_>, scope: &Scope, arn: &str, usage: Usage) -> Result<usize, Error> {
    Ok(tx.keys::<UseRow>(&use_key(scope, arn, usage, None), None, USES_MAX)?.len())
}

/// `v7`
pub(crate) fn version_id(number: u32) -> String {
    format!("v{number}")
}

/// The number of `v7`.
pub(crate) fn version_number(id: &str) -> Option<u32> {
    id.strip_prefix('v')?.parse().ok()
}

/// A version of a policy.
pub(crate) fn shown_version(version: &Version, default: u32, detail: Detail) -> PolicyVersion {
    PolicyVersion {
        document: (detail == Detail::Full).then(|| percent_encoded(&version.document)),
        version_id: Some(version_id(version.number)),
        is_default_version: Some(version.number == default),
        create_date: Some(version.created_at),
    }
}

/// AWS's text when a version does not exist.
pub(crate) fn no_version(arn: &str, id: &str) -> Error {
    Error::no_such_entity_exception(format!("Policy {arn} version {id} does not exist or is not attachable."))
}

fn managed_version(managed: &Managed) -> PolicyVersion {
    PolicyVersion {
        document: Some(percent_encoded(managed.document)),
        version_id: Some(version_id(managed.version)),
        is_default_version: Some(true),
        create_date: Some(managed.updated_at),
    }
}

/// A stable id made from the name.
// DIVERGES: AWS's policies have ids of their own.
fn managed_id(name: &str) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("ANPAI{hash:016X}")
}
