//! `POST /_casemate/explain`: why a request was refused (`{"requestId": …}`), or what would be said to one
//! (`{"principal": …, "action": …, "resource": …, "context": {…}}`). Needs `casemate:Explain` on
//! `arn:aws:casemate:REGION:ACCOUNT:explain`.
//!
//! An answer shows policies. A caller is told only about principals and resources of its own account; the site's home
//! account, which operates it, about all.

use std::collections::BTreeMap;

use casemate_advice::is_multi_valued;
use casemate_kernel::{
    Env, Exchange, Explained, Fault, KeyValue, Outgoing, Question, Unexplained,
    audit::{AskRecord, Record},
    policy::{Explanation, Layer},
};
use casemate_names::{AccountId, Arn, Timestamp};
use http::StatusCode;
use serde::{Deserialize, Serialize};

/// Where it is.
pub const PATH: &str = "/_casemate/explain";
/// Questions are short. Ours.
const BODY_BYTES_MAX: usize = 64 << 10;

/// The request's body.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Asked {
    /// A refused request's id; nothing else is given then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// An ARN, a service's name, or `anonymous`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// `service:Action`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// An ARN; `*` or nothing for actions without resource-level permission.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Condition keys with their values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub context: BTreeMap<String, Vec<String>>,
}

/// The answer's body.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answered {
    /// One for each question the request was refused on.
    pub explanations: Vec<Told>,
}

/// One explanation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// Who asked.
    pub principal: String,
    /// For which action.
    pub action: String,
    /// On which resource.
    pub resource: String,
    /// Layer by layer.
    pub explanation: Explanation,
    /// When the request was made and what was decided then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Then>,
    /// What could not be taken into account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A refused request as its record has it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Then {
    /// ISO 8601.
    pub at: String,
    /// The decision in words.
    pub decision: String,
    /// Whether a policy that applies has changed since.
    pub policies_changed: bool,
}

pub(super) async fn answer(env: &Env, exchange: &mut Exchange) -> Result<Outgoing, Fault> {
    let admitted = match super::admit(env, exchange, "casemate:Explain", "explain")? {
        Ok(admitted) => admitted,
        Err(refusal) => return Ok(refusal),
    };
    if exchange.body().len() > BODY_BYTES_MAX {
        return Err(Fault::validation("the question is too long"));
    }
    let asked: Asked = serde_json::from_slice(exchange.body())
        .map_err(|error| Fault::validation(format!("the question cannot be read: {error}")))?;
    let account = &admitted.scope.account;
    let explanations = match &asked.request_id {
        Some(id) => of_request(env, id, account, exchange.now).await?,
        None => vec![of_question(env, &asked, account, exchange.now).await?],
    };
    let body = serde_json::to_vec(&Answered { explanations }).map_err(Fault::internal)?;
    Ok(Outgoing::new(StatusCode::OK, "application/json", body))
}

async fn of_question(env: &Env, asked: &Asked, account: &AccountId, now: Timestamp) -> Result<Told, Fault> {
    let given = |value: &Option<String>, name: &str| {
        value.clone().ok_or_else(|| Fault::validation(format!("`{name}` is missing")))
    };
    let action = given(&asked.action, "action")?;
    if action.split(':').filter(|part| !part.is_empty()).count() != 2 || action.contains(['*', '?']) {
        return Err(Fault::validation(format!("`{action}` is not an action like dynamodb:GetItem")));
    }
    let question = Question {
        principal: given(&asked.principal, "principal")?,
        access_key_id: None,
        action,
        resource: resource(asked.resource.as_deref().unwrap_or("*"))?,
        context: asked.context.iter().map(|(key, given)| (key.clone(), Some(value(key, given)))).collect(),
        refused: None,
    };
    if !may_know(env, account, &question) {
        return Err(elsewhere());
    }
    let (question, explained) = explain(env, question, account, now).await?;
    Ok(told(question, explained, None))
}

/// What is given of a key, as a request would have it: of a multi-valued key a list, of another one text.
fn value(key: &str, given: &[String]) -> KeyValue {
    match given {
        [one] if !is_multi_valued(key) => one.as_str().into(),
        many => many.to_vec().into(),
    }
}

async fn of_request(env: &Env, id: &str, account: &AccountId, now: Timestamp) -> Result<Vec<Told>, Fault> {
    let legal =
        !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !legal {
        return Err(Fault::validation("a request id has letters, digits and hyphens"));
    }
    let (audit, wanted) = (env.audit.clone(), id.to_owned());
    let records = env.heavy.run(move || audit.about(&wanted)).await?.map_err(Fault::internal)?;
    let mut all = Vec::new();
    for record in &records {
        for ask in &record.asks {
            let Some(refused) = &ask.refused else { continue };
            let question = recorded(record, ask)?;
            // Who may not know of a request is not told that there was one.
            if !may_know(env, account, &question) {
                continue;
            }
            let (question, explained) = explain(env, question, account, now).await?;
            let then = Then {
                at: record.at.clone(),
                decision: refused.decision.denial_text(&record.caller, &ask.action, &ask.resource),
                policies_changed: explained.policies != refused.policies,
            };
            all.push(told(question, explained, Some(then)));
        }
    }
    if all.is_empty() {
        return Err(Fault::coded(
            "ResourceNotFoundException",
            404,
            format!("no request `{id}` that the policies refused is in the audit trail"),
        ));
    }
    Ok(all)
}

