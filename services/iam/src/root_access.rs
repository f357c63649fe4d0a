//! Central root access: what an organisation's management account may do as the root of a member, and how it comes to it.
//! The organisation switches two features on, each of which is for a few tasks; a built-in policy of every member's root then
//! lets the management account ask for sessions for those tasks, and for nothing else.
//!
//! Refuses to know how organisations are kept, and how sessions are made.

use std::{collections::BTreeSet, sync::Arc};

use casemate_kernel::{
    Caller, Env, Fault, Membership, ResourcePolicy, RootSession,
    policy::{Kind, NamedPolicy, Policy, ResourceRule},
};
use casemate_names::{AccountId, Arn};
use casemate_store::{Key, Row};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Iam,
    api::{Error, FeatureType},
};

/// The only action on a root that the built-in policy speaks of.
const ASSUME_ROOT: &str = "sts:AssumeRoot";

/// This service, as organisations give it access.
// AWS: Organizations User Guide, "AWS Identity and Access Management and AWS Organizations".
const PRINCIPAL: &str = "iam.amazonaws.com";

/// What an organisation can switch on.
// Serialised by name: see `RootAccessRow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Feature {
    RootCredentialsManagement,
    RootSessions,
}

impl Feature {
    /// The policies of its tasks. One that AWS may add is nobody's until it is listed here.
    // AWS: IAM User Guide, "Centralize root access for member accounts": the one is for the root's credentials, the other for
    // privileged actions in the member.
    // DIVERGES: whether a task is refused on AWS whose feature is off while the other one is on is not documented; here it is.
    fn tasks(self) -> &'static [&'static str] {
        match self {
            Self::RootCredentialsManagement => &[
                "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials",
                "arn:aws:iam::aws:policy/root-task/IAMCreateRootUserPassword",
                "arn:aws:iam::aws:policy/root-task/IAMDeleteRootUserCredentials",
            ],
            Self::RootSessions => &[
                "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy",
                "arn:aws:iam::aws:policy/root-task/SQSUnlockQueuePolicy",
            ],
        }
    }

    fn shown(self) -> FeatureType {
        match self {
            Self::RootCredentialsManagement => FeatureType::RootCredentialsManagement,
            Self::RootSessions => FeatureType::RootSessions,
        }
    }
}

/// What an organisation has switched on. By the organisation's id, which is never given twice: one that is deleted leaves its
/// row to nobody.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct RootAccessRow {
    features: BTreeSet<Feature>,
}

impl Row for RootAccessRow {
    const TABLE: &'static str = "iam.organization-root-access";
    const VERSION: u16 = 1;
}

/// The features of one organisation, as answers show them.
pub(crate) struct Features {
    pub(crate) organization: String,
    pub(crate) enabled: Vec<FeatureType>,
}

/// What becomes of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    On,
    Off,
}

/// Who may do something about an organisation's features.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The management account only.
    Management,
    /// A delegated administrator, too.
    // DIVERGES: there are no delegated administrators here, so this is the management account, too; but what others are
    // told is different.
    Administrators,
}

/// The organisation that `account` may administer.
// AWS: IAM API reference, errors of EnableOrganizationsRootSessions and of its four siblings. The texts are those of the
// reference; in which order they are found AWS does not say.
fn administered(env: &Env, account: &AccountId, whose: Whose) -> Result<String, Error> {
    let place = env.membership(account)?.ok_or_else(|| {
        Error::organization_not_found_exception(
            "The request was rejected because no organization is associated with your account.",
        )
    })?;
    if place.management.as_ref() != Some(account) {
        return Err(match whose {
            Whose::Management => Error::caller_is_not_management_account_exception(
                "The request was rejected because the account making the request is not the management account for \
                 the organization.",
            ),
            Whose::Administrators => Error::account_not_management_or_delegated_administrator_exception(
                "The request was rejected because the account making the request is not the management account or \
                 delegated administrator account for centralized root access.",
            ),
        });
    }
    if !place.all_features {
        return Err(Error::organization_not_in_all_features_mode_exception(
            "The request was rejected because your organization does not have All features enabled.",
        ));
    }
    if !has_access(&place) {
        return Err(Error::service_access_not_enabled_exception(
            "The request was rejected because trusted access is not enabled for IAM in Organizations.",
        ));
    }
    Ok(place.organization.clone())
}

fn has_access(place: &Membership) -> bool {
    place.services.contains(PRINCIPAL)
}

fn key(organization: &str) -> Key {
    Key::global().text(organization)
}

fn features_of(env: &Env, organization: &str) -> Result<BTreeSet<Feature>, Fault> {
    let row = env.store.read::<_, Fault>(|tx| Ok(tx.get::<RootAccessRow>(&key(organization))?))?;
    Ok(row.unwrap_or_default().features)
}

/// The tasks that somebody else may now do as an account's root, with who that is and by the right of which organisation.
struct Open {
    management: AccountId,
    organization: String,
    tasks: Vec<&'static str>,
}

