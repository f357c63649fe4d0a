//! One compiled statement and whether it applies to a request.

use crate::{
    Effect, Name, Principal, Request, StatementInfo,
    action::{ActionPattern, LowerAction},
    arn::ArnPattern,
    condition::Condition,
    facts::Context,
    head_table::Head,
    index::Certainty,
    principal::Whom,
    truth::Truth,
};

/// A compiled statement.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// The position in the document, from 0.
    pub(crate) at: usize,
    pub(crate) sid: Option<Name>,
    pub(crate) effect: Effect,
    pub(crate) whom: Whom,
    pub(crate) actions: Selection<ActionPattern>,
    /// `None` in trust policies, whose resource is the role itself.
    pub(crate) resources: Option<Selection<ResourcePattern>>,
    pub(crate) conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone)]
pub(crate) struct Selection<T> {
    pub(crate) patterns: Vec<T>,
    /// Everything but the patterns.
    pub(crate) inverted: bool,
}

/// An element of `Resource` or `NotResource`.
#[derive(Debug, Clone)]
pub(crate) enum ResourcePattern {
    /// `*`
    Everything,
    /// An ARN with wildcards and variables.
    Arn(Box<ArnPattern>),
}

/// A request, prepared once for all policies.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) principal: &'a Principal,
    /// In lower case.
    pub(crate) action: &'a str,
    pub(crate) action_head: Head,
    pub(crate) resource: &'a str,
    pub(crate) context: &'a dyn Context,
    /// `NotPrincipal` never excepts a principal that has a permissions boundary.
    pub(crate) has_boundary: bool,
}

/// What finding a statement in the index has already shown to match.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known {
    pub(crate) action: bool,
    pub(crate) resource: bool,
}

impl<'a> Subject<'a> {
    pub(crate) fn new(request: &Request<'a>, action: &'a LowerAction, has_boundary: bool) -> Self {
        Self {
            principal: request.principal,
            action: action.text(),
            action_head: action.head(),
            resource: request.resource,
            context: request.context,
            has_boundary,
        }
    }
}

impl<T> Selection<T> {
    fn selects(&self, matches: impl Fn(&T) -> Truth) -> Truth {
        let matched = Truth::any(self.patterns.iter().map(matches));
        if self.inverted { matched.not() } else { matched }
    }
}

impl ResourcePattern {
    // AWS: an action without resource-level permissions has the resource `*`, which only the pattern `*` matches.
    pub(crate) fn matches(&self, resource: &str, context: &dyn Context) -> Truth {
        match self {
            Self::Everything => Truth::True,
            Self::Arn(pattern) => pattern.matches(resource, context),
        }
    }

    /// The longest text everything that matches starts with, and what starting with it means.
    pub(crate) fn literal(&self) -> (&str, Certainty) {
        match self {
            Self::Everything => ("", Certainty::Prefix),
            Self::Arn(pattern) => pattern.literal(),
        }
    }
}

impl Statement {
    /// Whether the statement has its effect, given what the index knows.
    pub(crate) fn applies_given(&self, subject: &Subject<'_>, known: Known) -> bool {
        let action = known.action
            || self.actions.selects(|pattern| Truth::of(pattern.matches(subject.action))) == Truth::True;
        if !action || !self.concerns(subject) {
            return false;
        }
        let holds = || {
            let resource = match &self.resources {
                Some(resources) if !known.resource => {
                    resources.selects(|pattern| pattern.matches(subject.resource, subject.context))
                }
                Some(_) | None => Truth::True,
            };
            if resource == Truth::False {
                return Truth::False;
            }
            let conditions = self.conditions.iter().map(|condition| condition.holds(subject.context));
            resource.min(Truth::all(conditions))
        };
        // An Allow needs certainty, a Deny only the possibility.
        match self.effect {
            Effect::Allow => holds() == Truth::True,
            Effect::Deny => holds() != Truth::False,
        }
    }

    /// Whether this is an Allow of every action on every resource, whoever the policy is attached to.
    pub(crate) fn allows_everything(&self) -> bool {
        let actions = &self.actions;
        let everything = |resources: &Selection<ResourcePattern>| {
            let all = |pattern: &ResourcePattern| matches!(pattern, ResourcePattern::Everything);
            !resources.inverted && resources.patterns.iter().any(all)
        };
        self.effect == Effect::Allow
            && matches!(self.whom, Whom::Attached)
            && self.conditions.is_empty()
            && !actions.inverted
            && actions.patterns.iter().any(|pattern| matches!(pattern, ActionPattern::Everything))
            && self.resources.as_ref().is_some_and(everything)
    }

    fn concerns(&self, subject: &Subject<'_>) -> bool {
        // AWS: IAM User Guide, "NotPrincipal": a principal with a permissions boundary is always denied.
        let bounded = matches!(self.whom, Whom::AllBut(_)) && subject.has_boundary;
        bounded || self.whom.names(subject.principal)
    }

    pub(crate) fn info(&self) -> StatementInfo<'_> {
        StatementInfo { sid: self.sid.as_deref(), index: self.at, effect: self.effect }
    }
}
