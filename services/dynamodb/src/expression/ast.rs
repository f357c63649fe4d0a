//! The tree of a condition, and document paths. Placeholders are already substituted.

use std::fmt;

use crate::value::{Item, Value, ValueType};

/// A place in an item: a top-level attribute and the way down from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// The top-level attribute.
    pub root: String,
    /// The way down; empty for the attribute itself.
    pub steps: Vec<Step>,
}

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Into a map.
    Field(String),
    /// Into a list, from 0.
    Index(usize),
}

impl Path {
    /// The path of a top-level attribute.
    pub fn attribute(name: &str) -> Self {
        Self { root: name.to_owned(), steps: Vec::new() }
    }

    /// The value there, if there is one.
    pub fn find<'i>(&self, item: &'i Item) -> Option<&'i Value> {
        self.steps.iter().try_fold(item.get(&self.root)?, |value, step| match (step, value) {
            (Step::Field(name), Value::M(map)) => map.get(name),
            (Step::Index(index), Value::L(list)) => list.get(*index),
            _ => None,
        })
    }
}

impl fmt::Display for Path {
    // AWS: messages quote a path as its elements in brackets, e.g. `[a, b, [1]]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}", self.root)?;
        for step in &self.steps {
            match step {
                Step::Field(name) => write!(f, ", {name}")?,
                Step::Index(index) => write!(f, ", [{index}]")?,
            }
        }
        f.write_str("]")
    }
}

/// The six comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    /// The operator as written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// The operator written so.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Equal, Self::NotEqual, Self::Less, Self::LessOrEqual, Self::Greater, Self::GreaterOrEqual]
            .into_iter()
            .find(|comparator| comparator.as_str() == text)
    }
}

/// What is compared.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A place in the item.
    Path(Path),
    /// `size(…)`
    Size(Box<Operand>),
    /// A value of the request.
    Value(Value),
}

/// A condition or filter.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// All hold. Never empty.
    And(Vec<Condition>),
    /// `first BETWEEN second AND third`
    Between(Operand, Operand, Operand),
    /// `begins_with(first, second)`
    BeginsWith(Operand, Operand),
    /// A comparison.
    Compare(Comparator, Operand, Operand),
    /// `contains(first, second)`
    Contains(Operand, Operand),
    /// `attribute_exists(path)`
    Exists(Path),
    /// `first IN (rest)`
    In(Operand, Vec<Operand>),
    /// The inner one does not hold.
    Not(Box<Condition>),
    /// `attribute_not_exists(path)`
    NotExists(Path),
    /// At least one holds. Never empty.
    Or(Vec<Condition>),
    /// `attribute_type(path, type)`
    Type(Path, ValueType),
}

impl Operand {
    fn each_path<'t>(&'t self, visit: &mut dyn FnMut(&'t Path)) {
        match self {
            Self::Path(path) => visit(path),
            Self::Size(inner) => inner.each_path(visit),
            Self::Value(_) => {}
        }
    }
}

impl Condition {
    /// Visits every path the condition mentions.
    // INVARIANT: a path that is evaluated is visited; access control depends on it (a property test compares the two).
    pub fn each_path<'t>(&'t self, visit: &mut dyn FnMut(&'t Path)) {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().for_each(|inner| inner.each_path(visit)),
            Self::Not(inner) => inner.each_path(visit),
            Self::Exists(path) | Self::NotExists(path) | Self::Type(path, _) => visit(path),
            Self::BeginsWith(one, two) | Self::Compare(_, one, two) | Self::Contains(one, two) => {
                one.each_path(visit);
                two.each_path(visit);
            }
            Self::Between(one, two, three) => [one, two, three].into_iter().for_each(|o| o.each_path(visit)),
            Self::In(one, rest) => {
                for operand in std::iter::once(one).chain(rest) {
                    operand.each_path(visit);
                }
            }
        }
    }
}
