//! Policies by id: those that are stored and the two that AWS gives everybody.

use casemate_store::ReadTx;

use crate::{
    api::{Error, InvalidInputExceptionReason},
    document::PolicyKind,
    refusal,
    rows::{OrganizationRow, PolicyRow, policies_key, policy_key},
};

/// Allows everything; attached everywhere as soon as service control policies are enabled.
pub(crate) const FULL_AWS_ACCESS: &str = "p-FullAWSAccess";

/// The same for resource control policies; it cannot be detached.
pub(crate) const RCP_FULL_AWS_ACCESS: &str = "p-RCPFullAWSAccess";

/// Policies of one kind in an organisation.
// AWS: Organizations quotas, "Number of policies of each type in an organization".
pub(crate) const POLICIES_MAX: usize = 1000;

/// The longest id of a policy.
// AWS: API reference, `PolicyId`.
const ID_BYTES_MAX: usize = 130;

pub(crate) fn is_aws_managed(id: &str) -> bool {
    id == FULL_AWS_ACCESS || id == RCP_FULL_AWS_ACCESS
}

/// One of AWS's own policies.
// AWS: Organizations User Guide, "FullAWSAccess" and "RCPFullAWSAccess".
pub(crate) fn aws_managed(id: &str) -> Option<PolicyRow> {
    let (kind, name, description, content) = match id {
        FULL_AWS_ACCESS => (
            PolicyKind::ServiceControl,
            "FullAWSAccess",
            "Allows access to every operation",
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
        ),
        RCP_FULL_AWS_ACCESS => (
            PolicyKind::ResourceControl,
            "RCPFullAWSAccess",
            "Allows access to every resource",
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#,
        ),
        _ => return None,
    };
    Some(PolicyRow {
        id: id.to_owned(),
        kind,
        name: name.to_owned(),
        description: description.to_owned(),
        content: content.to_owned(),
    })
}

/// A policy of the organisation or of AWS.
pub(crate) fn find(
    tx: &ReadTx<'_>,
    organization: &OrganizationRow,
    id: &str,
) -> Result<Option<PolicyRow>, Error> {
    match aws_managed(id) {
        Some(policy) => Ok(Some(policy)),
        // Before admission an id is any text.
        None if id.len() > ID_BYTES_MAX => Ok(None),
        None => Ok(tx.get(&policy_key(&organization.id, id))?),
    }
}

/// As [`find`]; one that does not exist is refused.
pub(crate) fn existing(
    tx: &ReadTx<'_>,
    organization: &OrganizationRow,
    id: &str,
) -> Result<PolicyRow, Error> {
    find(tx, organization, id)?.ok_or_else(refusal::no_policy)
}

/// As [`existing`]; AWS's own cannot be changed.
pub(crate) fn changeable(
    tx: &ReadTx<'_>,
    organization: &OrganizationRow,
    id: &str,
) -> Result<PolicyRow, Error> {
    let policy = existing(tx, organization, id)?;
    if is_aws_managed(id) {
        let text = "You can't modify or delete a policy that is managed by AWS.";
        return Err(refusal::invalid(InvalidInputExceptionReason::ImmutablePolicy, text));
    }
    Ok(policy)
}

/// Every policy of a kind, by id.
pub(crate) fn of_kind(
    tx: &ReadTx<'_>,
    organization: &OrganizationRow,
    kind: PolicyKind,
) -> Result<Vec<PolicyRow>, Error> {
    let own = match kind {
        PolicyKind::ServiceControl => aws_managed(FULL_AWS_ACCESS),
        // AWS: it appears with the type.
        PolicyKind::ResourceControl => {
            aws_managed(RCP_FULL_AWS_ACCESS).filter(|_| organization.enabled.contains(&kind))
        }
    };
    let stored = tx.scan::<PolicyRow>(&policies_key(&organization.id), None, POLICIES_MAX * 2)?;
    Ok(own.into_iter().chain(stored.into_iter().map(|(_, row)| row).filter(|row| row.kind == kind)).collect())
}

/// Refuses a name that another policy of the kind has.
pub(crate) fn check_name(
    tx: &ReadTx<'_>,
    organization: &OrganizationRow,
    policy: &PolicyRow,
) -> Result<(), Error> {
    let all = of_kind(tx, organization, policy.kind)?;
    if all.iter().any(|other| other.name == policy.name && other.id != policy.id) {
        // AWS: text of DuplicatePolicyException.
        return Err(Error::duplicate_policy_exception("A policy with the same name already exists."));
    }
    Ok(())
}

/// Refuses an id that names nothing of this organisation that could have tags.
pub(crate) fn check_taggable(tx: &ReadTx<'_>, organization: &OrganizationRow, id: &str) -> Result<(), Error> {
    let policy = || Ok::<_, Error>(tx.exists::<PolicyRow>(&policy_key(&organization.id, id))?);
    if organization.node(id).is_some() || policy()? { Ok(()) } else { Err(refusal::no_target()) }
}
