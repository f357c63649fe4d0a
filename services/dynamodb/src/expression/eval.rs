//! Does a condition hold for an item?

use std::borrow::Cow;
use std::cmp::Ordering;

use super::ast::{Comparator, Condition, Operand};
use crate::number::Number;
use crate::value::{Item, Value};

impl Condition {
    /// Does the condition hold for the item (the empty item when there is none)?
    pub fn holds(&self, item: &Item) -> bool {
        match self {
            Self::And(all) => all.iter().all(|inner| inner.holds(item)),
            Self::Or(any) => any.iter().any(|inner| inner.holds(item)),
            Self::Not(inner) => !inner.holds(item),
            Self::Exists(path) => path.find(item).is_some(),
            Self::NotExists(path) => path.find(item).is_none(),
            Self::Type(path, kind) => path.find(item).is_some_and(|value| value.kind() == *kind),
            Self::Compare(comparator, one, two) => compare(*comparator, one.value(item), two.value(item)),
            Self::Between(one, low, high) => match (one.value(item), low.value(item), high.value(item)) {
                (Some(value), Some(low), Some(high)) => {
                    value.order(&low).is_some_and(Ordering::is_ge)
                        && value.order(&high).is_some_and(Ordering::is_le)
                }
                _ => false,
            },
            Self::In(one, rest) => one.value(item).is_some_and(|value| {
                rest.iter().any(|other| other.value(item).is_some_and(|other| value == other))
            }),
            Self::BeginsWith(one, two) => match (one.value(item).as_deref(), two.value(item).as_deref()) {
                (Some(Value::S(text)), Some(Value::S(prefix))) => text.starts_with(prefix.as_str()),
                (Some(Value::B(bytes)), Some(Value::B(prefix))) => bytes.starts_with(prefix),
                _ => false,
            },
            Self::Contains(one, two) => match (one.value(item), two.value(item)) {
                (Some(whole), Some(part)) => contains(&whole, &part),
                _ => false,
            },
        }
    }
}

impl Operand {
    /// The operand's value for this item; nothing when a path leads nowhere or `size` has no meaning there.
    fn value<'v>(&'v self, item: &'v Item) -> Option<Cow<'v, Value>> {
        match self {
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Path(path) => path.find(item).map(Cow::Borrowed),
            Self::Size(inner) => {
                let size = size(&*inner.value(item)?)?;
                Some(Cow::Owned(Value::N(Number::from_u64(u64::try_from(size).ok()?))))
            }
        }
    }
}

/// What `size` answers; nothing for types that have none.
fn size(value: &Value) -> Option<usize> {
    match value {
        Value::S(text) => Some(text.chars().count()),
        Value::B(bytes) => Some(bytes.len()),
        Value::L(list) => Some(list.len()),
        Value::M(map) => Some(map.len()),
        Value::Ss(set) => Some(set.len()),
        Value::Ns(set) => Some(set.len()),
        Value::Bs(set) => Some(set.len()),
        Value::N(_) | Value::Bool(_) | Value::Null => None,
    }
}

// AWS: `<>` holds when the attribute is missing; every other comparison does not.
fn compare(comparator: Comparator, one: Option<Cow<'_, Value>>, two: Option<Cow<'_, Value>>) -> bool {
    let (Some(one), Some(two)) = (one, two) else {
        return comparator == Comparator::NotEqual;
    };
    let order = || one.order(&two);
    match comparator {
        Comparator::Equal => one == two,
        Comparator::NotEqual => one != two,
        Comparator::Less => order().is_some_and(Ordering::is_lt),
        Comparator::LessOrEqual => order().is_some_and(Ordering::is_le),
        Comparator::Greater => order().is_some_and(Ordering::is_gt),
        Comparator::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
    }
}

fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::S(whole), Value::S(part)) => whole.contains(part.as_str()),
        (Value::B(whole), Value::B(part)) => {
            part.is_empty() || whole.windows(part.len()).any(|window| window == part)
        }
        (Value::Ss(set), Value::S(part)) => set.contains(part),
        (Value::Ns(set), Value::N(part)) => set.contains(part),
        (Value::Bs(set), Value::B(part)) => set.contains(part),
        (Value::L(list), part) => list.contains(part),
        _ => false,
    }
}

#[cfg(test)]
#[path = "eval_tests.rs"]
mod tests;
