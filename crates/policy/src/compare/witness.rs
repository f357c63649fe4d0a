//! A concrete request, and what both sides answer to it. Refuses to know how it was found.

use std::{borrow::Cow, collections::BTreeMap};

use super::{Document, principals::anybody};
use crate::{Context, Decisive, Effect3, Principal, Request, StatementInfo, Value, Verdict, evaluate};

/// What a witness says of a context key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Given {
    /// Not part of the request.
    Absent,
    /// A single value.
    One(String),
    /// Several values.
    Many(Vec<String>),
}

/// A request that one side allows and the other does not. Both answers are the engine's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Who asks; `None` where the policies do not say to whom they apply.
    pub principal: Option<Principal>,
    /// In lower case unless it comes from the given actions.
    pub action: String,
    /// An ARN, or `*`.
    pub resource: String,
    /// The keys that matter, in lower case. All others are absent.
    pub context: BTreeMap<String, Given>,
    /// What the old policies say.
    pub old: Answer,
    /// What the new policies say.
    pub new: Answer,
}

/// What the policies of one side say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Yes or no.
    pub verdict: Verdict,
    /// The statement that decided; `None` when none applies.
    pub decisive: Option<Decisive>,
}

/// A request that has not been put to the engine.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) principal: Option<Principal>,
    pub(super) action: String,
    pub(super) resource: String,
    pub(super) context: BTreeMap<String, Given>,
}

/// Context keys from a map.
#[derive(Debug, Default)]
pub(super) struct Facts<'a>(pub(super) BTreeMap<&'a str, Given>);

impl Context for Facts<'_> {
    fn value<'a>(&'a self, key: &str) -> Value<'a> {
        match self.0.get(key) {
            None | Some(Given::Absent) => Value::Absent,
            Some(Given::One(value)) => Value::one(value),
            Some(Given::Many(values)) => {
                Value::Many(values.iter().map(|value| Cow::Borrowed(value.as_str())).collect())
            }
        }
    }
}

impl Question {
    /// Asks the engine on behalf of both sides.
    pub(super) fn ask(self, old: &[Document], new: &[Document]) -> Witness {
        let (old, new) = (self.answer(old), self.answer(new));
        let Self { principal, action, resource, context } = self;
        Witness { principal, action, resource, context, old, new }
    }

    fn answer(&self, documents: &[Document]) -> Answer {
        let facts = Facts(self.context.iter().map(|(key, given)| (key.as_str(), given.clone())).collect());
        let principal = self.principal.clone().unwrap_or_else(anybody);
        let request = Request {
            principal: &principal,
            action: &self.action,
            resource: &self.resource,
            resource_account: None,
            context: &facts,
        };
        answer(documents, &request)
    }
}

/// What policies that apply side by side say: a deny in any wins, then an allow in any.
pub fn answer(documents: &[Document], request: &Request<'_>) -> Answer {
    let decisive = |document: &Document, statement: StatementInfo<'_>| Decisive {
        policy: document.name().into(),
        sid: statement.sid.map(Into::into),
        statement: statement.index,
    };
    let mut found = Answer { verdict: Verdict::ImplicitDeny, decisive: None };
    for document in documents {
        match evaluate(document.policy(), request) {
            Effect3::Deny(statement) => {
                let decisive = Some(decisive(document, statement));
                return Answer { verdict: Verdict::ExplicitDeny, decisive };
            }
            Effect3::Allow(statement) if found.decisive.is_none() => {
                found = Answer { verdict: Verdict::Allow, decisive: Some(decisive(document, statement)) };
            }
            Effect3::Allow(_) | Effect3::None => {}
        }
    }
    found
}
