//! What is stored, and under which keys. Organisations span accounts, so their keys belong to the installation; every read
//! on somebody's behalf begins at that account's membership.

use std::collections::{BTreeMap, BTreeSet};

use casemate_names::{AccountId, Secret, Timestamp};
use casemate_store::{Key, ReadTx, Row, WriteTx};
use serde::{Deserialize, Serialize};

use crate::{api::Error, document::PolicyKind, refusal, resource::Place, services::Services};

/// The longest id of an organisation.
// AWS: API reference, `OrganizationId`.
const ID_BYTES_MAX: usize = 34;

/// An organisation: its tree, and what is attached to its nodes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OrganizationRow {
    /// `o-…`
    pub(crate) id: String,
    /// The account that manages it.
    pub(crate) management: AccountId,
    /// `r-…`
    pub(crate) root: String,
    /// Policies may be enabled; otherwise it is for billing only.
    pub(crate) all_features: bool,
    /// Which kinds of policies have effect.
    pub(crate) enabled: BTreeSet<PolicyKind>,
    /// By id.
    pub(crate) units: BTreeMap<String, Unit>,
    /// By account id; the management account is among them.
    pub(crate) accounts: BTreeMap<String, Member>,
    /// By id of the root, unit or account.
    pub(crate) attached: BTreeMap<String, Attached>,
    /// By id of the root, unit, account or policy.
    pub(crate) tags: BTreeMap<String, BTreeMap<String, String>>,
    /// Accounts asked for, by request id.
    pub(crate) creations: BTreeMap<String, Creation>,
    /// May act in all accounts.
    #[serde(default)]
    pub(crate) services: Services,
}

impl Row for OrganizationRow {
    const TABLE: &'static str = "organizations.organization";
    const VERSION: u16 = 1;
}

/// An organisational unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Unit {
    pub(crate) name: String,
    /// The root or a unit.
    pub(crate) parent: String,
}

/// An account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) name: Secret<String>,
    /// The management account has none: it was not made here.
    pub(crate) email: Option<Secret<String>>,
    /// The root or a unit.
    pub(crate) parent: String,
    pub(crate) joined_at: Timestamp,
    /// Made by the organisation, not its founder.
    pub(crate) created: bool,
    /// Closed for good.
    pub(crate) closed: bool,
}

/// Policies attached to a node, by id. What is attached everywhere and cannot be detached is not listed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Attached {
    pub(crate) service_control: BTreeSet<String>,
    pub(crate) resource_control: BTreeSet<String>,
}

/// A request for a new account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Creation {
    pub(crate) name: Secret<String>,
    pub(crate) account: AccountId,
    pub(crate) requested_at: Timestamp,
    pub(crate) outcome: Outcome,
}

/// How a request for an account went.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Outcome {
    InProgress,
    Succeeded { at: Timestamp },
    EmailExists { at: Timestamp },
    Failed { at: Timestamp },
}

/// A policy made by the management account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PolicyRow {
    pub(crate) id: String,
    pub(crate) kind: PolicyKind,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) content: String,
}

impl Row for PolicyRow {
    const TABLE: &'static str = "organizations.policy";
    const VERSION: u16 = 1;
}

/// Which organisation an account is in. One row an account: it cannot be in two.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MemberRow {
    pub(crate) organization: String,
}

impl Row for MemberRow {
    const TABLE: &'static str = "organizations.member";
    const VERSION: u16 = 1;
}

impl Attached {
    pub(crate) fn of(&self, kind: PolicyKind) -> &BTreeSet<String> {
        match kind {
            PolicyKind::ServiceControl => &self.service_control,
            PolicyKind::ResourceControl => &self.resource_control,
        }
    }

    pub(crate) fn of_mut(&mut self, kind: PolicyKind) -> &mut BTreeSet<String> {
        match kind {
            PolicyKind::ServiceControl => &mut self.service_control,
            PolicyKind::ResourceControl => &mut self.resource_control,
        }
    }
}

impl OrganizationRow {
    fn key(id: &str) -> Key {
        Key::global().text(id)
    }

    /// The organisation with this id.
    pub(crate) fn find(tx: &ReadTx<'_>, id: &str) -> Result<Option<Self>, Error> {
        if id.len() > ID_BYTES_MAX {
            return Ok(None);
        }
        Ok(tx.get(&Self::key(id))?)
    }

    /// The organisation an account is in.
    pub(crate) fn of_account(tx: &ReadTx<'_>, account: &AccountId) -> Result<Option<Self>, Error> {
        match tx.get::<MemberRow>(&member_key(account))? {
            Some(member) => Self::find(tx, &member.organization),
            None => Ok(None),
        }
    }

    /// The organisation an account manages; an account that is a mere member is refused.
    pub(crate) fn managed_by(tx: &ReadTx<'_>, account: &AccountId) -> Result<Self, Error> {
        let organization = Self::of_account(tx, account)?.ok_or_else(refusal::not_in_use)?;
        if organization.management == *account { Ok(organization) } else { Err(refusal::not_management()) }
    }

    pub(crate) fn save(&self, tx: &mut WriteTx<'_>) -> Result<(), Error> {
        Ok(tx.put(&Self::key(&self.id), self)?)
    }

    pub(crate) fn delete(&self, tx: &mut WriteTx<'_>) -> Result<(), Error> {
        Ok(tx.delete::<Self>(&Self::key(&self.id))?)
    }

    /// Takes an account out of the organisation.
    pub(crate) fn leave(&mut self, tx: &mut WriteTx<'_>, account: &AccountId) -> Result<(), Error> {
        self.accounts.remove(account.as_str());
        self.forget(account.as_str());
        Ok(tx.delete::<MemberRow>(&member_key(account))?)
    }

    /// What its ARNs name.
    pub(crate) fn place(&self) -> Place<'_> {
        Place { management: &self.management, organization: &self.id }
    }
}

/// The row of an account's membership.
pub(crate) fn member_key(account: &AccountId) -> Key {
    Key::global().text(account.as_str())
}

/// A policy's row.
pub(crate) fn policy_key(organization: &str, id: &str) -> Key {
    policies_key(organization).text(id)
}

/// The beginning of an organisation's policies.
pub(crate) fn policies_key(organization: &str) -> Key {
    Key::global().text(organization)
}
