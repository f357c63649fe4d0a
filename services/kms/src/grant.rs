//! Grants: single rights to one key, for one principal, to some operations, within some encryption contexts.
//!
//! What a grant allows is decided here and weighed by the policy engine, beside the key policy: an explicit deny beats it,
//! and the principal's own ceilings bound it. Knows no HTTP and no clock.

use std::{borrow::Cow, cell::OnceCell, collections::BTreeSet};

use casemate_kernel::{
    Env, NamedPrincipal,
    policy::{Grants, Principal, Request, Value},
};
use casemate_names::{Arn, Timestamp};
use casemate_store::{Key, ReadTx, Row};
use serde::{Deserialize, Serialize};

use crate::{
    api::{Error, GrantConstraints, GrantListEntry, GrantOperation},
    encryption_context::{EncryptionContext, NAMES_KEY, PAIR_KEY},
    rows::Place,
};

/// Grants of one key.
// DIVERGES: AWS allows 50,000 grants per KMS key; here it is 1,000, all of which are weighed for every request.
pub(crate) const GRANTS_MAX: usize = 1000;
/// Pairs of one constraint.
// AWS: API reference, GrantConstraints.
const CONSTRAINT_PAIRS_MAX: usize = 8;
/// Characters of a name or value in a constraint.
// AWS: API reference, GrantConstraints.
const CONSTRAINT_CHARS_MAX: usize = 384;

/// The condition key of a new grant's operations.
pub(crate) const OPERATIONS_KEY: &str = "kms:GrantOperations";
/// The condition key of a new grant's constraint.
pub(crate) const CONSTRAINT_KEY: &str = "kms:GrantConstraintType";
/// Which grant is to be retired. AWS has no such condition key: here it carries the id from the operation to the grants.
pub(crate) const GRANT_ID_KEY: &str = "kms:GrantId";

/// The kinds of constraints, in policies.
const EQUALS: &str = "EncryptionContextEquals";
const SUBSET: &str = "EncryptionContextSubset";

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

/// Somebody whom a grant names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Party {
    /// As named.
    pub(crate) arn: String,
    /// Of the user or role, or of the session's role, when the grant was made.
    pub(crate) unique_id: Option<String>,
}

/// Which encryption contexts a grant holds for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Constraint {
    /// All.
    None,
    /// Exactly this one.
    Equals(EncryptionContext),
    /// All that contain these pairs.
    Subset(EncryptionContext),
}

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

impl Party {
    /// Somebody by ARN: a user, a role, a session, a federated user or an account's root.
    // DIVERGES: a grant to an account's root is one to that root user, not to whom its account's policies allow.
    pub(crate) fn new(env: &Env, text: &str) -> Result<Self, Error> {
        // AWS: text of the service.
        let invalid =
            || Error::invalid_arn_exception(format!("ARN does not refer to a valid principal: {text}"));
        let arn = Arn::parse(text).map_err(|_| invalid())?;
        if let Some(named) = NamedPrincipal::parse(text) {
            let id = env.sessions()?.unique_id_of(&named)?.ok_or_else(invalid)?;
            return Ok(Self { arn: text.to_owned(), unique_id: Some(id) });
        }
        let root = arn.service() == "iam" && arn.resource() == "root";
        let federated = arn.service() == "sts" && arn.resource().starts_with("federated-user/");
        if (root || federated) && arn.account_id().is_some() {
            return Ok(Self { arn: text.to_owned(), unique_id: None });
        }
        Err(invalid())
    }

    /// As answers show it: who is gone appears by unique id.
    pub(crate) fn shown(&self, env: &Env) -> Result<String, Error> {
        let (Some(id), Some(named)) = (&self.unique_id, NamedPrincipal::parse(&self.arn)) else {
            return Ok(self.arn.clone());
        };
        let same = env.sessions()?.unique_id_of(&named)?.as_ref() == Some(id);
        Ok(if same { self.arn.clone() } else { id.clone() })
    }

    /// Is it `principal`?
    pub(crate) fn is(&self, principal: &Principal) -> bool {
        match principal {
            Principal::User { unique_id, .. } => self.unique_id.as_ref() == Some(unique_id),
            Principal::Session { role_unique_id, session_arn, .. } => {
                let meant = match NamedPrincipal::parse(&self.arn) {
                    Some(NamedPrincipal::Entity(_)) => true,
                    Some(NamedPrincipal::Session { arn, .. }) => arn.as_str() == session_arn,
                    None => false,
                };
                meant && self.unique_id.as_ref() == Some(role_unique_id)
            }
            Principal::FederatedUser { arn, .. } => self.unique_id.is_none() && self.arn == *arn,
            Principal::Root { account } => Arn::parse(&self.arn).is_ok_and(|arn| {
                arn.service() == "iam" && arn.resource() == "root" && arn.account() == account
            }),
            Principal::Anonymous | Principal::Service { .. } | Principal::WebIdentity { .. } => false,
        }
    }
}

