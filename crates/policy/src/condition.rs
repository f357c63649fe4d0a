//! Conditions: operators, set qualifiers, and what an absent, unknown or unreadable value means for each.

use std::{borrow::Cow, cmp::Ordering, net::IpAddr};

use casemate_names::Timestamp;

use crate::{
    arn::{ArnPattern, is_whole_arn},
    facts::{Context, Value},
    index::Certainty,
    operator::{Comparison, Operator, Order, Qualifier},
    scalar::{Date, Network, Number, address, binary, boolean},
    template::{Pattern, Reading, tokens},
    truth::Truth,
};

/// One operator on one key.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    operator: Operator,
    /// In lower case.
    key: Box<str>,
    values: Values,
}

/// The policy's values, compiled. `None` is a value that cannot be read as its type: it equals nothing.
#[derive(Debug, Clone)]
enum Values {
    Exact(Vec<Pattern>),
    IgnoreCase(Vec<Pattern>),
    Like(Vec<Pattern>),
    Number(Order, Vec<Option<Number>>),
    Date(Order, Vec<Date>),
    Bool(Vec<Option<bool>>),
    Binary(Vec<Option<Vec<u8>>>),
    Network(Vec<Option<Network>>),
    Arn(Vec<Option<ArnPattern>>),
    Null(Vec<Option<bool>>),
}

