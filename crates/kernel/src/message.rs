//! Encoded authorization messages: what a refusal depended on, sealed, for whoever may decode it. The client that was
//! refused carries it about and cannot read it.
//!
//! A message tells nothing that `explain` does not tell its account: no values that may prove something, no statement of an
//! organisation's ceiling nor the keys only those mention, and of what another account owns nothing but that it was asked
//! for. Refuses to know who may decode.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use casemate_names::AccountId;
use casemate_policy::{Decision, Layer, Verdict};
use serde_json::{Value, json};

use crate::{
    Caller, Fault, Kernel, ResourceAccount,
    audit::{RefusedRecord, SeenValue},
    ceilings::may_know_why,
    gate::Case,
};

/// The header of an error answer that carries the message.
// DIVERGES: AWS puts encoded messages into the error texts of a few services; here every denial of a signed API request has
// one, in a header that clients ignore.
pub(crate) const HEADER: &str = "x-casemate-encoded-authorization-message";

/// Characters of an encoded message. Ours: some clients refuse answers with more than 8 KiB of headers.
const MESSAGE_CHARS_MAX: usize = 4 << 10;
/// Bytes of a message before it is sealed; base64 and the seal take the rest.
const PLAIN_BYTES_MAX: usize = MESSAGE_CHARS_MAX / 4 * 3 - 128;
/// What the messages are sealed for.
const PURPOSE: &str = "authorization message v1";

/// A refusal, with what tells which of its keys its own account's policies mention.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) record: RefusedRecord,
    /// In lower case.
    pub(crate) own_keys: Vec<String>,
}

impl Kernel {
    /// The message about a refusal; `None` where nobody signed, or where it would not fit.
    pub(crate) fn encoded_message(
        &self,
        case: &Case<'_>,
        decision: &Decision,
        refused: &Refused,
    ) -> Option<String> {
        let account = signer(case.caller)?;
        let mut message = told(self, case, &account, decision);
        if is_of(self, case, &account) {
            let conditions = conditions(refused, PLAIN_BYTES_MAX.checked_sub(message.to_string().len())?);
            if let Some(slot) = message.pointer_mut("/context/conditions/items") {
                *slot = Value::Array(conditions);
            }
        }
        let plain = message.to_string();
        if plain.len() > PLAIN_BYTES_MAX {
            return None;
        }
        let sealed = self.store().seal_for(PURPOSE, account.as_str(), plain.as_bytes()).ok()?;
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What a message of this account says, as JSON. `None`: it is no message, altered, or another account's.
    pub(crate) fn decoded_message(&self, account: &AccountId, text: &str) -> Option<String> {
        if text.len() > MESSAGE_CHARS_MAX {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        String::from_utf8(self.store().open_for(PURPOSE, account.as_str(), sealed)?).ok()
    }
}

/// The account of whoever signed.
fn signer(caller: &Caller) -> Option<AccountId> {
    match caller {
        Caller::Root { .. }
        | Caller::User { .. }
        | Caller::Role(_)
        | Caller::UserSession(_)
        | Caller::RootSession(_)
        | Caller::Federated(_) => caller.account(),
        Caller::Anonymous | Caller::WebIdentity(_) | Caller::Service { .. } | Caller::Bearer { .. } => None,
    }
}

/// Is what was asked for this account's? What cannot be told is not, and neither is what an ARN without account names: it may
/// be somebody else's, whose tags are among the conditions.
fn is_of(kernel: &Kernel, case: &Case<'_>, account: &AccountId) -> bool {
    if case.ask.resource.as_ref().is_some_and(|arn| arn.account_id().is_none()) {
        return false;
    }
    let owner = ResourceAccount::of(kernel, case.caller, case.ask);
    owner.is_ok_and(|owner| owner.known() == Some(account))
}

/// The message without conditions.
// AWS: STS API reference, DecodeAuthorizationMessage, has the members. `layer`, and of a statement `policy` and `statement`
// (its place in the policy), are ours.
fn told(kernel: &Kernel, case: &Case<'_>, account: &AccountId, decision: &Decision) -> Value {
    let own = is_of(kernel, case, account);
    let mut message = json!({
        "allowed": false,
        "matchedStatements": { "items": matched(decision, own) },
        "failures": { "items": [] },
        "context": {
            "principal": { "id": case.caller.user_id(), "arn": case.caller.arn_text() },
            "action": case.action,
            "resource": case.ask.resource.as_ref().map_or("*", |arn| arn.as_str()),
            "conditions": { "items": [] },
        },
    });
    if let (true, Some(members)) = (may_know_why(kernel, case.caller, case.ask), message.as_object_mut()) {
        members.insert("explicitDeny".to_owned(), (decision.verdict == Verdict::ExplicitDeny).into());
        members.insert("layer".to_owned(), decision.because.layer.to_string().into());
    }
    message
}

fn matched(decision: &Decision, own: bool) -> Vec<Value> {
    let ceiling = matches!(decision.because.layer, Layer::ServiceControl | Layer::ResourceControl);
    let decisive = decision.because.decisive.as_ref().filter(|_| own && !ceiling);
    let shown = decisive.map(|found| {
        json!({
            "statementId": found.sid.as_deref().unwrap_or_default(),
            "effect": "DENY",
            "policy": found.policy,
            "statement": found.statement,
        })
    });
    shown.into_iter().collect()
}

/// The keys with their values, as many as fit into `bytes`. A withheld value is no value.
fn conditions(refused: &Refused, bytes: usize) -> Vec<Value> {
    let mut left = bytes;
    let known = refused.record.keys.iter().filter(|known| refused.own_keys.contains(&known.key));
    let shown = known.filter_map(|known| {
        let values: &[String] = match &known.value {
            SeenValue::One(value) => std::slice::from_ref(value),
            SeenValue::Many(values) => values,
            SeenValue::Withheld => &[],
            SeenValue::Absent | SeenValue::Unknown => return None,
        };
        let values: Vec<Value> = values.iter().map(|value| json!({ "value": value })).collect();
        Some(json!({ "key": known.key, "values": { "items": values } }))
    });
    let fitting = shown.take_while(|item| {
        // A comma goes between two.
        let rest = left.checked_sub(item.to_string().len().saturating_add(1));
        left = rest.unwrap_or_default();
        rest.is_some()
    });
    fitting.collect()
}

impl crate::Env {
    /// What an encoded authorization message of `account` says, as JSON. `None`: it is none, altered, or another account's.
    pub fn decoded_message(&self, account: &AccountId, text: &str) -> Result<Option<String>, Fault> {
        Ok(self.kernel.get()?.decoded_message(account, text))
    }
}
