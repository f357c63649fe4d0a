//! A compiled policy: its statements, and an index from action and resource to the few that can matter.

use std::collections::BTreeMap;

use crate::{
    Effect, Kind, PolicyError, Request,
    action::LowerAction,
    index::PrefixTable,
    parse,
    principal::NamedAs,
    statement::{Selection, Statement, Subject},
};

/// More index entries than this for one statement and it is filed under its actions only, so that the index stays
/// linear in the size of the document. Ours; a statement of a 6,144-character policy rarely has more than 100.
const ENTRIES_PER_STATEMENT_MAX: usize = 1024;

/// A compiled policy. It cannot be changed; parse a new one instead.
#[derive(Debug, Clone)]
pub struct Policy {
    kind: Kind,
    statements: Vec<Statement>,
    denies: Index,
    allows: Index,
}

/// Action prefix → resource prefix → positions of statements.
type Index = PrefixTable<PrefixTable<Vec<usize>>>;

/// Names a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementInfo<'a> {
    /// Its `Sid`.
    pub sid: Option<&'a str>,
    /// Its position in the document, from 0.
    pub index: usize,
    /// What it does.
    pub effect: Effect,
}

/// What one policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect3<'a> {
    /// Allowed by this statement; none denies.
    Allow(StatementInfo<'a>),
    /// Denied by this statement.
    Deny(StatementInfo<'a>),
    /// Nothing applies.
    None,
}

impl Policy {
    /// Longest document taken, in bytes: what the APIs' `policyDocumentType` admits. Services have tighter quotas.
    pub const LENGTH_MAX: usize = 131_072;

    /// Parses and compiles a document. Anything outside the grammar of its `kind` is refused: a statement that is not
    /// understood must not be silently without effect.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, PolicyError> {
        let statements = parse::document(text, kind)?;
        Ok(Self {
            kind,
            denies: index(&statements, Effect::Deny),
            allows: index(&statements, Effect::Allow),
            statements,
        })
    }

    /// What the policy was parsed as.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The statements in document order.
    pub fn statements(&self) -> impl Iterator<Item = StatementInfo<'_>> {
        self.statements.iter().enumerate().map(|(at, statement)| statement.info(at))
    }

    /// A statement that denies.
    pub(crate) fn denial(&self, subject: &Subject<'_>) -> Option<StatementInfo<'_>> {
        self.applying(&self.denies, subject).next().map(|(at, statement)| statement.info(at))
    }

    /// A statement that allows. Says nothing about denials.
    pub(crate) fn grant(&self, subject: &Subject<'_>) -> Option<StatementInfo<'_>> {
        self.applying(&self.allows, subject).next().map(|(at, statement)| statement.info(at))
    }

    /// The statements that allow, each with every way in which it names the principal.
    pub(crate) fn grants<'a, 'b>(
        &'a self,
        subject: &Subject<'b>,
    ) -> impl Iterator<Item = (NamedAs, StatementInfo<'a>)> + use<'a, 'b> {
        let principal = subject.principal;
        self.applying(&self.allows, subject).flat_map(move |(at, statement)| {
            statement.whom.named_as(principal).map(move |named| (named, statement.info(at)))
        })
    }

    fn applying<'a, 'b>(
        &'a self,
        index: &'a Index,
        subject: &Subject<'b>,
    ) -> impl Iterator<Item = (usize, &'a Statement)> + use<'a, 'b> {
        let subject = *subject;
        index
            .matching(subject.action)
            .flat_map(move |by_resource| by_resource.matching(subject.resource))
            .flatten()
            .filter_map(|at| self.statements.get(*at).map(|statement| (*at, statement)))
            .filter(move |(_, statement)| statement.applies(&subject))
    }
}

/// Evaluates one policy alone, e.g. one that an authorizer answered.
pub fn evaluate<'a>(policy: &'a Policy, request: &Request<'_>) -> Effect3<'a> {
    let action = LowerAction::new(request.action);
    let subject = Subject::new(request, &action, false);
    if let Some(statement) = policy.denial(&subject) {
        return Effect3::Deny(statement);
    }
    policy.grant(&subject).map_or(Effect3::None, Effect3::Allow)
}

fn index(statements: &[Statement], effect: Effect) -> Index {
    let mut entries: BTreeMap<String, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
    for (at, statement) in statements.iter().enumerate().filter(|(_, s)| s.effect == effect) {
        let actions = prefixes(Some(&statement.actions), |pattern| pattern.literal_prefix());
        let mut resources = prefixes(statement.resources.as_ref(), |pattern| pattern.literal_prefix());
        if actions.len().saturating_mul(resources.len()) > ENTRIES_PER_STATEMENT_MAX {
            resources = vec![""];
        }
        for action in &actions {
            let by_resource = entries.entry((*action).to_owned()).or_default();
            for resource in &resources {
                let filed = by_resource.entry((*resource).to_owned()).or_default();
                if filed.last() != Some(&at) {
                    filed.push(at);
                }
            }
        }
    }
    PrefixTable::new(entries.into_iter().map(|(action, tail)| (action, PrefixTable::new(tail))).collect())
}

/// What everything selected must start with; a single empty prefix for inverted and missing selections.
fn prefixes<T>(selection: Option<&Selection<T>>, prefix: impl Fn(&T) -> &str) -> Vec<&str> {
    match selection {
        Some(selection) if !selection.inverted => {
            let mut all: Vec<&str> = selection.patterns.iter().map(prefix).collect();
            all.sort_unstable();
            all.dedup();
            all
        }
        Some(_) | None => vec![""],
    }
}
