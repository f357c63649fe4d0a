//! The parameters from before expressions (`Expected`, `KeyConditions`, `QueryFilter`, `ScanFilter`, `AttributeUpdates`,
//! `AttributesToGet`), translated into the same trees, so that there is one evaluator.

use std::collections::BTreeMap;

use crate::api::{
    AttributeAction, AttributeValue, AttributeValueUpdate, ComparisonOperator, Condition as WireCondition,
    ConditionalOperator, Error, ExpectedAttributeValue,
};
use crate::convert;
use crate::expression::{
    Action, Comparator, Condition, Operand, Path, Projection, SetOperand, SetValue, Update,
};
use crate::key::invalid;
use crate::value::Value;

/// `AttributesToGet`.
pub(crate) fn projection(names: Option<&Vec<String>>) -> Option<Projection> {
    names.map(|names| Projection::onto(names.iter().map(|name| Path::attribute(name)).collect()))
}

/// `Expected`.
pub(crate) fn expected(
    expected: Option<BTreeMap<String, ExpectedAttributeValue>>,
    operator: Option<ConditionalOperator>,
) -> Result<Option<Condition>, Error> {
    let Some(expected) = expected else { return refuse_lone_operator(operator) };
    let mut all = Vec::new();
    for (name, wanted) in expected {
        let ExpectedAttributeValue { value, exists, comparison_operator, attribute_value_list } = wanted;
        let path = Path::attribute(&name);
        all.push(match (comparison_operator, value, exists) {
            (Some(operator), None, None) => {
                compare(&name, operator, attribute_value_list.unwrap_or_default())?
            }
            (None, Some(value), None | Some(true)) => {
                let value = Operand::Value(convert::value(value)?);
                Condition::Compare(Comparator::Equal, Operand::Path(path), value)
            }
            (None, None, Some(false)) => Condition::NotExists(path),
            (None, Some(_), Some(false)) => {
                return Err(invalid(&format!(
                    "Value cannot be used when Exists is set to false for Attribute: {name}"
                )));
            }
            (None, None, _) => {
                return Err(invalid(&format!(
                    "Value must be provided when Exists is true for Attribute: {name}"
                )));
            }
            (Some(_), _, _) => {
                return Err(invalid(&format!(
                    "Value or Exists cannot be used with ComparisonOperator for Attribute: {name}"
                )));
            }
        });
    }
    Ok(joined(all, operator))
}

/// `QueryFilter` and `ScanFilter`; also `KeyConditions`, which are such conditions joined by AND.
pub(crate) fn filter(
    conditions: Option<BTreeMap<String, WireCondition>>,
    operator: Option<ConditionalOperator>,
) -> Result<Option<Condition>, Error> {
    let Some(conditions) = conditions else { return refuse_lone_operator(operator) };
    let all = conditions
        .into_iter()
        .map(|(name, each)| {
            compare(&name, each.comparison_operator, each.attribute_value_list.unwrap_or_default())
        })
        .collect::<Result<Vec<_>, Error>>()?;
    Ok(joined(all, operator))
}

/// `AttributeUpdates`.
pub(crate) fn updates(
    updates: Option<BTreeMap<String, AttributeValueUpdate>>,
) -> Result<Option<Update>, Error> {
    let Some(updates) = updates else { return Ok(None) };
    let mut actions = Vec::new();
    for (name, update) in updates {
        let path = Path::attribute(&name);
        let value = update.value.map(convert::value).transpose()?;
        actions.push(match (update.action.unwrap_or(AttributeAction::Put), value) {
            (AttributeAction::Put, Some(value)) => {
                Action::Set(path, SetValue::Operand(SetOperand::Value(value)))
            }
            (AttributeAction::Add, Some(value)) if matches!(value, Value::N(_)) || value.kind().is_set() => {
                Action::Add(path, value)
            }
            (AttributeAction::Delete, None) => Action::Remove(path),
            (AttributeAction::Delete, Some(value)) if value.kind().is_set() => Action::Delete(path, value),
            (action, None) => {
                return Err(invalid(&format!(
                    "Only DELETE action is allowed when no attribute value is specified; action: {}",
                    action.as_str()
                )));
            }
            // DIVERGES: ADD of a list (an append) is refused; `list_append` of an update expression does it.
            (action, Some(value)) => {
                return Err(invalid(&format!(
                    "{} action is not supported for the type {}",
                    action.as_str(),
                    value.kind()
                )));
            }
        });
    }
    Ok(Some(Update { actions }))
}

