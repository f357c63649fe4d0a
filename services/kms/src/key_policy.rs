//! Key policies: the only root of every right to a key. Checked before they are stored, compiled by unique ids.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use casemate_kernel::{
    Caller, Env, Fault, RequestFacts, ResourcePolicy, enforced_principals,
    policy::{Context, Kind, Layers, NamedPolicy, Policy, Request, ResourceRule, Value, decide},
    principal_ids, shown_principals,
};
use casemate_names::Scope;

use crate::{
    api::Error,
    resource::root_arn,
    rows::{KeyRow, Place},
};

/// How a key's policy counts.
// AWS: Developer Guide, "Key policies": without the key policy's permission, IAM policies have no effect.
pub(crate) const RULE: ResourceRule = ResourceRule::Trust;

/// The only policy a key has.
pub(crate) const NAME: &str = "default";

/// Bytes of a key policy.
// AWS: 32 KB (KMS quotas, "Key policy document size").
const BYTES_MAX: usize = 32_768;
/// Compiled policies kept; beyond it the cache starts again. Ours: bounds memory.
const COMPILED_MAX: usize = 1_000;

/// The policy of a key that was made without one: the account decides by its own policies.
// AWS: Developer Guide, "Default key policy".
pub(crate) fn default_policy(scope: &Scope) -> String {
    let root = root_arn(scope);
    format!(
        r#"{{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {{
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : "{root}"
    }},
    "Action" : "kms:*",
    "Resource" : "*"
  }} ]
}}"#
    )
}

/// A policy that may be stored, with the unique ids of those it names.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    /// As it was given.
    pub(crate) text: String,
    /// By ARN.
    pub(crate) ids: BTreeMap<String, String>,
}

impl Checked {
    /// Checks a document. Whom it names must exist.
    pub(crate) fn new(env: &Env, text: &str) -> Result<Self, Error> {
        if text.len() > BYTES_MAX {
            return Err(Error::limit_exceeded_exception(format!(
                "a key policy has at most {BYTES_MAX} bytes"
            )));
        }
        Policy::parse(text, Kind::Resource)
            .map_err(|error| Error::malformed_policy_document_exception(error.to_string()))?;
        let sessions = env.sessions()?;
        // AWS: text of the service.
        let ids = principal_ids(text, &mut |named| Ok(sessions.unique_id_of(named)?), |_| {
            Error::malformed_policy_document_exception(
                "Policy contains a statement with one or more invalid principals.",
            )
        })?;
        Ok(Self { text: text.to_owned(), ids })
    }

    /// Refuses a policy under which the caller could not put another one afterwards.
    // AWS: Developer Guide, "Key policies", the key policy lockout safety check; text of the service.
    pub(crate) fn keeps_in(&self, key: &Place, caller: &Caller, facts: &RequestFacts) -> Result<(), Error> {
        let policy = compiled(&self.text, &self.ids, key)?;
        // Where the policy lets the account decide, the account's administrators can put it right.
        let text =
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"*"}}"#;
        let any = Policy::parse(text, Kind::Identity).map_err(Fault::internal)?;
        let identity = [NamedPolicy { name: "the account's own".into(), policy: Arc::new(any) }];
        let layers =
            Layers { identity: &identity, resource: Some(&policy), resource_rule: RULE, ..Layers::default() };
        let (arn, principal) = (key.arn(), caller.principal());
        let request = Request {
            principal: &principal,
            action: "kms:PutKeyPolicy",
            resource: arn.as_str(),
            resource_account: Some(key.scope.account.as_str()),
            context: &Later { caller, facts },
        };
        if decide(&layers, &request).is_allowed() {
            return Ok(());
        }
        Err(Error::malformed_policy_document_exception(
            "The new key policy will not allow you to update the key policy in the future.",
        ))
    }
}

/// The condition keys of the same caller's next call, as far as they are bound to be the same.
struct Later<'a> {
    caller: &'a Caller,
    facts: &'a RequestFacts,
}

impl Context for Later<'_> {
    fn value<'v>(&'v self, key: &str) -> Value<'v> {
        let text = |text: String| Value::One(Cow::Owned(text));
        match key {
            "aws:principalarn" => match self.caller.actor() {
                Caller::Role(session) => Value::one(session.role_arn.as_str()),
                other => text(other.arn_text()),
            },
            "aws:principalaccount" | "kms:calleraccount" => {
                self.caller.account().map_or(Value::Absent, |account| text(account.as_str().to_owned()))
            }
            "aws:securetransport" => Value::one(if self.facts.peer.is_secure() { "true" } else { "false" }),
            "aws:sourceip" => {
                self.facts.peer.source_ip().map_or(Value::Absent, |ip| text(ip.to_canonical().to_string()))
            }
            "aws:viaawsservice" | "aws:principalisawsservice" | "kms:bypasspolicylockoutsafetycheck" => {
                Value::one("false")
            }
            "kms:viaservice" | "aws:calledvia" | "aws:calledviafirst" | "aws:calledvialast" => Value::Absent,
            _ => Value::Unknown,
        }
    }
}

