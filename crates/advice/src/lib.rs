//! Advice on policies: what a document says that its author probably did not mean, or should not.
//!
//! [`lint`] looks at one document, [`lint_together`] at what several of one principal allow, [`lint_template`] at those of a template's resources and at how the resources share them.
//! Each rule has an id (`CM…`), a severity, an explanation and a fix ([`RULES`]). A rule never decides anything: the engine
//! does, whatever is said here.
//!
//! Refuses to know how a document came here and how findings are shown, but for the one interchange format ([`sarif`]).

mod actions;
mod attachments;
mod binding;
mod document;
mod finding;
mod glob;
mod lines;
mod rules;
pub mod sarif;
mod template;

pub use actions::is_multi_valued;
pub use finding::{Finding, RULES, Rule, Severity};
pub use template::{Resource, lint_template};

use casemate_names::Arn;
use casemate_policy::Kind;
use casemate_resource_policies::{Rules, of_resource};

use crate::document::Document;

/// What a resource's policy is attached to, where that is known.
#[derive(Debug, Clone, Copy)]
pub struct Attached<'a> {
    pub(crate) rules: &'static dyn Rules,
    pub(crate) resource: Option<&'a Arn>,
    /// Public policies are to be refused.
    pub(crate) block_public: bool,
}

impl<'a> Attached<'a> {
    /// A single resource; `None` where the rules of its service are not known.
    pub fn to(resource: &'a Arn) -> Option<Self> {
        of_resource(resource).map(|rules| Self { rules, resource: Some(resource), block_public: false })
    }
}

/// What the policy in `text` is, by its form: with principals it is a resource's or a role's.
pub fn kind_of(text: &str) -> Kind {
    Document::read(text).map_or(Kind::Identity, |document| document.likely_kind())
}

/// Looks at one policy document. Of a resource's it is told by its form to what service it belongs.
pub fn lint(text: &str, kind: Kind) -> Vec<Finding> {
    look(text, kind, None)
}

/// Looks at the policy of a resource.
pub fn lint_attached(text: &str, attached: &Attached<'_>) -> Vec<Finding> {
    look(text, Kind::Resource, Some(attached))
}

fn look(text: &str, kind: Kind, attached: Option<&Attached<'_>>) -> Vec<Finding> {
    let mut findings = match Document::read(text) {
        None => vec![Finding::whole(&finding::UNREADABLE, "it is not a JSON object with a Statement")],
        Some(document) => rules::all(&document, text, kind, attached),
    };
    let lines = lines::of_statements(text);
    for finding in &mut findings {
        finding.line = finding.statement.and_then(|at| lines.get(at).copied()).or(finding.line);
    }
    findings.sort_by_key(|finding| (finding.statement, finding.rule.id));
    findings
}

/// Looks at what identity policies of one principal (name and text) allow only together: each finding with the position of
/// the document that it is about. What a document allows alone is [`lint`]'s to find.
pub fn lint_together(documents: &[(&str, &str)]) -> Vec<(usize, Finding)> {
    // What cannot be read is a finding of its own, by `lint`; it allows nothing.
    let read: Vec<(usize, Document)> = documents
        .iter()
        .enumerate()
        .filter_map(|(at, (_, text))| Some((at, Document::read(text)?)))
        .collect();
    let name = |at: usize| documents.get(at).map_or("", |(name, _)| *name);
    let named: Vec<(&str, &Document)> = read.iter().map(|(at, document)| (name(*at), document)).collect();
    let found = rules::escalation::across(&named).into_iter().filter_map(|(of, mut finding)| {
        let (at, _) = read.get(of)?;
        let (_, text) = documents.get(*at)?;
        finding.line =
            finding.statement.and_then(|statement| lines::of_statements(text).get(statement).copied());
        Some((*at, finding))
    });
    found.collect()
}

/// A finding that is no matter of the document: that these actions of a statement were never used. Who records use knows.
pub fn unused(text: &str, statement: usize, sid: Option<String>, actions: &[String]) -> Finding {
    Finding {
        statement: Some(statement),
        sid,
        line: lines::of_statements(text).get(statement).copied(),
        ..Finding::whole(&finding::UNUSED, format!("never used: {}", actions.join(", ")))
    }
}
