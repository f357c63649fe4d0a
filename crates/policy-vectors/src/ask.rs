//! Puts a vector to the engine.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use casemate_policy::{
    Context, Grants, Kind, Layers, NamedPolicy, Policy, PolicyError, Principal, Request, ResourceRule, Value,
    Verdict, decide,
};
use casemate_resource_policies::of_service;
use serde_json::{Value as Json, json};

use crate::{
    Miss,
    table::{Vector, document},
};

const ACCOUNT: &str = "111111111111";
const OTHER: &str = "222222222222";

/// Condition keys from JSON: a text, a list of texts, or null for unknown.
pub(crate) struct Facts<'a>(pub(crate) &'a BTreeMap<String, Json>);

impl Context for Facts<'_> {
    fn value<'a>(&'a self, key: &str) -> Value<'a> {
        let found = self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value);
        match found {
            None => Value::Absent,
            Some(Json::String(one)) => Value::One(Cow::Borrowed(one)),
            Some(Json::Array(many)) => {
                Value::Many(many.iter().filter_map(Json::as_str).map(Cow::Borrowed).collect())
            }
            Some(_) => Value::Unknown,
        }
    }
}

#[derive(Debug)]
struct OneGrant;

impl Grants for OneGrant {
    fn allowing(&self, _request: &Request<'_>) -> Option<&str> {
        Some("grant-1")
    }
}

/// The compiled policies of a vector.
struct Compiled {
    identity: Vec<NamedPolicy>,
    resource: Option<NamedPolicy>,
    boundary: Option<Vec<NamedPolicy>>,
    session: Option<Vec<NamedPolicy>>,
    service_control: Vec<Vec<NamedPolicy>>,
    resource_control: Vec<Vec<NamedPolicy>>,
    vpc_endpoint: Option<Vec<NamedPolicy>>,
}

/// Asks and compares.
pub(crate) fn vector(vector: &Vector) -> Result<(), (Miss, String)> {
    let miss = |miss, got: &dyn std::fmt::Debug| {
        Err((miss, format!("{}: expected {}, got {got:?}", vector.name, vector.expect)))
    };
    let compiled = match (compile(vector), vector.expect.as_str()) {
        (Err(_), "unparsable") => return Ok(()),
        (Ok(_), "unparsable") => return miss(Miss::Allow, &"a policy that parses"),
        (Err(error), _) => return miss(Miss::Deny, &error),
        (Ok(compiled), _) => compiled,
    };
    let Some(principal) = principal(&vector.principal) else { return miss(Miss::Deny, &"no such principal") };
    let rule = match vector.rule.as_str() {
        "trust" => ResourceRule::Trust,
        "both" => ResourceRule::Both,
        "of its service" => {
            let prefix = vector.action.split_once(':').map_or("", |(prefix, _)| prefix);
            let Some(rules) = of_service(prefix) else { return miss(Miss::Deny, &"no such rules") };
            rules.rule(&vector.action)
        }
        _ => ResourceRule::Ordinary,
    };
    let layers = Layers {
        identity: &compiled.identity,
        resource: compiled.resource.as_ref(),
        boundary: compiled.boundary.as_deref(),
        session: compiled.session.as_deref(),
        service_control: &compiled.service_control,
        resource_control: &compiled.resource_control,
        vpc_endpoint: compiled.vpc_endpoint.as_deref(),
        grants: if vector.grant { Some(&OneGrant) } else { None },
        resource_rule: rule,
    };
    let request = Request {
        principal: &principal,
        action: &vector.action,
        resource: &vector.arn,
        resource_account: Some(if vector.owner == "other" { OTHER } else { ACCOUNT }),
        context: &Facts(&vector.context),
    };
    let decision = decide(&layers, &request);
    let verdict = match decision.verdict {
        Verdict::Allow => "allow",
        Verdict::ImplicitDeny => "implicit",
        Verdict::ExplicitDeny => "explicit",
    };
    let layer = decision.because.layer.to_string();
    let layer_fits = vector.layer.as_ref().is_none_or(|wanted| *wanted == layer);
    match (verdict == vector.expect && layer_fits, verdict) {
        (true, _) => Ok(()),
        (false, "allow") if vector.expect != "allow" => miss(Miss::Allow, &(verdict, layer)),
        (false, _) => miss(Miss::Deny, &(verdict, layer)),
    }
}