/// Compiled key policies, so that a decision does not parse.
#[derive(Debug, Default)]
pub(crate) struct Compiled(RwLock<HashMap<Place, Kept>>);

/// What was compiled, and of what.
#[derive(Debug)]
struct Kept {
    text: String,
    ids: BTreeMap<String, String>,
    policy: NamedPolicy,
}

impl Compiled {
    /// A key's policy as the gate weighs it. `row` is the key's as it is now.
    // INVARIANT: what is answered was compiled of this very text and these very ids, so that a change is in force on the next
    // request, whatever was kept meanwhile.
    pub(crate) fn of_key(&self, row: &KeyRow, key: &Place) -> Result<ResourcePolicy, Error> {
        let rule = RULE;
        {
            let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
            let found = kept.get(key).filter(|kept| kept.text == row.policy && kept.ids == row.policy_ids);
            if let Some(found) = found {
                return Ok(ResourcePolicy::new(found.policy.clone(), rule));
            }
        }
        let policy = compiled(&row.policy, &row.policy_ids, key)?;
        let (text, ids) = (row.policy.clone(), row.policy_ids.clone());
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= COMPILED_MAX {
            kept.clear();
        }
        kept.insert(key.clone(), Kept { text, ids, policy: policy.clone() });
        Ok(ResourcePolicy::new(policy, rule))
    }
}

/// Everybody by unique id.
fn compiled(text: &str, ids: &BTreeMap<String, String>, key: &Place) -> Result<NamedPolicy, Error> {
    // A stored policy that no longer parses is an error, and an error is a refusal.
    let policy = Policy::parse(&enforced_principals(text, ids), Kind::Resource).map_err(Fault::internal)?;
    Ok(NamedPolicy { name: format!("key policy of {}", key.id).into(), policy: Arc::new(policy) })
}

/// A policy as answers show it: those who are gone appear by unique id.
pub(crate) fn shown(env: &Env, row: &KeyRow) -> Result<String, Error> {
    let sessions = env.sessions()?;
    shown_principals(&row.policy, &row.policy_ids, &mut |named| Ok(sessions.unique_id_of(named)?))
}

/// Refuses the name of a policy that no key has.
// AWS: "the only valid name is default" (API reference); text of the service.
pub(crate) fn only_default(name: Option<&str>) -> Result<(), Error> {
    match name {
        None | Some(NAME) => Ok(()),
        Some(_) => Err(Error::not_found_exception("No such policy exists")),
    }
}

#[cfg(test)]
mod tests {
    use casemate_names::{AccountId, Region, Timestamp};

    use super::*;
    use crate::rows::State;

    fn place(id: usize) -> Place {
        let scope = Scope {
            partition: "aws".to_owned(),
            region: Region::parse("us-east-1").unwrap(),
            account: AccountId::parse("123456789012").unwrap(),
        };
        Place { scope, id: id.to_string() }
    }

    fn row(principal: &str, ids: &[(&str, &str)]) -> KeyRow {
        KeyRow {
            created_at: Timestamp::from_seconds(0),
            description: String::new(),
            state: State::Enabled,
            rotation: None,
            version: 1,
            on_demand_rotations: 0,
            policy: format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"kms:*","Resource":"*"}}}}"#
            ),
            policy_ids: ids.iter().map(|(name, id)| ((*name).to_owned(), (*id).to_owned())).collect(),
            tags: BTreeMap::new(),
            aliases: std::collections::BTreeSet::new(),
        }
    }

    #[test]
    fn a_policy_is_compiled_once_and_anew_when_it_or_an_id_changes() {
        let compiled = Compiled::default();
        let of = |row: &KeyRow| compiled.of_key(row, &place(1)).unwrap().policy.policy;
        let (first, user) = (row("111111111111", &[]), "arn:aws:iam::123456789012:user/ann");
        let kept = of(&first);
        assert!(Arc::ptr_eq(&kept, &of(&first)));
        for changed in [
            row("222222222222", &[]),
            row(user, &[(user, "AIDAAAAAAAAAAAAAAAAAA")]),
            row(user, &[(user, "AIDABBBBBBBBBBBBBBBBB")]),
        ] {
            let anew = of(&changed);
            assert!(!Arc::ptr_eq(&kept, &anew));
            assert!(Arc::ptr_eq(&anew, &of(&changed)));
            let expected = changed.policy_ids.get(user).map_or("222222222222", String::as_str);
            assert!(anew.source().contains(expected), "{}", anew.source());
        }
        assert!(!Arc::ptr_eq(&kept, &of(&first)), "an older one is not found again");
    }

    #[test]
    fn two_keys_of_one_policy_have_each_its_own_and_their_number_is_bounded() {
        let compiled = Compiled::default();
        let row = row("111111111111", &[]);
        for id in 0..=COMPILED_MAX {
            let found = compiled.of_key(&row, &place(id)).unwrap();
            assert_eq!(found.policy.name, format!("key policy of {id}"));
            assert!(compiled.0.read().unwrap().len() <= COMPILED_MAX);
        }
    }
}
