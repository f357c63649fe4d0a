//! A compiled policy: its statements, and an index from action and resource to the few that can matter.

use std::collections::BTreeMap;

use crate::{
    Effect, Kind, PolicyError, Request,
    action::{ActionPattern, LowerAction},
    head_table::HeadTable,
    index::{Certainty, PrefixTable, WholeTable},
    parse,
    principal::{NamedAs, Whom},
    source::Source,
    statement::{Known, ResourcePattern, Selection, Statement, Subject},
};

/// Up to this many action patterns are looked at one after the other. Ours: about where searching becomes quicker.
const FEW_ACTIONS_MAX: usize = 16;

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
    source: Source,
    /// An Allow of everything without conditions, as ceilings that are open have.
    open: Option<usize>,
}

/// The statements of one effect, by action and then by resource.
#[derive(Debug, Clone)]
struct Index {
    is_empty: bool,
    actions: ByAction,
}

/// Action pattern → resource prefix → statements. Both forms offer the same in the same order: first what has no
/// wildcards, then the longest start.
#[derive(Debug, Clone)]
enum ByAction {
    /// Looked at one after the other.
    Few(HeadTable<ByResource>),
    Many {
        /// Of patterns without wildcards.
        whole: WholeTable<ByResource>,
        /// Of all others, by what they start with.
        prefixes: PrefixTable<ByResource>,
    },
}

/// Resource prefix → statements.
type ByResource = PrefixTable<Vec<Filed>>;

/// A statement, filed under one of its actions and one of its resources.
#[derive(Debug, Clone, Copy)]
struct Filed {
    /// Its position in the document.
    at: usize,
    action: Certainty,
    resource: Certainty,
}

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
            open: statements.iter().position(Statement::allows_everything),
            statements,
            source: Source::new(text),
        })
    }

    /// What the policy was parsed as.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The document as it was written.
    pub fn source(&self) -> &str {
        self.source.text()
    }

    /// The condition keys the document mentions, in conditions and as variables: in lower case, in order.
    pub fn condition_keys(&self) -> impl Iterator<Item = &str> {
        self.source.keys().iter().map(|key| &**key)
    }

    pub(crate) fn compiled(&self) -> &[Statement] {
        &self.statements
    }

    /// The statements in document order.
    pub fn statements(&self) -> impl Iterator<Item = StatementInfo<'_>> {
        self.statements.iter().map(Statement::info)
    }

    /// What each statement does and whom it names, in document order.
    pub(crate) fn whom(&self) -> impl Iterator<Item = (Effect, &Whom)> {
        self.statements.iter().map(|statement| (statement.effect, &statement.whom))
    }

    /// A statement that denies.
    pub(crate) fn denial(&self, subject: &Subject<'_>) -> Option<&Statement> {
        if self.denies.is_empty {
            return None;
        }
        self.find(&self.denies, subject, Some)
    }

    /// A statement that allows. Says nothing about denials.
    pub(crate) fn grant(&self, subject: &Subject<'_>) -> Option<&Statement> {
        if let Some(at) = self.open {
            return self.statements.get(at);
        }
        self.find(&self.allows, subject, Some)
    }

    /// Offers the statements that allow, each with every way in which it names the principal.
    pub(crate) fn grants<'a>(&'a self, subject: &Subject<'_>, mut each: impl FnMut(NamedAs, &'a Statement)) {
        let _: Option<()> = self.find(&self.allows, subject, |statement| {
            for named in statement.whom.named_as(subject.principal) {
                each(named, statement);
            }
            None
        });
    }

    /// Offers the statements of an index that apply until `each` answers.
    fn find<'a, R>(
        &'a self,
        index: &'a Index,
        subject: &Subject<'_>,
        mut each: impl FnMut(&'a Statement) -> Option<R>,
    ) -> Option<R> {
        index.find(subject, |at, known| {
            let statement = self.statements.get(at)?;
            if statement.applies_given(subject, known) { each(statement) } else { None }
        })
    }
}

