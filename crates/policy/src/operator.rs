//! The condition operators by name.
// tidy: table

/// How values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Exact,
    IgnoreCase,
    Like,
    Number(Order),
    Date(Order),
    Bool,
    Binary,
    Network,
    Arn,
    Null,
}

/// The request's value is … the policy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// How a multi-valued key is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Qualifier {
    None,
    ForAllValues,
    ForAnyValue,
}

/// An operator with its prefix and suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) comparison: Comparison,
    /// Must match none of the values.
    pub(crate) negated: bool,
    pub(crate) if_exists: bool,
    pub(crate) qualifier: Qualifier,
}

// AWS: IAM User Guide, "IAM JSON policy elements: Condition operators".
const OPERATORS: [(&str, Comparison, bool); 27] = [
    ("StringEquals", Comparison::Exact, false),
    ("StringNotEquals", Comparison::Exact, true),
    ("StringEqualsIgnoreCase", Comparison::IgnoreCase, false),
    ("StringNotEqualsIgnoreCase", Comparison::IgnoreCase, true),
    ("StringLike", Comparison::Like, false),
    ("StringNotLike", Comparison::Like, true),
    ("NumericEquals", Comparison::Number(Order::Equal), false),
    ("NumericNotEquals", Comparison::Number(Order::Equal), true),
    ("NumericLessThan", Comparison::Number(Order::Less), false),
    ("NumericLessThanEquals", Comparison::Number(Order::LessOrEqual), false),
    ("NumericGreaterThan", Comparison::Number(Order::Greater), false),
    ("NumericGreaterThanEquals", Comparison::Number(Order::GreaterOrEqual), false),
    ("DateEquals", Comparison::Date(Order::Equal), false),
    ("DateNotEquals", Comparison::Date(Order::Equal), true),
    ("DateLessThan", Comparison::Date(Order::Less), false),
    ("DateLessThanEquals", Comparison::Date(Order::LessOrEqual), false),
    ("DateGreaterThan", Comparison::Date(Order::Greater), false),
    ("DateGreaterThanEquals", Comparison::Date(Order::GreaterOrEqual), false),
    ("Bool", Comparison::Bool, false),
    ("BinaryEquals", Comparison::Binary, false),
    ("IpAddress", Comparison::Network, false),
    ("NotIpAddress", Comparison::Network, true),
    ("ArnEquals", Comparison::Arn, false),
    ("ArnLike", Comparison::Arn, false),
    ("ArnNotEquals", Comparison::Arn, true),
    ("ArnNotLike", Comparison::Arn, true),
    ("Null", Comparison::Null, false),
];

impl Operator {
    /// Reads e.g. `ForAnyValue:StringLikeIfExists`, in any case. `Null` takes neither prefix nor suffix.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (qualifier, name) = match text.split_once(':') {
            None => (Qualifier::None, text),
            Some((set, name)) if set.eq_ignore_ascii_case("ForAllValues") => (Qualifier::ForAllValues, name),
            Some((set, name)) if set.eq_ignore_ascii_case("ForAnyValue") => (Qualifier::ForAnyValue, name),
            Some(_) => return None,
        };
        let suffix = "IfExists";
        let cut = name.len().checked_sub(suffix.len()).and_then(|at| name.split_at_checked(at));
        let (name, if_exists) = match cut {
            Some((name, end)) if end.eq_ignore_ascii_case(suffix) => (name, true),
            Some(_) | None => (name, false),
        };
        let (_, comparison, negated) =
            OPERATORS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name))?;
        let plain = !if_exists && qualifier == Qualifier::None;
        (plain || *comparison != Comparison::Null).then_some(Self {
            comparison: *comparison,
            negated: *negated,
            if_exists,
            qualifier,
        })
    }
}