fn refuse_lone_operator(operator: Option<ConditionalOperator>) -> Result<Option<Condition>, Error> {
    match operator {
        None => Ok(None),
        Some(_) => Err(invalid("ConditionalOperator cannot be used without Filter or Expected")),
    }
}

fn joined(mut all: Vec<Condition>, operator: Option<ConditionalOperator>) -> Option<Condition> {
    if all.len() < 2 {
        return all.pop();
    }
    Some(match operator {
        Some(ConditionalOperator::Or) => Condition::Or(all),
        _ => Condition::And(all),
    })
}

fn compare(name: &str, operator: ComparisonOperator, list: Vec<AttributeValue>) -> Result<Condition, Error> {
    let path = || Operand::Path(Path::attribute(name));
    let values = list.into_iter().map(convert::value).collect::<Result<Vec<_>, _>>()?;
    let wrong_count = || {
        invalid(&format!("Invalid number of argument(s) for the {} ComparisonOperator", operator.as_str()))
    };
    if operator == ComparisonOperator::In {
        let rest: Vec<Operand> = values.into_iter().map(Operand::Value).collect();
        return if rest.is_empty() { Err(wrong_count()) } else { Ok(Condition::In(path(), rest)) };
    }
    let mut values = values.into_iter();
    let arguments = (values.next(), values.next(), values.next());
    match (operator, arguments) {
        (ComparisonOperator::Null, (None, None, None)) => Ok(Condition::NotExists(Path::attribute(name))),
        (ComparisonOperator::NotNull, (None, None, None)) => Ok(Condition::Exists(Path::attribute(name))),
        (ComparisonOperator::Between, (Some(low), Some(high), None)) => {
            for value in [&low, &high] {
                typed(operator, value, value.kind().is_ordered())?;
            }
            if low.order(&high).is_none_or(std::cmp::Ordering::is_gt) {
                return Err(invalid(
                    "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
                ));
            }
            Ok(Condition::Between(path(), Operand::Value(low), Operand::Value(high)))
        }
        (_, (Some(value), None, None)) => single(operator, path(), value, &wrong_count),
        _ => Err(wrong_count()),
    }
}

/// The operators that take exactly one value.
fn single(
    operator: ComparisonOperator,
    path: Operand,
    value: Value,
    wrong_count: &dyn Fn() -> Error,
) -> Result<Condition, Error> {
    let comparator = match operator {
        ComparisonOperator::Eq => Comparator::Equal,
        ComparisonOperator::Ne => Comparator::NotEqual,
        ComparisonOperator::Lt => Comparator::Less,
        ComparisonOperator::Le => Comparator::LessOrEqual,
        ComparisonOperator::Gt => Comparator::Greater,
        ComparisonOperator::Ge => Comparator::GreaterOrEqual,
        ComparisonOperator::BeginsWith => {
            typed(operator, &value, matches!(value, Value::S(_) | Value::B(_)))?;
            return Ok(Condition::BeginsWith(path, Operand::Value(value)));
        }
        ComparisonOperator::Contains => return Ok(Condition::Contains(path, Operand::Value(value))),
        ComparisonOperator::NotContains => {
            return Ok(Condition::Not(Box::new(Condition::Contains(path, Operand::Value(value)))));
        }
        ComparisonOperator::In
        | ComparisonOperator::Between
        | ComparisonOperator::Null
        | ComparisonOperator::NotNull => return Err(wrong_count()),
    };
    let any_type = matches!(comparator, Comparator::Equal | Comparator::NotEqual);
    typed(operator, &value, any_type || value.kind().is_ordered())?;
    Ok(Condition::Compare(comparator, path, Operand::Value(value)))
}

