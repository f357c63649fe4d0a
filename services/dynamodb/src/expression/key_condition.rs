//! Key conditions: the part of the condition language a Query's key condition may use, taken apart into partition value
//! and sort range. Knows the key's attribute names and types only.

use super::ast::{Comparator, Condition, Operand, Path};
use super::error::{Clause, ExpressionError, Rejected};
use crate::value::{Value, ValueType};

/// The key attributes of a table or index.
#[derive(Debug, Clone, Copy)]
pub struct KeyNames<'a> {
    /// Name and type of the partition key.
    pub partition: (&'a str, ValueType),
    /// Name and type of the sort key, if there is one.
    pub sort: Option<(&'a str, ValueType)>,
}

/// What a Query asks of the key.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyCondition {
    /// The partition value.
    pub partition: Value,
    /// What the sort key must satisfy, if anything.
    pub sort: Option<SortCondition>,
}

/// A range of sort keys.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it all")]
pub enum SortCondition {
    BeginsWith(Value),
    Between(Value, Value),
    Equal(Value),
    Greater(Value),
    GreaterOrEqual(Value),
    Less(Value),
    LessOrEqual(Value),
}

impl KeyCondition {
    /// Takes a parsed condition apart.
    pub fn of(condition: Condition, keys: &KeyNames<'_>) -> Result<Self, Rejected> {
        take_apart(condition, keys).map_err(|error| Rejected { clause: Clause::KeyCondition, error })
    }

    /// Only what concerns one attribute: the values it is compared for equality with. This is all that can be said
    /// without knowing the key's type, and enough for access control.
    pub fn equal_values<'c>(condition: &'c Condition, attribute: &str) -> Vec<&'c Value> {
        let parts = match condition {
            Condition::And(all) => all.as_slice(),
            other => std::slice::from_ref(other),
        };
        parts
            .iter()
            .filter_map(|part| match part {
                Condition::Compare(Comparator::Equal, Operand::Path(path), Operand::Value(value))
                | Condition::Compare(Comparator::Equal, Operand::Value(value), Operand::Path(path))
                    if path.root == attribute && path.steps.is_empty() =>
                {
                    Some(value)
                }
                _ => None,
            })
            .collect()
    }
}

fn take_apart(condition: Condition, keys: &KeyNames<'_>) -> Result<KeyCondition, ExpressionError> {
    let parts = match condition {
        Condition::And(all) => all,
        other => vec![other],
    };
    let (mut partition, mut sort) = (None, None);
    for part in parts {
        let (path, range) = range(part)?;
        if !path.steps.is_empty() {
            return Err(ExpressionError::KeyConditionNested);
        }
        let is_sort = keys.sort.filter(|(name, _)| *name == path.root);
        let (place, kind) = if path.root == keys.partition.0 {
            (&mut partition, keys.partition.1)
        } else if let Some((_, kind)) = is_sort {
            (&mut sort, kind)
        } else if partition.is_some() && sort.is_some() {
            return Err(ExpressionError::KeyConditionUnsupported);
        } else {
            return Err(ExpressionError::KeyConditionPartition(missed(partition.is_some(), keys)));
        };
        if range.values().any(|value| value.kind() != kind) {
            return Err(ExpressionError::KeyConditionType);
        }
        if place.replace(range).is_some() {
            return Err(ExpressionError::KeyConditionTwice);
        }
    }
    match partition {
        Some(SortCondition::Equal(partition)) => Ok(KeyCondition { partition, sort }),
        Some(_) => Err(ExpressionError::KeyConditionUnsupported),
        None => Err(ExpressionError::KeyConditionPartition(keys.partition.0.to_owned())),
    }
}

/// The key attribute that AWS names as missing when a condition is on something else.
fn missed(partition_seen: bool, keys: &KeyNames<'_>) -> String {
    match keys.sort {
        Some((sort, _)) if partition_seen => sort.to_owned(),
        _ => keys.partition.0.to_owned(),
    }
}

fn range(part: Condition) -> Result<(Path, SortCondition), ExpressionError> {
    let operator = |name: &str| Err(ExpressionError::KeyConditionOperator(name.to_owned()));
    match part {
        Condition::Compare(comparator, Operand::Path(path), Operand::Value(value)) => {
            compared(comparator, path, value)
        }
        Condition::Compare(comparator, Operand::Value(value), Operand::Path(path)) => {
            compared(mirrored(comparator), path, value)
        }
        Condition::Between(Operand::Path(path), Operand::Value(low), Operand::Value(high)) => {
            Ok((path, SortCondition::Between(low, high)))
        }
        Condition::BeginsWith(Operand::Path(path), Operand::Value(prefix)) => {
            Ok((path, SortCondition::BeginsWith(prefix)))
        }
        Condition::Or(_) => operator("OR"),
        Condition::Not(_) => operator("NOT"),
        Condition::In(..) => operator("IN"),
        Condition::And(_) => Err(ExpressionError::KeyConditionUnsupported),
        Condition::Contains(..) => operator("contains"),
        Condition::Exists(_) => operator("attribute_exists"),
        Condition::NotExists(_) => operator("attribute_not_exists"),
        Condition::Type(..) => operator("attribute_type"),
        Condition::Compare(..) | Condition::Between(..) | Condition::BeginsWith(..) => {
            Err(ExpressionError::KeyConditionNoKey)
        }
    }
}