/// What a condition lets through, if it lets through listed values only.
#[derive(Debug)]
pub(crate) enum Fixed<'a> {
    /// Each with whether it is the whole value (otherwise what the value starts with).
    Texts(Vec<(&'a str, bool)>),
    Networks(&'a [Option<Network>]),
}

impl Condition {
    /// The key in lower case and the values it must have; `None` for conditions that hold without the key or for other
    /// values than the listed ones.
    pub(crate) fn fixed(&self) -> Option<(&str, Fixed<'_>)> {
        let vacuous = self.operator.if_exists || self.operator.qualifier == Qualifier::ForAllValues;
        if self.operator.negated || vacuous {
            return None;
        }
        let fixed = match &self.values {
            Values::Exact(patterns) | Values::IgnoreCase(patterns) | Values::Like(patterns) => {
                Fixed::Texts(patterns.iter().map(Pattern::literal_start).collect())
            }
            // What is no ARN matches nothing.
            Values::Arn(patterns) => {
                let literals = patterns.iter().flatten().map(ArnPattern::literal);
                Fixed::Texts(
                    literals.map(|(text, certainty)| (text, certainty == Certainty::Exact)).collect(),
                )
            }
            Values::Network(networks) => Fixed::Networks(networks),
            Values::Number(..) | Values::Date(..) | Values::Bool(_) | Values::Binary(_) | Values::Null(_) => {
                return None;
            }
        };
        Some((&self.key, fixed))
    }

    /// Compiles. `variables` says whether the document's version knows policy variables.
    pub(crate) fn new(operator: Operator, key: &str, values: &[String], variables: bool) -> Self {
        fn each<T>(values: &[String], read: impl Fn(&str) -> T) -> Vec<T> {
            values.iter().map(|value| read(value)).collect()
        }
        let pattern =
            |wildcards: bool| move |text: &str| Pattern::new(tokens(text, Reading { variables, wildcards }));
        let values = match operator.comparison {
            Comparison::Exact => Values::Exact(each(values, pattern(false))),
            Comparison::IgnoreCase => Values::IgnoreCase(each(values, pattern(false))),
            Comparison::Like => Values::Like(each(values, pattern(true))),
            Comparison::Number(order) => Values::Number(order, each(values, Number::parse)),
            Comparison::Date(order) => Values::Date(order, each(values, Date::parse)),
            Comparison::Bool => Values::Bool(each(values, boolean)),
            Comparison::Binary => Values::Binary(each(values, binary)),
            Comparison::Network => Values::Network(each(values, Network::parse)),
            Comparison::Arn => Values::Arn(each(values, |text| ArnPattern::condition(text, variables))),
            Comparison::Null => Values::Null(each(values, boolean)),
        };
        Self { operator, key: key.to_ascii_lowercase().into_boxed_str(), values }
    }

    /// Whether the condition holds in this request.
    pub(crate) fn holds(&self, context: &dyn Context) -> Truth {
        let value = context.value(&self.key);
        if let Values::Null(wanted) = &self.values {
            return null(wanted, &value);
        }
        match (self.operator.qualifier, value) {
            (_, Value::Unknown) => Truth::Unknown,
            (qualifier, Value::Absent) => self.when_absent(qualifier),
            (qualifier, Value::Many(values)) if values.is_empty() => self.when_absent(qualifier),
            (_, Value::One(value)) => self.test(&value, context),
            // AWS: a multi-valued key needs a set qualifier. Without one a positive operator does not match; for a
            // negated one that would let a Deny slip, so it stays undecided.
            (Qualifier::None, Value::Many(_)) => self.unreadable(),
            (Qualifier::ForAllValues, Value::Many(values)) => {
                Truth::all(values.iter().map(|value| self.test(value, context)))
            }
            (Qualifier::ForAnyValue, Value::Many(values)) => {
                Truth::any(values.iter().map(|value| self.test(value, context)))
            }
        }
    }

    // AWS: IAM User Guide, "Condition operators", "Set operators for multivalued context keys".
    fn when_absent(&self, qualifier: Qualifier) -> Truth {
        match qualifier {
            Qualifier::ForAllValues => Truth::True,
            Qualifier::ForAnyValue => Truth::False,
            Qualifier::None => Truth::of(self.operator.if_exists || self.operator.negated),
        }
    }

    /// A value on either side cannot be read: a positive operator does not match, a negated one is undecided (an Allow
    /// must not follow from garbage, a Deny must not be lost to it).
    fn unreadable(&self) -> Truth {
        if self.operator.negated { Truth::Unknown } else { Truth::False }
    }

    /// One value of the request against all values of the policy: OR, or NOR for negated operators.
    fn test(&self, value: &str, context: &dyn Context) -> Truth {
        let matched = match &self.values {
            Values::Exact(patterns) => {
                Truth::any(patterns.iter().map(|p| p.is(value, context).map_or(Truth::Unknown, Truth::of)))
            }
            // Texts without wildcards are incomplete only for want of a variable.
            Values::IgnoreCase(patterns) => Truth::any(patterns.iter().map(|p| {
                p.text(context).map_or(Truth::Unknown, |text| Truth::of(same_ignoring_case(&text, value)))
            })),
            Values::Like(patterns) => Truth::any(patterns.iter().map(|p| p.matches(value, context))),
            Values::Number(order, numbers) => self.ordered(numbers, Number::parse(value).as_ref(), *order),
            Values::Date(order, dates) => self.dated(dates, Date::parse(value), *order),
            Values::Bool(wanted) => self.ordered(wanted, boolean(value).as_ref(), Order::Equal),
            Values::Binary(wanted) => self.ordered(wanted, binary(value).as_ref(), Order::Equal),
            Values::Network(networks) => self.in_networks(networks, address(value)),
            Values::Arn(patterns) => Truth::any(patterns.iter().map(|pattern| match pattern {
                Some(pattern) if is_whole_arn(value) => pattern.matches(value, context),
                Some(_) | None => self.unreadable(),
            })),
            Values::Null(_) => Truth::False,
        };
        if self.operator.negated { matched.not() } else { matched }
    }

    fn ordered<T: Ord>(&self, wanted: &[Option<T>], value: Option<&T>, order: Order) -> Truth {
        Truth::any(wanted.iter().map(|wanted| match (value, wanted) {
            (Some(value), Some(wanted)) => Truth::of(order.admits(value.cmp(wanted))),
            (None, _) | (_, None) => self.unreadable(),
        }))
    }

    /// As [`Self::ordered`]; undecided where the readers of dates do not agree on the answer.
    fn dated(&self, wanted: &[Date], value: Date, order: Order) -> Truth {
        let answer = |value: Option<Timestamp>, wanted: Option<Timestamp>| match (value, wanted) {
            (Some(value), Some(wanted)) => Truth::of(order.admits(value.cmp(&wanted))),
            (None, _) | (_, None) => self.unreadable(),
        };
        let pair = |wanted: &Date| {
            if value.certain().is_some() && wanted.certain().is_some() {
                return answer(value.certain(), wanted.certain());
            }
            Truth::agreed(
                value.0.iter().flat_map(|value| wanted.0.iter().map(|wanted| answer(*value, *wanted))),
            )
        };
        Truth::any(wanted.iter().map(pair))
    }

    fn in_networks(&self, networks: &[Option<Network>], address: Option<IpAddr>) -> Truth {
        Truth::any(networks.iter().map(|network| match (network, address) {
            (Some(network), Some(address)) => Truth::of(network.contains(address)),
            (None, _) | (_, None) => self.unreadable(),
        }))
    }
}

impl Order {
    fn admits(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

fn null(wanted: &[Option<bool>], value: &Value<'_>) -> Truth {
    let absent = match value {
        Value::Unknown => return Truth::Unknown,
        Value::Absent => true,
        Value::One(_) => false,
        Value::Many(values) => values.is_empty(),
    };
    Truth::of(wanted.contains(&Some(absent)))
}

fn same_ignoring_case(a: &str, b: &str) -> bool {
    let fold = |text: &str| -> Cow<'static, str> { Cow::Owned(text.to_lowercase()) };
    a.eq_ignore_ascii_case(b) || (!a.is_ascii() || !b.is_ascii()) && fold(a) == fold(b)
}
