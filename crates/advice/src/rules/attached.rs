//! Whether the service of a resource would take the policy for it.

use casemate_policy::{Kind, Policy};
use casemate_resource_policies as services;

use super::at;
use crate::{
    Attached,
    document::Document,
    finding::{Finding, NOT_ATTACHABLE},
};

/// The first thing the service objects to. Of resources whose service's rules are not known nothing is said.
pub(super) fn all(document: &Document, text: &str, attached: Option<&Attached<'_>>) -> Option<Finding> {
    let counted = services::Document::read(text)?;
    let told = || services::of_service(&counted.service()?);
    let rules = attached.map(|attached| attached.rules).or_else(told)?;
    let resource = attached.and_then(|attached| attached.resource);
    // What a template has yet to fill in may be longer or shorter.
    let size = if document.settled { rules.size(text) } else { Ok(()) };
    let said = size.and_then(|()| rules.fits(&counted, resource)).and_then(|()| public(text, attached));
    let refusal = said.err()?;
    let message = format!("{}; the service says {}: {}", refusal.why, refusal.code, refusal.message);
    let statement = document.statements.iter().find(|statement| Some(statement.at) == refusal.statement);
    Some(match statement {
        Some(statement) => at(&NOT_ATTACHABLE, statement, message),
        None => Finding::whole(&NOT_ATTACHABLE, message),
    })
}

fn public(text: &str, attached: Option<&Attached<'_>>) -> Result<(), services::Refusal> {
    let blocked = attached.is_some_and(|attached| attached.block_public);
    // What is outside the grammar has a finding of its own.
    let policy = if blocked { Policy::parse(text, Kind::Resource).ok() } else { None };
    policy.map_or(Ok(()), |policy| services::secretsmanager::block_public(&policy))
}
