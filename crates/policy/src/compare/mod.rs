//! Compares two sets of policies: does one allow anything the other does not? No solver is asked; what it finds is a
//! request, and what it does not find does not exist.
//!
//! Once its variables are settled, a statement is a product: a set of actions, one of principals, one of resources and
//! for each context key one of values. Each of these is cut into the classes that the statements of both sides can tell
//! apart, with one member of each ([`language`] for texts, [`values`] for numbers, dates and addresses, [`principals`]
//! for callers), and [`search`] goes through them one dimension at a time. Every witness is put to [`crate::evaluate`]
//! before it is reported. Where the classes may be too coarse, "nothing found" becomes [`Finding::Unknown`].
//!
//! Dimensions are taken to be independent: that `aws:PrincipalArn` is the principal's ARN, or that a key is always
//! present, is not known here. A request with facts that the platform cannot determine is no witness.

mod budget;
mod case;
mod clauses;
mod document;
mod keys;
mod language;
mod principals;
mod search;
mod text;
mod values;
mod variables;
mod witness;

use std::fmt;

pub use budget::STEPS_MAX;
pub use document::Document;
pub use witness::{Answer, Given, Witness, answer};

use crate::Verdict;

/// How to compare.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// The actions there are; `None` for every text of the form `service:name`.
    pub actions: Option<&'a [String]>,
    /// Every key may have several values. Otherwise only those that a statement of either side uses with
    /// `ForAllValues` or `ForAnyValue`.
    pub any_key_multivalued: bool,
    /// After so many steps of work the answer is [`Why::Budget`].
    pub steps_max: u64,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { actions: None, any_key_multivalued: false, steps_max: STEPS_MAX }
    }
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// What the new policies allow and the old ones do not.
    pub more: Finding,
    /// What the old policies allow and the new ones do not.
    pub less: Finding,
    /// Work done.
    pub steps: u64,
}

/// The answer for one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// There is no such request.
    Nothing,
    /// There is this one.
    Witness(Box<Witness>),
    /// None was found, and there may be one.
    Unknown(Why),
}

/// Why a search that found nothing proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The work was more than allowed.
    Budget,
    /// The value of this policy variable matters in ways that were only tried, not proved.
    Variable(String),
    /// This key is compared as values of different types.
    MixedTypes(String),
    /// This key is compared, without regard to case, with letters beyond ASCII.
    LetterCase(String),
    /// A request was found that the engine then judged differently: a defect in the comparer.
    NotConfirmed,
}

/// How the new policies relate to the old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Both allow the same.
    Equal,
    /// The new allow more and nothing less.
    More,
    /// The new allow less and nothing more.
    Less,
    /// Each allows something the other does not.
    Both,
    /// It was not possible to say.
    Unknown,
}

impl Comparison {
    /// Both findings in a word. `Unknown` as soon as one of them is.
    pub fn relation(&self) -> Relation {
        match (&self.more, &self.less) {
            (Finding::Unknown(_), _) | (_, Finding::Unknown(_)) => Relation::Unknown,
            (Finding::Nothing, Finding::Nothing) => Relation::Equal,
            (Finding::Witness(_), Finding::Nothing) => Relation::More,
            (Finding::Nothing, Finding::Witness(_)) => Relation::Less,
            (Finding::Witness(_), Finding::Witness(_)) => Relation::Both,
        }
    }
}

impl Answer {
    /// Whether the request may go ahead.
    pub fn is_allowed(&self) -> bool {
        self.verdict == Verdict::Allow
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget => f.write_str("the comparison took more work than allowed"),
            Self::Variable(key) => {
                write!(f, "the value of ${{{key}}} interacts with other patterns or conditions")
            }
            Self::MixedTypes(key) => write!(f, "{key} is compared as values of different types"),
            Self::LetterCase(key) => {
                write!(f, "{key} is compared without regard to case with letters beyond ASCII")
            }
            Self::NotConfirmed => f.write_str("a request was found that the engine did not confirm"),
        }
    }
}

/// Compares policies that apply side by side: within a side a deny in any wins, then an allow in any.
pub fn compare(old: &[Document], new: &[Document], options: &Options<'_>) -> Comparison {
    let case = case::Case::new(old, new, options.any_key_multivalued);
    let (more, less, steps) = search::Search::new(old, new, &case, options).run();
    Comparison { more, less, steps }
}