/// Evaluates one policy alone, e.g. one that an authorizer answered.
pub fn evaluate<'a>(policy: &'a Policy, request: &Request<'_>) -> Effect3<'a> {
    let action = LowerAction::new(request.action);
    let subject = Subject::new(request, &action, false);
    if let Some(statement) = policy.denial(&subject) {
        return Effect3::Deny(statement.info());
    }
    policy.grant(&subject).map_or(Effect3::None, |statement| Effect3::Allow(statement.info()))
}

type Entries = BTreeMap<String, BTreeMap<String, Vec<Filed>>>;

impl Index {
    /// Offers everything that may match, with what is already known to, until `each` answers.
    fn find<R>(&self, subject: &Subject<'_>, mut each: impl FnMut(usize, Known) -> Option<R>) -> Option<R> {
        let mut under = |by_resource: &ByResource, action_whole: bool| {
            by_resource.find(subject.resource, |filed, resource_whole| {
                filed.iter().find_map(|filed| {
                    let action = known(filed.action, action_whole)?;
                    let resource = known(filed.resource, resource_whole)?;
                    each(filed.at, Known { action, resource })
                })
            })
        };
        match &self.actions {
            ByAction::Few(table) => table.find(subject.action, subject.action_head, under),
            ByAction::Many { whole, prefixes } => {
                let whole = whole.get(subject.action).and_then(|by_resource| under(by_resource, true));
                whole.or_else(|| prefixes.find(subject.action, under))
            }
        }
    }
}

/// Whether the pattern behind an entry is known to match; `None` if it is known not to.
fn known(certainty: Certainty, whole: bool) -> Option<bool> {
    match certainty {
        Certainty::Check => Some(false),
        Certainty::Prefix => Some(true),
        Certainty::Exact => whole.then_some(true),
    }
}

fn index(statements: &[Statement], effect: Effect) -> Index {
    let (mut whole, mut prefixed) = (Entries::new(), Entries::new());
    for (at, statement) in statements.iter().enumerate().filter(|(_, s)| s.effect == effect) {
        let actions = literals(Some(&statement.actions), ActionPattern::literal);
        let mut resources = literals(statement.resources.as_ref(), ResourcePattern::literal);
        if actions.len().saturating_mul(resources.len()) > ENTRIES_PER_STATEMENT_MAX {
            resources = BTreeMap::from([("", Certainty::Check)]);
        }
        for (action, action_certainty) in &actions {
            let entries = if *action_certainty == Certainty::Exact { &mut whole } else { &mut prefixed };
            let by_resource = entries.entry((*action).to_owned()).or_default();
            for (resource, resource_certainty) in &resources {
                let filed = Filed { at, action: *action_certainty, resource: *resource_certainty };
                by_resource.entry((*resource).to_owned()).or_default().push(filed);
            }
        }
    }
    let is_empty = whole.is_empty() && prefixed.is_empty();
    let tables = |entries: Entries| -> BTreeMap<String, ByResource> {
        entries.into_iter().map(|(action, tail)| (action, PrefixTable::new(tail))).collect()
    };
    let few = whole.len().saturating_add(prefixed.len()) <= FEW_ACTIONS_MAX;
    let (whole, prefixed) = (tables(whole), tables(prefixed));
    let actions = if few {
        ByAction::Few(HeadTable::new(whole, prefixed))
    } else {
        ByAction::Many { whole: WholeTable::new(whole), prefixes: PrefixTable::new(prefixed) }
    };
    Index { is_empty, actions }
}

/// What selected texts start with, and what finding that says. A single empty prefix for inverted selections, of which
/// nothing is known, and for missing ones, which select everything.
fn literals<T>(
    selection: Option<&Selection<T>>,
    literal: impl Fn(&T) -> (&str, Certainty),
) -> BTreeMap<&str, Certainty> {
    let Some(selection) = selection else { return BTreeMap::from([("", Certainty::Prefix)]) };
    if selection.inverted {
        return BTreeMap::from([("", Certainty::Check)]);
    }
    let mut all = BTreeMap::new();
    for (text, certainty) in selection.patterns.iter().map(literal) {
        all.entry(text)
            .and_modify(|known: &mut Certainty| *known = known.either(certainty))
            .or_insert(certainty);
    }
    all
}
