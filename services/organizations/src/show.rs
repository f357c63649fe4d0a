//! Rows as answers show them.

use casemate_names::AccountId;

use crate::{
    api::{
        Account, AccountJoinedMethod, AccountState, AccountStatus, CreateAccountFailureReason,
        CreateAccountState, CreateAccountStatus, Error, Organization, OrganizationFeatureSet,
        OrganizationalUnit, Policy, PolicySummary, PolicyTargetSummary, PolicyTypeStatus, PolicyTypeSummary,
        Root,
    },
    document::PolicyKind,
    policies::is_aws_managed,
    refusal,
    rows::{Creation, OrganizationRow, Outcome, PolicyRow},
};

/// The root's name.
// AWS: the same for everybody.
const ROOT_NAME: &str = "Root";

fn arn(organization: &OrganizationRow, id: &str) -> String {
    organization.place().arn_of(id, None).as_str().to_owned()
}

/// An organisation. It lists what policies can be used at all, for older clients.
pub(crate) fn organization(row: &OrganizationRow) -> Organization {
    let features = if row.all_features {
        OrganizationFeatureSet::All
    } else {
        OrganizationFeatureSet::ConsolidatedBilling
    };
    Organization {
        id: Some(row.id.clone()),
        arn: Some(row.place().arn().as_str().to_owned()),
        feature_set: Some(features),
        master_account_arn: Some(arn(row, row.management.as_str())),
        master_account_id: Some(row.management.as_str().to_owned()),
        // DIVERGES: the account of the installation has no e-mail address.
        master_account_email: None,
        // AWS: API reference, Organization: not up to date by definition, it says so of service control policies only.
        available_policy_types: Some(if row.all_features {
            vec![enabled(PolicyKind::ServiceControl)]
        } else {
            Vec::new()
        }),
    }
}

fn enabled(kind: PolicyKind) -> PolicyTypeSummary {
    PolicyTypeSummary { r#type: Some(kind.api()), status: Some(PolicyTypeStatus::Enabled) }
}

/// The root.
pub(crate) fn root(row: &OrganizationRow) -> Root {
    Root {
        id: Some(row.root.clone()),
        arn: Some(arn(row, &row.root)),
        name: Some(ROOT_NAME.to_owned()),
        policy_types: Some(row.enabled.iter().copied().map(enabled).collect()),
    }
}

/// A unit.
pub(crate) fn unit(row: &OrganizationRow, id: &str) -> Result<OrganizationalUnit, Error> {
    let unit = row.units.get(id).ok_or_else(refusal::no_unit)?;
    Ok(OrganizationalUnit {
        id: Some(id.to_owned()),
        arn: Some(arn(row, id)),
        name: Some(unit.name.clone()),
        path: row.path(id),
    })
}

/// An account.
pub(crate) fn account(row: &OrganizationRow, id: &str) -> Result<Account, Error> {
    let member = row.accounts.get(id).ok_or_else(refusal::no_account)?;
    let (status, state) = if member.closed {
        (AccountStatus::Suspended, AccountState::Closed)
    } else {
        (AccountStatus::Active, AccountState::Active)
    };
    let joined = if member.created { AccountJoinedMethod::Created } else { AccountJoinedMethod::Invited };
    Ok(Account {
        id: Some(id.to_owned()),
        arn: Some(arn(row, id)),
        email: member.email.clone(),
        name: Some(member.name.clone()),
        status: Some(status),
        state: Some(state),
        paths: row.path(id).map(|path| vec![path]),
        joined_method: Some(joined),
        joined_timestamp: Some(member.joined_at),
    })
}

/// A request for an account.
pub(crate) fn creation(id: &str, creation: &Creation) -> CreateAccountStatus {
    let (state, at, why) = match creation.outcome {
        Outcome::InProgress => (CreateAccountState::InProgress, None, None),
        Outcome::Succeeded { at } => (CreateAccountState::Succeeded, Some(at), None),
        Outcome::EmailExists { at } => {
            (CreateAccountState::Failed, Some(at), Some(CreateAccountFailureReason::EmailAlreadyExists))
        }
        Outcome::Failed { at } => {
            (CreateAccountState::Failed, Some(at), Some(CreateAccountFailureReason::InternalFailure))
        }
    };
    let made: Option<&AccountId> = (state == CreateAccountState::Succeeded).then_some(&creation.account);
    CreateAccountStatus {
        id: Some(id.to_owned()),
        account_name: Some(creation.name.clone()),
        state: Some(state),
        requested_timestamp: Some(creation.requested_at),
        completed_timestamp: at,
        account_id: made.map(|account| account.as_str().to_owned()),
        gov_cloud_account_id: None,
        failure_reason: why,
    }
}

/// A policy without its document.
pub(crate) fn summary(row: &OrganizationRow, policy: &PolicyRow) -> PolicySummary {
    PolicySummary {
        id: Some(policy.id.clone()),
        arn: Some(row.place().arn_of(&policy.id, Some(policy.kind)).as_str().to_owned()),
        name: Some(policy.name.clone()),
        description: Some(policy.description.clone()),
        r#type: Some(policy.kind.api()),
        aws_managed: Some(is_aws_managed(&policy.id)),
    }
}

/// A policy.
pub(crate) fn policy(row: &OrganizationRow, policy: &PolicyRow) -> Policy {
    Policy { policy_summary: Some(summary(row, policy)), content: Some(policy.content.clone()) }
}

/// What a policy is attached to.
pub(crate) fn target(row: &OrganizationRow, id: &str) -> Result<PolicyTargetSummary, Error> {
    let node = row.node(id).ok_or_else(refusal::no_target)?;
    let unit = row.units.get(id).map(|unit| unit.name.clone());
    let account = || row.accounts.get(id).map(|member| member.name.expose().clone());
    Ok(PolicyTargetSummary {
        target_id: Some(id.to_owned()),
        arn: Some(arn(row, id)),
        name: Some(unit.or_else(account).unwrap_or_else(|| ROOT_NAME.to_owned())),
        r#type: Some(node.as_target()),
    })
}
