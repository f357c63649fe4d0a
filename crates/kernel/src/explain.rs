//! Questions about decisions: what the gate would say, or why it said what it did. Every answer comes from the gate's own
//! gathering of layers; nothing here admits anyone.
//!
//! Refuses to know who may ask: that is for the gate to decide before a question is put.

use std::{borrow::Cow, collections::BTreeSet, fmt::Write as _};

use aws_lc_rs::digest::{Context as Digest, SHA256};
use casemate_names::{AccountId, Arn, Timestamp};
use casemate_policy::{Context, Decision, Explanation, Layer, Layers, NamedPolicy, Request, Value, explain};

use crate::{
    Ask, Caller, Fault, Kernel, KeyValue, Peer, RequestFacts,
    audit::{KeyRecord, RefusedRecord, SeenValue},
    gate::Case,
    session::session_of,
};

/// Keys kept of a refusal. Ours: policies mention a handful.
const KEYS_MAX: usize = 32;
/// Values kept of a multi-valued key. Ours.
const VALUES_MAX: usize = 16;
/// Characters kept of a value; a longer one is withheld, for half a value would explain wrongly. Ours.
const VALUE_CHARS_MAX: usize = 256;

/// Would this be allowed, or why was it not?
#[derive(Debug, Clone)]
pub struct Question {
    /// ARN of a user, role, role session or account root, a service principal, or `anonymous`.
    pub principal: String,
    /// The access key that was used: a live session is found by it with its tags and session policies.
    pub access_key_id: Option<String>,
    /// `service:Action`
    pub action: String,
    /// `None` for actions without resource-level permission.
    pub resource: Option<Arn>,
    /// Condition keys and their values, instead of those that would be found. `None`: cannot be told.
    pub context: Vec<(String, Option<KeyValue>)>,
    /// A refusal that is to be explained as it was: its condition values are used, and no others.
    pub refused: Option<RefusedRecord>,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Explained {
    /// Layer by layer, with the policies in force now.
    pub explanation: Explanation,
    /// Names the policies in force now, as [`RefusedRecord::policies`] does those of then.
    pub policies: String,
    /// What could not be taken into account, as sentences.
    pub notes: Vec<String>,
}

/// A question without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unexplained {
    /// There is no such principal.
    NoPrincipal(String),
    /// The text names no principal of a known form.
    NotAPrincipal(String),
}

impl Kernel {
    /// Explains what the gate says.
    pub fn explain(
        &self,
        question: &Question,
        now: Timestamp,
    ) -> Result<Result<Explained, Unexplained>, Fault> {
        let mut notes = Vec::new();
        let caller = match self.caller_of(question, now, &mut notes)? {
            Ok(caller) => caller,
            Err(unexplained) => return Ok(Err(unexplained)),
        };
        let facts = RequestFacts {
            peer: Peer::Internal,
            user_agent: None,
            referer: None,
            trace: None,
            called_via: Vec::new(),
        };
        let ask = ask_of(question, &caller);
        let case = Case { action: &question.action, ..Case::of(&caller, &ask, &facts, now) };
        let explained = self.gate().gathered(self, &case, |layers, request| match &question.refused {
            None => (explain(layers, request), named(layers)),
            Some(refused) => {
                let context = AsRecorded(refused);
                (explain(layers, &Request { context: &context, ..*request }), named(layers))
            }
        })?;
        let (explanation, policies) = explained;
        Ok(Ok(Explained { explanation, policies, notes }))
    }

    fn caller_of(
        &self,
        question: &Question,
        now: Timestamp,
        notes: &mut Vec<String>,
    ) -> Result<Result<Caller, Unexplained>, Fault> {
        let text = question.principal.as_str();
        if text == "anonymous" {
            return Ok(Ok(Caller::Anonymous));
        }
        if let Some(principal) = self.service_principal(text) {
            let source = question.resource.clone().unwrap_or_else(|| {
                Arn::from_parts(["aws", "", "", self.site().scope.account.as_str(), "unknown"])
            });
            let account = source.account_id().unwrap_or_else(|| self.site().scope.account.clone());
            return Ok(Ok(Caller::Service { principal, source, account }));
        }
        let unknown = || Unexplained::NotAPrincipal(text.to_owned());
        let missing = || Unexplained::NoPrincipal(text.to_owned());
        let Ok(arn) = Arn::parse(text) else { return Ok(Err(unknown())) };
        let Some(account) = arn.account_id() else { return Ok(Err(unknown())) };
        let (kind, name) = arn.resource().split_once('/').unwrap_or((arn.resource(), ""));
        Ok(match kind {
            "root" => Ok(Caller::Root { account }),
            "user" => match self.directory().unique_id(&arn)? {
                None => Err(missing()),
                Some(unique_id) => {
                    let name = name.rsplit('/').next().unwrap_or(name).to_owned();
                    Ok(Caller::User { arn, unique_id, name, account })
                }
            },
            "role" => self.role_caller(&arn, "explain", now, notes)?.ok_or_else(missing),
            "assumed-role" => {
                let (role, session) = name.split_once('/').unwrap_or((name, ""));
                self.session_caller(question, (&account, role, session), now, notes)?.ok_or_else(missing)
            }
            "federated-user" => self.live_caller(question)?.ok_or_else(missing),
            // Whoever showed an in-band proof is nobody to policies, as to the gate.
            _ if question.refused.is_some() => Ok(Caller::Anonymous),
            _ => Err(unknown()),
        })
    }

