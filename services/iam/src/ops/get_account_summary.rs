//! `GetAccountSummary`: how much of everything the account has, and how much it may have.

use std::collections::BTreeMap;

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::Scope;
use casemate_store::{Key, ReadTx, Row};

use super::{
    create_group::GROUPS_MAX, create_instance_profile::PROFILES_MAX, create_policy::POLICIES_MAX,
    create_policy_version::VERSIONS_MAX, create_role::ROLES_MAX, create_user::USERS_MAX,
};
use crate::{
    Iam,
    access_keys::{KEYS_MAX, Owner},
    api::{Error, GetAccountSummary, GetAccountSummaryInput, GetAccountSummaryOutput},
    deposits::{Deposit, SigningCertificateRow},
    documents::{MANAGED_CHARS_MAX, TRUST_CHARS_MAX},
    entity::Entity,
    holder::ATTACHED_MAX,
    membership::GROUPS_PER_USER_MAX,
    mfa::MfaRow,
    profiles::ProfileRow,
    providers::{OidcRow, SamlRow},
    rows::{GroupRow, PolicyRow, RoleRow, UserRow},
    server_certificates::{self, ServerCertificateRow},
};

/// Rows of one sort that are counted; the quotas are below.
const COUNTED_MAX: usize = 100_000;

/// What AWS says of things that there are none of here.
// AWS: IAM quotas; IAM API reference, GetAccountSummary.
const FIXED: [(&str, i32); 5] = [
    ("AccountMFAEnabled", 0),
    ("AccountPasswordPresent", 0),
    ("AccountSigningCertificatesPresent", 0),
    ("GlobalEndpointTokenVersion", 2),
    ("PolicyVersionsInUseQuota", 10_000),
];

impl Operation<GetAccountSummary> for Iam {
    fn access(&self, _input: &GetAccountSummaryInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:GetAccountSummary"))
    }

    async fn run(&self, call: Call<GetAccountSummary>) -> Result<GetAccountSummaryOutput, Error> {
        let counted = self.read(|tx| counted(tx, call.scope()))?;
        let quotas = [
            ("AccessKeysPerUserQuota", KEYS_MAX),
            ("AssumeRolePolicySizeQuota", TRUST_CHARS_MAX),
            ("AttachedPoliciesPerGroupQuota", ATTACHED_MAX),
            ("AttachedPoliciesPerRoleQuota", ATTACHED_MAX),
            ("AttachedPoliciesPerUserQuota", ATTACHED_MAX),
            ("GroupPolicySizeQuota", GroupRow::INLINE_CHARS_MAX),
            ("GroupsPerUserQuota", GROUPS_PER_USER_MAX),
            ("GroupsQuota", GROUPS_MAX),
            ("InstanceProfilesQuota", PROFILES_MAX),
            ("PoliciesQuota", POLICIES_MAX),
            ("PolicySizeQuota", MANAGED_CHARS_MAX),
            ("RolePolicySizeQuota", RoleRow::INLINE_CHARS_MAX),
            ("RolesQuota", ROLES_MAX),
            ("ServerCertificatesQuota", server_certificates::PER_ACCOUNT_MAX),
            ("SigningCertificatesPerUserQuota", SigningCertificateRow::PER_USER_MAX),
            ("UserPolicySizeQuota", UserRow::INLINE_CHARS_MAX),
            ("UsersQuota", USERS_MAX),
            ("VersionsPerPolicyQuota", VERSIONS_MAX),
        ];
        let numbers = quotas
            .into_iter()
            .chain(counted)
            .map(|(name, number)| (name, i32::try_from(number).unwrap_or(i32::MAX)));
        let summary = FIXED.into_iter().chain(numbers).map(|(name, number)| (name.to_owned(), number));
        Ok(GetAccountSummaryOutput { summary_map: Some(summary.collect::<BTreeMap<_, _>>()) })
    }
}

fn counted(tx: &ReadTx<'_>, scope: &Scope) -> Result<Vec<(&'static str, usize)>, Error> {
    let policies = tx.scan::<PolicyRow>(&Key::of_account(scope), None, COUNTED_MAX)?;
    let versions = policies.iter().map(|(_, policy)| policy.versions.len()).sum();
    let devices = tx.scan::<MfaRow>(&Key::of_account(scope), None, COUNTED_MAX)?;
    let in_use = devices.iter().filter(|(_, device)| device.holder.is_some()).count();
    let root_has_keys = !Owner::Root.key_ids(tx, scope)?.is_empty();
    Ok(vec![
        ("AccountAccessKeysPresent", usize::from(root_has_keys)),
        ("Groups", count::<GroupRow>(tx, scope)?),
        ("InstanceProfiles", count::<ProfileRow>(tx, scope)?),
        ("MFADevices", devices.len()),
        ("MFADevicesInUse", in_use),
        ("Policies", policies.len()),
        ("PolicyVersionsInUse", versions),
        ("Providers", count::<OidcRow>(tx, scope)? + count::<SamlRow>(tx, scope)?),
        ("Roles", count::<RoleRow>(tx, scope)?),
        ("ServerCertificates", count::<ServerCertificateRow>(tx, scope)?),
        ("Users", count::<UserRow>(tx, scope)?),
    ])
}

fn count<T: Row>(tx: &ReadTx<'_>, scope: &Scope) -> Result<usize, Error> {
    Ok(tx.keys::<T>(&Key::of_account(scope), None, COUNTED_MAX)?.len())
}