/// `None`: nobody may do anything.
fn open_to(env: &Env, account: &AccountId) -> Result<Option<Open>, Fault> {
    let Some(place) = env.membership(account)? else { return Ok(None) };
    let Some(management) = place.management.clone() else { return Ok(None) };
    // AWS: "Perform a privileged task on a member account": a member, which the management account is not.
    if management == *account || place.closed || !place.all_features || !has_access(&place) {
        return Ok(None);
    }
    let features = features_of(env, &place.organization)?;
    let tasks = features.into_iter().flat_map(Feature::tasks).copied().collect();
    Ok(Some(Open { management, organization: place.organization.clone(), tasks }))
}

/// Does the organisation that made this session still have the right to it?
// DIVERGES: AWS does not say what becomes of sessions when their task's feature is switched off, the service loses its access,
// or the account leaves; here they are worthless from the next request on. What never changes is that they end by themselves,
// after fifteen minutes at most.
pub(crate) fn admits(env: &Env, session: &RootSession) -> Result<bool, Fault> {
    Ok(open_to(env, &session.account)?.is_some_and(|open| {
        open.organization == session.organization && open.tasks.contains(&session.task.as_str())
    }))
}

/// Is this the root of an account, and the action to become it?
pub(crate) fn is_asked_of_root(arn: &Arn, action: &str) -> bool {
    arn.resource() == "root" && action.eq_ignore_ascii_case(ASSUME_ROOT)
}

/// The built-in policy of a root, for becoming it. It names the management account, whose own policies must allow it as well,
/// and is of the very organisation. `None`: it is about something else.
pub(crate) fn policy(env: &Env, arn: &Arn, action: &str) -> Result<Option<ResourcePolicy>, Fault> {
    if !is_asked_of_root(arn, action) {
        return Ok(None);
    }
    let open = match arn.account_id() {
        Some(account) => open_to(env, &account)?,
        None => None,
    };
    let open = open.filter(|open| !open.tasks.is_empty());
    let statement = match &open {
        Some(open) => json!({
            "Effect": "Allow",
            "Principal": {"AWS": open.management.as_str()},
            "Action": ASSUME_ROOT,
            "Resource": "*",
            "Condition": {"StringEquals": {"sts:TaskPolicyArn": open.tasks}},
        }),
        None => json!({"Effect": "Deny", "Principal": "*", "Action": ASSUME_ROOT, "Resource": "*"}),
    };
    let document = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
    let policy = Policy::parse(&document, Kind::Resource).map_err(Fault::internal)?;
    let policy = NamedPolicy { name: "built-in policy of a member's root".into(), policy: Arc::new(policy) };
    let unique_id = open.map(|open| open.organization);
    Ok(Some(ResourcePolicy { policy, rule: ResourceRule::Trust, unique_id }))
}

impl Iam {
    /// The features of the caller's organisation.
    pub(crate) fn features(&self, caller: &Caller) -> Result<Features, Error> {
        let account = self.scope(caller).account;
        let organization = administered(&self.env, &account, Whose::Administrators)?;
        let enabled = features_of(&self.env, &organization)?;
        Ok(shown(organization, &enabled))
    }

    /// Switches a feature of the caller's organisation on or off. That it is so already is success.
    pub(crate) async fn switch(
        &self,
        caller: &Caller,
        feature: Feature,
        to: Switch,
    ) -> Result<Features, Error> {
        let account = self.scope(caller).account;
        // AWS: IAM API reference: CallerIsNotManagementAccount is an error of switching on only.
        let whose = match to {
            Switch::On => Whose::Management,
            Switch::Off => Whose::Administrators,
        };
        let organization = administered(&self.env, &account, whose)?;
        let key = key(&organization);
        let enabled = self
            .change(move |tx| {
                let mut row = tx.get::<RootAccessRow>(&key)?.unwrap_or_default();
                match to {
                    Switch::On => row.features.insert(feature),
                    Switch::Off => row.features.remove(&feature),
                };
                tx.put(&key, &row)?;
                Ok(row.features)
            })
            .await?;
        Ok(shown(organization, &enabled))
    }
}

fn shown(organization: String, enabled: &BTreeSet<Feature>) -> Features {
    Features { organization, enabled: enabled.iter().map(|feature| feature.shown()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_root_task_of_aws_belongs_to_one_feature() {
        let known: BTreeSet<String> = casemate_managed::all()
            .iter()
            .filter(|managed| managed.path == "/root-task/")
            .map(casemate_managed::Managed::arn)
            .collect();
        let features = [Feature::RootCredentialsManagement, Feature::RootSessions];
        let listed: Vec<&str> = features.into_iter().flat_map(Feature::tasks).copied().collect();
        assert_eq!(listed.len(), 5);
        assert_eq!(listed.into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), known);
    }

    #[test]
    fn only_becoming_a_root_is_asked_of_a_root() {
        let arn = |text: &str| Arn::parse(text).unwrap();
        let root = arn("arn:aws:iam::123456789012:root");
        assert!(is_asked_of_root(&root, "sts:AssumeRoot") && is_asked_of_root(&root, "STS:assumeroot"));
        for action in ["sts:AssumeRole", "iam:GetUser", "sts:AssumeRootX", ""] {
            assert!(!is_asked_of_root(&root, action), "{action}");
        }
        for other in ["arn:aws:iam::123456789012:user/root", "arn:aws:iam::123456789012:role/root"] {
            assert!(!is_asked_of_root(&arn(other), "sts:AssumeRoot"), "{other}");
        }
    }
}