    /// Whoever the temporary credentials in question stand for, as long as they live.
    fn live_caller(&self, question: &Question) -> Result<Option<Caller>, Fault> {
        let Some(id) = &question.access_key_id else { return Ok(None) };
        let live = self.session_table().find(id)?;
        Ok(live.map(|live| live.caller.clone()).filter(|caller| caller.arn_text() == question.principal))
    }

    fn session_caller(
        &self,
        question: &Question,
        (account, role, session): (&AccountId, &str, &str),
        now: Timestamp,
        notes: &mut Vec<String>,
    ) -> Result<Option<Caller>, Fault> {
        if let Some(live) = self.live_caller(question)? {
            return Ok(Some(live));
        }
        match self.directory().role_named(account, role)? {
            Some(arn) => self.role_caller(&arn, session, now, notes),
            None => Ok(None),
        }
    }

    fn role_caller(
        &self,
        arn: &Arn,
        session: &str,
        now: Timestamp,
        notes: &mut Vec<String>,
    ) -> Result<Option<Caller>, Fault> {
        let Some(role) = self.directory().role(arn)? else { return Ok(None) };
        notes.push("as a session of the role without session policies and session tags".to_owned());
        let expires_at = now.plus_seconds(role.session_s_max);
        Ok(Some(Caller::Role(Box::new(session_of(&role, session, now, expires_at)))))
    }
}

/// The context given; what only a real request has is unknown rather than made up.
fn ask_of(question: &Question, caller: &Caller) -> Ask {
    let mut ask = Ask { action: "", resource: question.resource.clone(), keys: Vec::new() };
    for (key, value) in &question.context {
        ask.put(key, value.clone());
    }
    let mut unknown: Vec<&str> = vec!["aws:SourceIp", "aws:SecureTransport", "aws:UserAgent", "aws:Referer"];
    if matches!(caller, Caller::Service { .. }) {
        unknown.extend(["aws:SourceArn", "aws:SourceAccount"]);
    }
    for key in unknown {
        if !ask.keys.iter().any(|(given, _)| given.eq_ignore_ascii_case(key)) {
            ask.put(key, None);
        }
    }
    ask
}

/// A refused request's condition keys as its record has them. What is not recorded cannot be told.
struct AsRecorded<'a>(&'a RefusedRecord);

impl Context for AsRecorded<'_> {
    fn value<'v>(&'v self, key: &str) -> Value<'v> {
        match self.0.keys.iter().find(|known| known.key == key).map(|known| &known.value) {
            None | Some(SeenValue::Unknown | SeenValue::Withheld) => Value::Unknown,
            Some(SeenValue::Absent) => Value::Absent,
            Some(SeenValue::One(value)) => Value::One(Cow::Borrowed(value)),
            Some(SeenValue::Many(values)) => {
                Value::Many(values.iter().map(|value| Cow::Borrowed(value.as_str())).collect())
            }
        }
    }
}

/// What a refusal depended on, for its record.
pub(crate) fn refused(layers: &Layers<'_>, request: &Request<'_>, decision: &Decision) -> RefusedRecord {
    let mentioned: BTreeSet<&str> =
        policies(layers).flat_map(|(_, policy)| policy.policy.condition_keys()).collect();
    let keys = mentioned
        .iter()
        .take(KEYS_MAX)
        .map(|key| KeyRecord { key: (*key).to_owned(), value: seen(request.context, key) })
        .collect();
    RefusedRecord {
        policies: named(layers),
        keys,
        more: mentioned.len() > KEYS_MAX,
        decision: decision.clone(),
    }
}

/// The keys that policies mention which are not an organisation's ceilings.
pub(crate) fn own_keys(layers: &Layers<'_>) -> Vec<String> {
    let own = policies(layers)
        .filter(|(layer, _)| !matches!(layer, Layer::ServiceControl | Layer::ResourceControl));
    let keys: BTreeSet<&str> = own.flat_map(|(_, policy)| policy.policy.condition_keys()).collect();
    keys.into_iter().map(str::to_owned).collect()
}

fn seen(context: &dyn Context, key: &str) -> SeenValue {
    let fits = |text: &str| text.chars().nth(VALUE_CHARS_MAX).is_none();
    match context.value(key) {
        Value::Absent => SeenValue::Absent,
        Value::Unknown => SeenValue::Unknown,
        Value::One(value) if !is_private(key) && fits(&value) => SeenValue::One(value.into_owned()),
        Value::Many(values)
            if !is_private(key) && values.len() <= VALUES_MAX && values.iter().all(|value| fits(value)) =>
        {
            SeenValue::Many(values.into_iter().map(Cow::into_owned).collect())
        }
        Value::One(_) | Value::Many(_) => SeenValue::Withheld,
    }
}