/// Large policies take a while to try changes of: not for the reactor.
async fn explain(
    env: &Env,
    question: Question,
    account: &AccountId,
    now: Timestamp,
) -> Result<(Question, Explained), Fault> {
    let kernel = env.kernel()?;
    let (question, explained) = env
        .heavy
        .run(move || {
            let explained = kernel.explain(&question, now);
            (question, explained)
        })
        .await?;
    let mut explained = explained?.map_err(unexplained)?;
    if *account != env.site.scope.account {
        without_ceilings(&mut explained.explanation);
    }
    Ok((question, explained))
}

fn recorded(record: &Record, ask: &AskRecord) -> Result<Question, Fault> {
    Ok(Question {
        principal: record.caller.clone(),
        access_key_id: record.access_key_id.clone(),
        action: ask.action.clone(),
        resource: resource(&ask.resource)?,
        context: Vec::new(),
        refused: ask.refused.clone(),
    })
}

fn resource(text: &str) -> Result<Option<Arn>, Fault> {
    if text == "*" {
        return Ok(None);
    }
    Arn::parse(text).map(Some).map_err(|_| Fault::validation(format!("`{text}` is neither an ARN nor `*`")))
}

fn may_know(env: &Env, account: &AccountId, question: &Question) -> bool {
    if *account == env.site.scope.account {
        return true;
    }
    let principal = Arn::parse(&question.principal).ok().and_then(|arn| arn.account_id());
    let resource = question.resource.as_ref().and_then(Arn::account_id);
    // Nothing may be another's, and something must be one's own.
    [&principal, &resource].into_iter().flatten().all(|owner| owner == account)
        && (principal.is_some() || resource.is_some())
}

fn elsewhere() -> Fault {
    Fault::coded("AccessDeniedException", 403, "the principal or the resource belongs to another account")
}

fn unexplained(error: Unexplained) -> Fault {
    match error {
        Unexplained::NoPrincipal(name) => {
            Fault::coded("ResourceNotFoundException", 404, format!("there is no principal `{name}`"))
        }
        Unexplained::NotAPrincipal(name) => Fault::validation(format!(
            "`{name}` is not the ARN of a user, role, role session or account root, nor a service's name"
        )),
    }
}

/// An organisation's ceilings are its own: whoever is under them learns which one refused, not what they say.
fn without_ceilings(explanation: &mut Explanation) {
    let is_ceiling = |layer: Layer| matches!(layer, Layer::ServiceControl | Layer::ResourceControl);
    for said in explanation.layers.iter_mut().filter(|said| is_ceiling(said.layer)) {
        said.because.clear();
        said.nearest.clear();
    }
    if let Some(changes) = &mut explanation.changes {
        let before = changes.changes.len();
        changes.changes.retain(|change| !is_ceiling(change.layer));
        changes.complete &= changes.changes.len() == before;
    }
}

fn told(question: Question, explained: Explained, then: Option<Then>) -> Told {
    Told {
        principal: question.principal,
        action: question.action,
        resource: question.resource.map_or_else(|| "*".to_owned(), |arn| arn.as_str().to_owned()),
        explanation: explained.explanation,
        then,
        notes: explained.notes,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use casemate_policy::{Kind, Layers, NamedPolicy, NoContext, Policy, Principal, Request, explain};

    use super::*;

    fn named(name: &str, statement: &str, kind: Kind) -> NamedPolicy {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        NamedPolicy { name: name.into(), policy: Arc::new(Policy::parse(&text, kind).unwrap()) }
    }

    #[test]
    fn whoever_is_under_a_ceiling_learns_that_it_refused_and_not_what_it_says() {
        let allow = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
        let deny = r#"{"Effect":"Deny","Action":"x:Do","Resource":"*",
            "Condition":{"StringNotEquals":{"aws:PrincipalTag/team":"codename"}}}"#;
        let identity = [named("own", allow, Kind::Identity)];
        let ceiling = named("ceiling", &format!("{allow},{deny}"), Kind::ServiceControl);
        let levels = [vec![ceiling]];
        let layers = Layers { identity: &identity, service_control: &levels, ..Layers::default() };
        let account = "123456789012".to_owned();
        let request = Request {
            principal: &Principal::Root { account: account.clone() },
            action: "x:Do",
            resource: "*",
            resource_account: Some(&account),
            context: &NoContext,
        };
        let mut explanation = explain(&layers, &request);
        let text = |explanation: &Explanation| serde_json::to_string(explanation).unwrap();
        assert!(text(&explanation).contains("codename"), "the operator is told");
        without_ceilings(&mut explanation);
        assert!(!text(&explanation).contains("codename"), "{}", text(&explanation));
        assert!(explanation.layers.iter().any(|said| said.layer == Layer::ServiceControl && said.refuses));
        assert!(explanation.changes.is_some_and(|changes| !changes.complete));
    }
}