impl Constraint {
    /// Reads the constraint of a request.
    pub(crate) fn new(given: Option<&GrantConstraints>) -> Result<Self, Error> {
        let Some(given) = given else { return Ok(Self::None) };
        if given.source_arn.is_some() {
            // DIVERGES: grants for services' resources are not offered; a constraint that would not be kept is refused.
            return Err(Error::Validation("SourceArn constraints are not offered here".to_owned()));
        }
        let stated = |context: &Option<EncryptionContext>| context.clone().filter(|pairs| !pairs.is_empty());
        let constraint =
            match (stated(&given.encryption_context_equals), stated(&given.encryption_context_subset)) {
                (None, None) => Self::None,
                (Some(pairs), None) => Self::Equals(pairs),
                (None, Some(pairs)) => Self::Subset(pairs),
                (Some(_), Some(_)) => {
                    return Err(Error::Validation(
                        "EncryptionContextEquals and EncryptionContextSubset exclude each other".to_owned(),
                    ));
                }
            };
        let pairs = constraint.pairs().into_iter().flatten();
        let long = |text: &String| text.chars().count() > CONSTRAINT_CHARS_MAX;
        if constraint.pairs().is_some_and(|pairs| pairs.len() > CONSTRAINT_PAIRS_MAX)
            || pairs.into_iter().any(|(name, value)| long(name) || long(value))
        {
            return Err(Error::Validation(format!(
                "a grant constraint has at most {CONSTRAINT_PAIRS_MAX} pairs of at most {CONSTRAINT_CHARS_MAX} characters"
            )));
        }
        Ok(constraint)
    }

    /// The value of `kms:GrantConstraintType`.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Equals(_) => Some(EQUALS),
            Self::Subset(_) => Some(SUBSET),
        }
    }

    /// The pairs it speaks of.
    pub(crate) fn pairs(&self) -> Option<&EncryptionContext> {
        match self {
            Self::None => None,
            Self::Equals(pairs) | Self::Subset(pairs) => Some(pairs),
        }
    }

    /// Does it hold for what is asked? Not where that cannot be told.
    fn holds(&self, seen: &Seen<'_, '_>) -> bool {
        match self {
            Self::None => true,
            Self::Equals(pairs) => seen.count() == Some(pairs.len()) && seen.has(pairs),
            Self::Subset(pairs) => seen.has(pairs),
        }
    }

    /// Does the constraint of the grant that is asked for let nothing through that this one does not?
    fn covers(&self, seen: &Seen<'_, '_>) -> bool {
        let kind = seen.texts(CONSTRAINT_KEY);
        let kind = kind.as_deref().and_then(<[String]>::first).map(String::as_str);
        let equals = kind == Some(EQUALS);
        match self {
            Self::None => true,
            Self::Equals(_) => equals && self.holds(seen),
            Self::Subset(_) => (equals || kind == Some(SUBSET)) && self.holds(seen),
        }
    }

    fn shown(&self) -> Option<GrantConstraints> {
        match self {
            Self::None => None,
            Self::Equals(pairs) => Some(GrantConstraints {
                encryption_context_equals: Some(pairs.clone()),
                ..Default::default()
            }),
            Self::Subset(pairs) => Some(GrantConstraints {
                encryption_context_subset: Some(pairs.clone()),
                ..Default::default()
            }),
        }
    }
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

/// What a request says, each thing looked up once however many grants there are.
struct Seen<'a, 'r> {
    request: &'a Request<'r>,
    /// The names of the encryption context; `None` where they are not known.
    names: OnceCell<Option<BTreeSet<String>>>,
}

impl Seen<'_, '_> {
    /// The values of a condition key; `None` where they are not known.
    fn texts(&self, key: &str) -> Option<Vec<String>> {
        match self.request.context.value(&key.to_ascii_lowercase()) {
            Value::Absent => Some(Vec::new()),
            Value::Unknown => None,
            Value::One(text) => Some(vec![text.into_owned()]),
            Value::Many(texts) => Some(texts.into_iter().map(Cow::into_owned).collect()),
        }
    }

    fn names(&self) -> Option<&BTreeSet<String>> {
        self.names.get_or_init(|| Some(self.texts(NAMES_KEY)?.into_iter().collect())).as_ref()
    }

    /// How many pairs the encryption context has.
    fn count(&self) -> Option<usize> {
        self.names().map(BTreeSet::len)
    }

    /// Has the encryption context these pairs, byte by byte? Not where names that differ in case only hide a value.
    // DIVERGES: on AWS the case of a name in a constraint does not matter; here it does, and such a grant allows less.
    fn has(&self, pairs: &EncryptionContext) -> bool {
        let value = |name: &str| self.texts(&format!("{PAIR_KEY}{name}"));
        pairs.iter().all(|(name, wanted)| {
            self.names().is_some_and(|names| names.contains(name))
                && value(name).is_some_and(|values| values == [wanted.as_str()])
        })
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
        let seen = Seen { request, names: OnceCell::new() };
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
