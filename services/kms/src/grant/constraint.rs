//! Within which encryption contexts a grant holds, and which constraint lets nothing through that another does not. Refuses to
//! know whose grant it is.

use serde::{Deserialize, Serialize};

use super::seen::Seen;
use crate::{
    api::{Error, GrantConstraints},
    encryption_context::EncryptionContext,
};

/// Pairs of one constraint.
// AWS: API reference, GrantConstraints.
const CONSTRAINT_PAIRS_MAX: usize = 8;
/// Characters of a name or value in a constraint.
// AWS: API reference, GrantConstraints.
const CONSTRAINT_CHARS_MAX: usize = 384;

/// The condition key of a new grant's constraint.
pub(crate) const CONSTRAINT_KEY: &str = "kms:GrantConstraintType";
/// The kinds of constraints, in policies.
const EQUALS: &str = "EncryptionContextEquals";
const SUBSET: &str = "EncryptionContextSubset";

/// Which encryption contexts a grant holds for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Constraint {
    /// All.
    None,
    /// Exactly this one.
    Equals(EncryptionContext),
    /// All that contain these pairs.
    Subset(EncryptionContext),
}

impl Constraint {
    /// Reads the constraint of a request.
    pub(crate) fn new(given: Option<&GrantConstraints>) -> Result<Self, Error> {
        let Some(given) = given else { return Ok(Self::None) };
        if given.source_arn.is_some() {
            // DIVERGES: grants for services' resources are not offered; a constraint that would not be kept is refused.
            return Err(Error::Validation("SourceArn constraints are not offered here".to_owned()));
        }
        let stated = |context: &Option<EncryptionContext>| context.clone().filter(|pairs| !pairs.is_empty());
        let constraint =
            match (stated(&given.encryption_context_equals), stated(&given.encryption_context_subset)) {
                (None, None) => Self::None,
                (Some(pairs), None) => Self::Equals(pairs),
                (None, Some(pairs)) => Self::Subset(pairs),
                (Some(_), Some(_)) => {
                    return Err(Error::Validation(
                        "EncryptionContextEquals and EncryptionContextSubset exclude each other".to_owned(),
                    ));
                }
            };
        let pairs = constraint.pairs().into_iter().flatten();
        let long = |text: &String| text.chars().count() > CONSTRAINT_CHARS_MAX;
        if constraint.pairs().is_some_and(|pairs| pairs.len() > CONSTRAINT_PAIRS_MAX)
            || pairs.into_iter().any(|(name, value)| long(name) || long(value))
        {
            return Err(Error::Validation(format!(
                "a grant constraint has at most {CONSTRAINT_PAIRS_MAX} pairs of at most {CONSTRAINT_CHARS_MAX} characters"
            )));
        }
        Ok(constraint)
    }

    /// The value of `kms:GrantConstraintType`.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Equals(_) => Some(EQUALS),
            Self::Subset(_) => Some(SUBSET),
        }
    }

    /// The pairs it speaks of.
    pub(crate) fn pairs(&self) -> Option<&EncryptionContext> {
        match self {
            Self::None => None,
            Self::Equals(pairs) | Self::Subset(pairs) => Some(pairs),
        }
    }

    /// Does it hold for what is asked? Not where that cannot be told.
    pub(super) fn holds(&self, seen: &Seen<'_, '_>) -> bool {
        match self {
            Self::None => true,
            Self::Equals(pairs) => seen.count() == Some(pairs.len()) && seen.has(pairs),
            Self::Subset(pairs) => seen.has(pairs),
        }
    }

    /// Does the constraint of the grant that is asked for let nothing through that this one does not?
    pub(super) fn covers(&self, seen: &Seen<'_, '_>) -> bool {
        let kind = seen.texts(CONSTRAINT_KEY);
        let kind = kind.as_deref().and_then(<[String]>::first).map(String::as_str);
        let equals = kind == Some(EQUALS);
        match self {
            Self::None => true,
            Self::Equals(_) => equals && self.holds(seen),
            Self::Subset(_) => (equals || kind == Some(SUBSET)) && self.holds(seen),
        }
    }

    pub(super) fn shown(&self) -> Option<GrantConstraints> {
        match self {
            Self::None => None,
            Self::Equals(pairs) => Some(GrantConstraints {
                encryption_context_equals: Some(pairs.clone()),
                ..Default::default()
            }),
            Self::Subset(pairs) => Some(GrantConstraints {
                encryption_context_subset: Some(pairs.clone()),
                ..Default::default()
            }),
        }
    }
}