fn typed(operator: ComparisonOperator, value: &Value, fits: bool) -> Result<(), Error> {
    if fits {
        return Ok(());
    }
    Err(invalid(&format!(
        "ComparisonOperator {} is not valid for {} AttributeValue type",
        operator.as_str(),
        value.kind()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Item;

    fn number(text: &str) -> AttributeValue {
        AttributeValue { n: Some(text.to_owned()), ..Default::default() }
    }

    fn holds(operator: ComparisonOperator, list: Vec<AttributeValue>) -> Result<bool, Error> {
        let item = Item::from([("a".to_owned(), convert::value(number("5")).unwrap())]);
        let condition = WireCondition { comparison_operator: operator, attribute_value_list: Some(list) };
        let filter = filter(Some(BTreeMap::from([("a".to_owned(), condition)])), None)?;
        Ok(filter.unwrap().holds(&item))
    }

    #[test]
    fn comparisons_translate() {
        assert_eq!(holds(ComparisonOperator::Eq, vec![number("5.0")]), Ok(true));
        assert_eq!(holds(ComparisonOperator::Between, vec![number("1"), number("4")]), Ok(false));
        assert_eq!(holds(ComparisonOperator::In, vec![number("1"), number("5")]), Ok(true));
        assert_eq!(holds(ComparisonOperator::NotNull, vec![]), Ok(true));
        assert_eq!(holds(ComparisonOperator::Null, vec![]), Ok(false));
        assert_eq!(holds(ComparisonOperator::NotContains, vec![number("5")]), Ok(true));
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for (operator, list) in [
            (ComparisonOperator::Eq, vec![]),
            (ComparisonOperator::Eq, vec![number("1"), number("2")]),
            (ComparisonOperator::Null, vec![number("1")]),
            (ComparisonOperator::Between, vec![number("1")]),
            (ComparisonOperator::Between, vec![number("2"), number("1")]),
            (ComparisonOperator::In, vec![]),
            (ComparisonOperator::BeginsWith, vec![number("1")]),
            (ComparisonOperator::Lt, vec![AttributeValue { bool: Some(true), ..Default::default() }]),
        ] {
            assert!(matches!(holds(operator, list), Err(Error::Validation(_))), "{}", operator.as_str());
        }
    }

    #[test]
    fn contradictory_expectations_are_refused() {
        for wanted in [
            ExpectedAttributeValue { value: Some(number("1")), exists: Some(false), ..Default::default() },
            ExpectedAttributeValue { exists: Some(true), ..Default::default() },
            ExpectedAttributeValue::default(),
            ExpectedAttributeValue {
                value: Some(number("1")),
                comparison_operator: Some(ComparisonOperator::Eq),
                ..Default::default()
            },
        ] {
            let all = BTreeMap::from([("a".to_owned(), wanted)]);
            assert!(matches!(expected(Some(all), None), Err(Error::Validation(_))));
        }
        assert!(expected(None, Some(ConditionalOperator::Or)).is_err());
    }

    #[test]
    fn updates_translate_and_lists_cannot_be_added() {
        let update = |action, value| {
            updates(Some(BTreeMap::from([("a".to_owned(), AttributeValueUpdate { value, action })])))
        };
        assert!(matches!(update(None, Some(number("1"))).unwrap().unwrap().actions[0], Action::Set(..)));
        assert!(matches!(
            update(Some(AttributeAction::Delete), None).unwrap().unwrap().actions[0],
            Action::Remove(_)
        ));
        assert!(update(Some(AttributeAction::Put), None).is_err());
        let list = AttributeValue { l: Some(vec![]), ..Default::default() };
        assert!(update(Some(AttributeAction::Add), Some(list)).is_err());
    }
}
