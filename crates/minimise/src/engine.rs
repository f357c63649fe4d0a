//! Recorded requests put to the policy engine again.
//!
//! Some condition keys are not recorded (addresses, times, tags of resources). A condition on one cannot be replayed; it is
//! left out of the replay, and named, so that a certificate says what it assumes.

use std::{borrow::Cow, collections::BTreeSet};

use casemate_policy::{Context, Effect3, Kind, Policy, Principal, Request, Value, evaluate};

use crate::{
    Error,
    document::{Conditions, Statement, document},
    keys::is_recorded,
    recorded::{Exact, KeyValue},
};

/// What a policy says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Allowed,
    Denied,
    Nothing,
}

/// Statements compiled for replay.
#[derive(Debug)]
pub(crate) struct Replay {
    policy: Option<Policy>,
}

impl Replay {
    /// Compiles what of `statements` can be replayed. Denials with unrecorded keys are left out as a whole.
    pub(crate) fn of(statements: &[Statement]) -> Result<Self, Error> {
        let known: Vec<Statement> = statements
            .iter()
            .filter(|statement| statement.allows || unrecorded(statement).is_empty())
            .map(without_unrecorded)
            .collect();
        if known.is_empty() {
            return Ok(Self { policy: None });
        }
        let text = document(&known).to_string();
        let policy =
            Policy::parse(&text, Kind::Identity).map_err(|error| Error::Broken(error.to_string()))?;
        Ok(Self { policy: Some(policy) })
    }

    /// Asks.
    pub(crate) fn ask(&self, action: &str, exact: &Exact) -> Answer {
        let Some(policy) = &self.policy else { return Answer::Nothing };
        let facts = Facts(exact);
        let fact = |name: &str| {
            exact
                .facts
                .iter()
                .find(|(key, _)| key == name)
                .map_or_else(String::new, |(_, value)| value.clone())
        };
        // Identity policies do not look at who asks.
        let principal = Principal::User {
            arn: fact("aws:PrincipalArn"),
            unique_id: String::new(),
            account: fact("aws:PrincipalAccount"),
        };
        let request = Request {
            principal: &principal,
            action,
            resource: &exact.resource,
            resource_account: None,
            context: &facts,
        };
        match evaluate(policy, &request) {
            Effect3::Allow(_) => Answer::Allowed,
            Effect3::Deny(_) => Answer::Denied,
            Effect3::None => Answer::Nothing,
        }
    }
}

/// Keys of a statement that are not in the record, variables in its patterns included.
pub(crate) fn unrecorded(statement: &Statement) -> BTreeSet<String> {
    let keys = statement.tests().map(|(_, key, _)| key);
    keys.filter(|key| !is_recorded(key)).map(str::to_owned).collect()
}

fn without_unrecorded(statement: &Statement) -> Statement {
    let mut conditions = Conditions::new();
    for (operator, key, values) in statement.tests().filter(|(_, key, _)| is_recorded(key)) {
        conditions.entry(operator.to_owned()).or_default().insert(key.to_owned(), values.to_vec());
    }
    Statement { conditions, ..statement.clone() }
}

/// The condition keys of a recorded request.
struct Facts<'a>(&'a Exact);

impl Context for Facts<'_> {
    fn value<'v>(&'v self, key: &str) -> Value<'v> {
        let exact = self.0;
        if let Some((_, value)) = exact.keys.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)) {
            return match value {
                None => Value::Unknown,
                Some(KeyValue::One(one)) => Value::one(one),
                Some(KeyValue::Many(many)) => {
                    Value::Many(many.iter().map(|v| Cow::Borrowed(v.as_str())).collect())
                }
            };
        }
        if exact.is_unknown(key) {
            return Value::Unknown;
        }
        if key == "aws:calledvia" && !exact.called_via.is_empty() {
            return Value::Many(exact.called_via.iter().map(|v| Cow::Borrowed(v.as_str())).collect());
        }
        let mut pairs = exact.variables.iter().chain(&exact.facts);
        match pairs.find(|(name, _)| name.eq_ignore_ascii_case(key)) {
            Some((_, value)) => Value::one(value),
            None if is_recorded(key) => Value::Absent,
            None => Value::Unknown,
        }
    }
}
