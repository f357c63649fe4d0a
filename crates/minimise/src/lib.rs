//! The minimal identity policies for what a role was seen using, with proofs.
//!
//! [`minimise`] narrows the current policies to the recorded use: exact resources where they are few, conditions on what
//! the services reported, policy variables where the caller's tags explain the values. Its [`Certificate`] is computed
//! from the result: every recorded request replays as allowed, nothing is granted that was not, no statement is
//! superfluous. What cannot be proved is said. Refuses to know where records and policies come from.

mod certify;
mod contain;
mod cover;
mod diff;
mod document;
mod engine;
mod keys;
mod learn;
mod narrow;
mod recorded;
pub mod sam;
mod shape;
pub mod template;
#[cfg(test)]
mod tests;
mod unused;

use std::{collections::BTreeSet, fmt};

pub use certify::{Certificate, MinimalProof, ReplayProof, SubsetProof};
pub use diff::diff;
pub use document::{Conditions, Document, Selection, Statement};
pub use learn::VALUES_MAX;
pub use narrow::RESOURCES_MAX;
pub use recorded::{Body, Entry, Exact, General, GeneralKey, KeyValue, Recorded, Refused};
pub use shape::DOCUMENT_CHARS_MAX;
pub use unused::Unused;

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The new policies; none if nothing was recorded.
    pub documents: Vec<Document>,
    /// What was proved of them.
    pub certificate: Certificate,
    /// What a person should know: generalisations, weak evidence.
    pub notes: BTreeSet<String>,
    /// Current permissions without use.
    pub unused: Vec<Unused>,
    /// Recorded `(action, resource)` that the current identity policies do not grant: a resource's policy did, or the
    /// permission has been withdrawn. They are not part of the new policies.
    pub ungranted: BTreeSet<(String, String)>,
}

/// Why there is no outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// A current policy cannot be read.
    Policy(String, String),
    /// A statement for this action alone is too long for a policy.
    TooLarge(String),
    /// A statement made here is not one.
    Broken(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(name, why) => write!(f, "the policy `{name}` cannot be read: {why}"),
            Self::TooLarge(action) => write!(f, "a statement for `{action}` alone does not fit a policy"),
            Self::Broken(why) => write!(f, "a generated statement is not valid: {why}"),
        }
    }
}

impl std::error::Error for Error {}

/// What `current` grants and was not recorded.
pub fn unused(recorded: &Recorded, current: &[Document]) -> Result<Vec<Unused>, Error> {
    unused::unused(&narrow::narrow(recorded, current)?, recorded, current)
}

/// Narrows `current` to what was recorded.
pub fn minimise(recorded: &Recorded, current: &[Document]) -> Result<Outcome, Error> {
    let mut draft = narrow::narrow(recorded, current)?;
    shape::prune(&mut draft)?;
    let made = shape::documents(&draft, current)?;
    // The proofs are about the texts as they will be stored, so they are read back.
    let documents: Vec<Document> = made
        .iter()
        .map(|document| Document::parse(&document.name, &document.json().to_string()))
        .collect::<Result<_, _>>()?;
    let certificate = certify::certify(&draft, &documents, current)?;
    let unused = unused::unused(&draft, recorded, current)?;
    Ok(Outcome { documents, certificate, notes: draft.notes, unused, ungranted: draft.ungranted })
}