fn compared(
    comparator: Comparator,
    path: Path,
    value: Value,
) -> Result<(Path, SortCondition), ExpressionError> {
    let range = match comparator {
        Comparator::Equal => SortCondition::Equal(value),
        Comparator::Less => SortCondition::Less(value),
        Comparator::LessOrEqual => SortCondition::LessOrEqual(value),
        Comparator::Greater => SortCondition::Greater(value),
        Comparator::GreaterOrEqual => SortCondition::GreaterOrEqual(value),
        Comparator::NotEqual => return Err(ExpressionError::KeyConditionOperator("<>".to_owned())),
    };
    Ok((path, range))
}

fn mirrored(comparator: Comparator) -> Comparator {
    match comparator {
        Comparator::Less => Comparator::Greater,
        Comparator::LessOrEqual => Comparator::GreaterOrEqual,
        Comparator::Greater => Comparator::Less,
        Comparator::GreaterOrEqual => Comparator::LessOrEqual,
        same @ (Comparator::Equal | Comparator::NotEqual) => same,
    }
}

impl SortCondition {
    /// The values it compares with.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        let (first, second) = match self {
            Self::Between(low, high) => (low, Some(high)),
            Self::BeginsWith(value)
            | Self::Equal(value)
            | Self::Greater(value)
            | Self::GreaterOrEqual(value)
            | Self::Less(value)
            | Self::LessOrEqual(value) => (value, None),
        };
        std::iter::once(first).chain(second)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::expression::{Placeholders, parse_condition};
    use crate::number::Number;

    const KEYS: KeyNames<'static> =
        KeyNames { partition: ("pk", ValueType::S), sort: Some(("sk", ValueType::N)) };

    fn parse(source: &str) -> Result<KeyCondition, String> {
        let names = BTreeMap::new();
        let number = |text: &str| Value::N(Number::parse(text).unwrap());
        let values = BTreeMap::from([
            (":p".to_owned(), Value::S("user".to_owned())),
            (":a".to_owned(), number("1")),
            (":b".to_owned(), number("2")),
        ]);
        let condition =
            parse_condition(Clause::KeyCondition, source, &mut Placeholders::new(&names, &values))
                .map_err(|error| error.to_string())?;
        KeyCondition::of(condition, &KEYS).map_err(|error| error.to_string())
    }

    #[test]
    fn legal_forms_are_taken_apart() {
        let number = |text: &str| Value::N(Number::parse(text).unwrap());
        for (source, sort) in [
            ("pk = :p", None),
            (":p = pk AND sk = :a", Some(SortCondition::Equal(number("1")))),
            ("sk > :a AND pk = :p", Some(SortCondition::Greater(number("1")))),
            ("(pk = :p) AND (:a > sk)", Some(SortCondition::Less(number("1")))),
            ("pk = :p AND sk BETWEEN :a AND :b", Some(SortCondition::Between(number("1"), number("2")))),
        ] {
            assert_eq!(
                parse(source),
                Ok(KeyCondition { partition: Value::S("user".to_owned()), sort }),
                "{source}"
            );
        }
    }

    #[test]
    fn illegal_forms_are_refused_in_the_services_words() {
        let operator = "Invalid KeyConditionExpression: Invalid operator used in KeyConditionExpression: ";
        for (source, text) in [
            ("pk = :p OR sk = :a", format!("{operator}OR")),
            ("NOT pk = :p", format!("{operator}NOT")),
            ("pk IN (:p)", format!("{operator}IN")),
            ("pk = :p AND sk <> :a", format!("{operator}<>")),
            ("pk = :p AND contains(sk, :a)", format!("{operator}contains")),
            ("attribute_exists(pk)", format!("{operator}attribute_exists")),
            ("pk > :p", "Query key condition not supported".to_owned()),
            ("begins_with(pk, :p)", "Query key condition not supported".to_owned()),
            ("sk = :a", "Query condition missed key schema element: pk".to_owned()),
            ("pk = :p AND zz = :a", "Query condition missed key schema element: sk".to_owned()),
            ("pk = :p AND pk = :p", "KeyConditionExpressions must only contain one condition per key".to_owned()),
            (
                "pk = :a",
                "One or more parameter values were invalid: Condition parameter type does not match schema type"
                    .to_owned(),
            ),
            (
                "pk.a = :p",
                "Invalid KeyConditionExpression: KeyConditionExpressions cannot have conditions on nested attributes"
                    .to_owned(),
            ),
            ("pk = sk", "Invalid condition in KeyConditionExpression: No key attribute specified".to_owned()),
        ] {
            assert_eq!(parse(source), Err(text), "{source}");
        }
    }

    #[test]
    fn values_for_access_control_are_found_wherever_they_stand() {
        let values = BTreeMap::from([
            (":p".to_owned(), Value::S("u".to_owned())),
            (":q".to_owned(), Value::S("v".to_owned())),
        ]);
        let names = BTreeMap::new();
        let condition = parse_condition(
            Clause::KeyCondition,
            "sk = :p AND :q = pk",
            &mut Placeholders::new(&names, &values),
        )
        .unwrap();
        assert_eq!(KeyCondition::equal_values(&condition, "pk"), [&Value::S("v".to_owned())]);
        assert!(KeyCondition::equal_values(&condition, "zz").is_empty());
    }
}