fn compile(vector: &Vector) -> Result<Compiled, PolicyError> {
    let level = |kind: Kind| move |docs: &Vec<Json>| all(docs, kind);
    let resource_kind = if vector.rule == "trust" { Kind::Trust } else { Kind::Resource };
    let resource_kind = match &vector.resource {
        // A key's policy has the rule of a role's and the grammar of a resource's.
        Some(tree) if !document(tree).to_string().contains("sts:") => Kind::Resource,
        Some(_) | None => resource_kind,
    };
    Ok(Compiled {
        identity: all(&vector.identity, Kind::Identity)?,
        resource: vector.resource.as_ref().map(|tree| named(tree, resource_kind)).transpose()?,
        boundary: vector.boundary.as_ref().map(level(Kind::Boundary)).transpose()?,
        session: vector.session.as_ref().map(level(Kind::Session)).transpose()?,
        service_control: vector
            .service_control
            .iter()
            .map(level(Kind::ServiceControl))
            .collect::<Result<_, _>>()?,
        resource_control: vector
            .resource_control
            .iter()
            .map(level(Kind::ResourceControl))
            .collect::<Result<_, _>>()?,
        vpc_endpoint: vector.vpc_endpoint.as_ref().map(level(Kind::Resource)).transpose()?,
    })
}

fn all(docs: &[Json], kind: Kind) -> Result<Vec<NamedPolicy>, PolicyError> {
    docs.iter().map(|tree| named(tree, kind)).collect()
}

fn named(tree: &Json, kind: Kind) -> Result<NamedPolicy, PolicyError> {
    let speaks_of_principals = match kind {
        Kind::Resource | Kind::Trust | Kind::ResourceControl => true,
        Kind::Identity | Kind::Boundary | Kind::Session | Kind::ServiceControl | Kind::Authorizer => false,
    };
    let canned = |effect: &str, actions: &str| {
        let mut statement = json!({"Effect": effect, "Action": actions, "Resource": "*"});
        if speaks_of_principals && let Some(fields) = statement.as_object_mut() {
            fields.insert("Principal".to_owned(), json!("*"));
        }
        statement
    };
    let statements = match tree.as_str() {
        Some("allow") => canned("Allow", "*"),
        Some("deny") => canned("Deny", "*"),
        Some("nothing") => canned("Allow", "elsewhere:*"),
        Some(_) | None => tree.clone(),
    };
    let policy = Policy::parse(&document(&statements).to_string(), kind)?;
    Ok(NamedPolicy { name: "p".into(), policy: Arc::new(policy) })
}

fn principal(word: &str) -> Option<Principal> {
    let account = ACCOUNT.to_owned();
    let user = |unique_id: &str| Principal::User {
        arn: "arn:aws:iam::111111111111:user/ann".to_owned(),
        unique_id: unique_id.to_owned(),
        account: ACCOUNT.to_owned(),
    };
    let session = |role_arn: &str, role_unique_id: &str, session_arn: &str| Principal::Session {
        role_arn: role_arn.to_owned(),
        role_unique_id: role_unique_id.to_owned(),
        session_arn: session_arn.to_owned(),
        account: ACCOUNT.to_owned(),
    };
    let app = "arn:aws:iam::111111111111:role/path/app";
    let app_session = "arn:aws:sts::111111111111:assumed-role/app/s";
    Some(match word {
        "user" => user("AIDAANNAAAAAAAAAAAAAA"),
        "user recreated" => user("AIDAANNBBBBBBBBBBBBBB"),
        "session" => session(app, "AROAAPPAAAAAAAAAAAAAA", app_session),
        "session recreated" => session(app, "AROAAPPBBBBBBBBBBBBBB", app_session),
        "session of lambda.amazonaws.com" => session(
            "arn:aws:iam::111111111111:role/lambda.amazonaws.com",
            "AROALAMBDAAAAAAAAAAAA",
            "arn:aws:sts::111111111111:assumed-role/lambda.amazonaws.com/lambda.amazonaws.com",
        ),
        "root" => Principal::Root { account },
        "federated" => {
            Principal::FederatedUser { arn: "arn:aws:sts::111111111111:federated-user/f".to_owned(), account }
        }
        "anonymous" => Principal::Anonymous,
        "service" => Principal::Service { name: "lambda.amazonaws.com".to_owned() },
        "web" => Principal::WebIdentity { provider: "cognito-identity.amazonaws.com".to_owned() },
        _ => return None,
    })
}
