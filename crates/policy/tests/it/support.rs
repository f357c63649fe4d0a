//! What the tests share: a context from pairs, principals of one account, short ways to ask.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use casemate_policy::{
    Context, Decision, Effect3, Kind, Layers, NamedPolicy, Policy, Principal, Request, Value, decide,
    evaluate,
};

pub const ACCOUNT: &str = "111111111111";
pub const OTHER: &str = "222222222222";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    Unknown,
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, Clone, Default)]
pub struct Facts(pub BTreeMap<String, Fact>);

impl Facts {
    pub fn one(mut self, key: &str, value: &str) -> Self {
        self.0.insert(key.to_ascii_lowercase(), Fact::One(value.to_owned()));
        self
    }

    pub fn many(mut self, key: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|v| (*v).to_owned()).collect();
        self.0.insert(key.to_ascii_lowercase(), Fact::Many(values));
        self
    }

    pub fn unknown(mut self, key: &str) -> Self {
        self.0.insert(key.to_ascii_lowercase(), Fact::Unknown);
        self
    }
}

impl Context for Facts {
    fn value<'a>(&'a self, key: &str) -> Value<'a> {
        assert_eq!(key, key.to_ascii_lowercase(), "keys are asked for in lower case");
        match self.0.get(key) {
            None => Value::Absent,
            Some(Fact::Unknown) => Value::Unknown,
            Some(Fact::One(value)) => Value::One(Cow::Borrowed(value)),
            Some(Fact::Many(values)) => {
                Value::Many(values.iter().map(|v| Cow::Borrowed(v.as_str())).collect())
            }
        }
    }
}

pub fn user(name: &str) -> Principal {
    Principal::User {
        arn: format!("arn:aws:iam::{ACCOUNT}:user/{name}"),
        unique_id: format!("AIDA{:A<16}", name.to_ascii_uppercase()),
        account: ACCOUNT.to_owned(),
    }
}

pub fn session(role: &str, session: &str) -> Principal {
    Principal::Session {
        role_arn: format!("arn:aws:iam::{ACCOUNT}:role/path/{role}"),
        role_unique_id: format!("AROA{:A<16}", role.to_ascii_uppercase()),
        session_arn: format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}"),
        account: ACCOUNT.to_owned(),
    }
}

pub fn named(text: &str, kind: Kind) -> NamedPolicy {
    NamedPolicy { name: "p".into(), policy: Arc::new(Policy::parse(text, kind).expect(text)) }
}

/// An identity policy of one statement.
pub fn identity(statement: &str) -> NamedPolicy {
    named(&format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#), Kind::Identity)
}

/// A resource policy of one statement.
pub fn resource(statement: &str) -> NamedPolicy {
    named(&format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#), Kind::Resource)
}

pub fn allow_all() -> NamedPolicy {
    identity(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#)
}

pub fn ask(layers: &Layers<'_>, principal: &Principal, owner: &str) -> Decision {
    let context = Facts::default();
    decide(
        layers,
        &Request {
            principal,
            action: "s3:GetObject",
            resource: "arn:aws:s3:::bucket/key",
            resource_account: Some(owner),
            context: &context,
        },
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    Allow,
    Deny,
    Nothing,
}

/// What one identity policy says to `user/ann`.
pub fn says(policy: &NamedPolicy, action: &str, resource: &str, context: &Facts) -> Says {
    let principal = user("ann");
    let request = Request { principal: &principal, action, resource, resource_account: None, context };
    match evaluate(&policy.policy, &request) {
        Effect3::Allow(_) => Says::Allow,
        Effect3::Deny(_) => Says::Deny,
        Effect3::None => Says::Nothing,
    }
}