/// Keys whose values may prove something or carry what a person typed: a referrer's query, a shared external id.
pub(crate) fn is_private(key: &str) -> bool {
    let name = key.rsplit(':').next().unwrap_or(key);
    let ends = ["referer", "externalid", "cookie", "password", "authorization", "token", "secret"];
    ends.iter().any(|end| name.ends_with(end))
}

/// Every policy that applies, by layer.
fn policies<'a>(layers: &Layers<'a>) -> impl Iterator<Item = (Layer, &'a NamedPolicy)> {
    let of = |layer: Layer, policies: &'a [NamedPolicy]| policies.iter().map(move |policy| (layer, policy));
    let levels = |layer: Layer, levels: &'a [Vec<NamedPolicy>]| {
        levels.iter().flatten().map(move |policy| (layer, policy))
    };
    of(Layer::Identity, layers.identity)
        .chain(of(Layer::Resource, layers.resource.map_or(&[], std::slice::from_ref)))
        .chain(of(Layer::Boundary, layers.boundary.unwrap_or_default()))
        .chain(of(Layer::Session, layers.session.unwrap_or_default()))
        .chain(levels(Layer::ServiceControl, layers.service_control))
        .chain(levels(Layer::ResourceControl, layers.resource_control))
}

/// A name for the policies of all layers together: a digest of their texts.
fn named(layers: &Layers<'_>) -> String {
    let mut digest = Digest::new(&SHA256);
    let mut part = |text: &str| {
        digest.update(&text.len().to_le_bytes());
        digest.update(text.as_bytes());
    };
    part(if layers.boundary.is_some() { "bounded" } else { "unbounded" });
    part(if layers.session.is_some() { "limited" } else { "unlimited" });
    for (layer, policy) in policies(layers) {
        part(&layer.to_string());
        part(&policy.name);
        part(policy.policy.source());
    }
    let half = digest.finish();
    half.as_ref().iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use casemate_policy::{Kind, Policy, Principal, decide};

    use super::*;

    struct Everything(String);

    impl Context for Everything {
        fn value<'v>(&'v self, key: &str) -> Value<'v> {
            match key {
                "aws:absent" => Value::Absent,
                "aws:unknown" => Value::Unknown,
                "aws:tagkeys" => Value::Many(vec![Cow::Borrowed("a"); 17]),
                _ => Value::One(Cow::Borrowed(&self.0)),
            }
        }
    }

    fn of(keys: &[&str], value: &str) -> RefusedRecord {
        let conditions: Vec<String> = keys.iter().map(|key| format!(r#""{key}": "x""#)).collect();
        let text = format!(
            r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "toys:Make",
            "Resource": "*", "Condition": {{"StringEquals": {{{}}}}}}}}}"#,
            conditions.join(", ")
        );
        let policy = Arc::new(Policy::parse(&text, Kind::Identity).unwrap());
        let identity = [NamedPolicy { name: "p".into(), policy }];
        let layers = Layers { identity: &identity, ..Layers::default() };
        let principal = Principal::Root { account: "123456789012".to_owned() };
        let context = Everything(value.to_owned());
        let request = Request {
            principal: &principal,
            action: "toys:Make",
            resource: "*",
            resource_account: None,
            context: &context,
        };
        refused(&layers, &request, &decide(&layers, &request))
    }

    fn value<'r>(record: &'r RefusedRecord, key: &str) -> &'r SeenValue {
        &record.keys.iter().find(|known| known.key == key).unwrap().value
    }

    #[test]
    fn only_mentioned_keys_are_kept_with_absent_and_unknown_told_apart() {
        let record = of(&["aws:Absent", "aws:Unknown", "aws:PrincipalTag/Team"], "red");
        assert_eq!(record.keys.len(), 3);
        assert_eq!(*value(&record, "aws:absent"), SeenValue::Absent);
        assert_eq!(*value(&record, "aws:unknown"), SeenValue::Unknown);
        assert_eq!(*value(&record, "aws:principaltag/team"), SeenValue::One("red".to_owned()));
    }

    #[test]
    fn private_long_and_many_values_are_withheld() {
        let record = of(&["aws:Referer", "toys:ExternalId", "toys:SessionToken", "aws:TagKeys"], "secret");
        assert!(record.keys.iter().all(|known| known.value == SeenValue::Withheld), "{record:?}");
        let record = of(&["aws:UserAgent"], &"x".repeat(VALUE_CHARS_MAX + 1));
        assert_eq!(*value(&record, "aws:useragent"), SeenValue::Withheld);
        assert_eq!(AsRecorded(&record).value("aws:useragent"), Value::Unknown);
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let keys: Vec<String> = (0..=KEYS_MAX).map(|at| format!("toys:Key{at}")).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let record = of(&keys, "v");
        assert_eq!(record.keys.len(), KEYS_MAX);
        assert!(record.more);
    }

    #[test]
    fn what_was_not_recorded_cannot_be_told() {
        let record = of(&["aws:PrincipalTag/Team"], "red");
        assert_eq!(AsRecorded(&record).value("aws:principaltag/team"), Value::one("red"));
        assert_eq!(AsRecorded(&record).value("aws:sourceip"), Value::Unknown);
    }
}
