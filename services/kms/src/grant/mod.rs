//! Grants: single rights to one key, for one principal, to some operations, within some encryption contexts.
//!
//! What a grant allows is decided here and weighed by the policy engine, beside the key policy: an explicit deny beats it,
//! and the principal's own ceilings bound it. Knows no HTTP and no clock.

mod constraint;
mod party;
mod seen;

use casemate_kernel::{
    Env,
    policy::{Grants, Request},
};
use casemate_names::Timestamp;
use casemate_store::{Key, ReadTx, Row};
use serde::{Deserialize, Serialize};

use crate::{
    api::{Error, GrantListEntry, GrantOperation},
    rows::Place,
};
pub(crate) use constraint::{CONSTRAINT_KEY, Constraint};
pub(crate) use party::Party;
use seen::Seen;

/// Grants of one key.
// DIVERGES: AWS allows 50,000 grants per KMS key; here it is 1,000, all of which are weighed for every request.
pub(crate) const GRANTS_MAX: usize = 1000;
/// The condition key of a new grant's operations.
pub(crate) const OPERATIONS_KEY: &str = "kms:GrantOperations";
/// Which grant is to be retired. AWS has no such condition key: here it carries the id from the operation to the grants.
pub(crate) const GRANT_ID_KEY: &str = "kms:GrantId";

/// What a grant may be for: what a symmetric key can do.
// AWS: Developer Guide, "Grant operations".
const OPERATIONS: [GrantOperation; 9] = [
    GrantOperation::Decrypt,
    GrantOperation::Encrypt,
    GrantOperation::GenerateDataKey,
    GrantOperation::GenerateDataKeyWithoutPlaintext,
    GrantOperation::ReEncryptFrom,
    GrantOperation::ReEncryptTo,
    GrantOperation::CreateGrant,
    GrantOperation::RetireGrant,
    GrantOperation::DescribeKey,
];

/// A grant. Its row lies under its key's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// What whoever made it calls it.
    pub(crate) name: Option<String>,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// The account in which it was made, by its root's ARN.
    pub(crate) issuer: String,
    /// Whose right it is.
    pub(crate) grantee: Party,
    /// Who may end it.
    pub(crate) retiring: Option<Party>,
    /// To which operations.
    pub(crate) operations: Vec<String>,
    /// Within which contexts.
    pub(crate) constraint: Constraint,
    /// What its token ends in. It proves nothing and gives no right.
    pub(crate) token: String,
}

impl Row for Grant {
    const TABLE: &'static str = "kms.grant";
    const VERSION: u16 = 1;
}

/// The operations of a new grant, each once, in AWS's order.
pub(crate) fn operations(asked: &[GrantOperation]) -> Result<Vec<String>, Error> {
    if asked.is_empty() {
        return Err(Error::Validation("a grant is for one operation at least".to_owned()));
    }
    if let Some(other) = asked.iter().find(|operation| !OPERATIONS.contains(operation)) {
        // AWS: what the key's type cannot do is refused.
        return Err(Error::Validation(format!(
            "Grant operation {} is not supported by this key",
            other.as_str()
        )));
    }
    let wanted = OPERATIONS.iter().filter(|operation| asked.contains(operation));
    Ok(wanted.map(|operation| operation.as_str().to_owned()).collect())
}

impl Grant {
    /// Everything but what each grant has of its own.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.grantee == other.grantee
            && self.retiring == other.retiring
            && self.operations == other.operations
            && self.constraint == other.constraint
            && self.issuer == other.issuer
    }

    /// As answers show it.
    pub(crate) fn entry(&self, env: &Env, key: &Place, id: &str) -> Result<GrantListEntry, Error> {
        let operations = self.operations.iter().filter_map(|name| GrantOperation::parse(name)).collect();
        Ok(GrantListEntry {
            key_id: Some(key.arn().as_str().to_owned()),
            grant_id: Some(id.to_owned()),
            name: Some(self.name.clone().unwrap_or_default()),
            creation_date: Some(self.created_at),
            grantee_principal: Some(self.grantee.shown(env)?),
            retiring_principal: self.retiring.as_ref().map(|party| party.shown(env)).transpose()?,
            issuing_account: Some(self.issuer.clone()),
            operations: Some(operations),
            constraints: self.constraint.shown(),
            ..GrantListEntry::default()
        })
    }

    fn is_for(&self, operation: &str) -> bool {
        self.operations.iter().any(|granted| granted == operation)
    }

    fn allows(&self, id: &str, seen: &Seen<'_, '_>) -> bool {
        let Some(operation) = seen.request.action.strip_prefix("kms:") else { return false };
        let grantee = self.grantee.is(seen.request.principal) && self.is_for(operation);
        match operation {
            "RetireGrant" => {
                let retiring = self.retiring.as_ref().is_some_and(|party| party.is(seen.request.principal));
                (grantee || retiring) && seen.texts(GRANT_ID_KEY).is_some_and(|meant| *meant == [id])
            }
            // AWS: constraints do not bear on it (API reference, GrantConstraints).
            "DescribeKey" => grantee,
            "CreateGrant" => grantee && self.covers(seen),
            _ => grantee && self.constraint.holds(seen),
        }
    }

    /// AWS: "the new grant must be as restrictive as the parent grant, or more so" (Developer Guide, "Grants").
    fn covers(&self, seen: &Seen<'_, '_>) -> bool {
        let within = |operations: Vec<String>| {
            !operations.is_empty() && operations.iter().all(|operation| self.is_for(operation))
        };
        seen.texts(OPERATIONS_KEY).is_some_and(within) && self.constraint.covers(seen)
    }
}

/// All grants of one key, as the policy engine asks them.
#[derive(Debug)]
pub(crate) struct KeyGrants(Vec<(String, Grant)>);

impl KeyGrants {
    /// Reads a key's grants, ids and rows, in the order of the ids.
    pub(crate) fn of(tx: &ReadTx<'_>, key: &Place) -> Result<Self, Error> {
        let rows: Vec<(Key, Grant)> = tx.scan(&key.key(), None, GRANTS_MAX)?;
        Ok(Self(rows.into_iter().filter_map(|(at, grant)| Some((at.text_at(1)?, grant))).collect()))
    }

    /// Each with its id.
    pub(crate) fn all(self) -> Vec<(String, Grant)> {
        self.0
    }

    /// Can a grant be for this action at all?
    pub(crate) fn concern(action: &str) -> bool {
        let named = action.strip_prefix("kms:").and_then(GrantOperation::parse);
        named.is_some_and(|operation| OPERATIONS.contains(&operation))
    }
}

impl Grants for KeyGrants {
    fn allowing(&self, request: &Request<'_>) -> Option<&str> {
        let seen = Seen::of(request);
        let found = self.0.iter().find(|(id, grant)| grant.allows(id, &seen));
        found.map(|(id, _)| id.as_str())
    }
}

/// A grant's row.
pub(crate) fn grant_key(key: &Place, id: &str) -> Key {
    key.key().text(id)
}

/// A token: where the grant is, and what only its row knows.
pub(crate) fn token(key: &Place, id: &str, grant: &Grant) -> String {
    [key.scope.account.as_str(), &key.id, id, &grant.token].join("_")
}
