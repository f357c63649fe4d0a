//! What an update makes of an item. All operands are read from the item as it was; then sets, additions and deletions
//! are carried out, and removals last and from the back, so that list positions mean what they meant before.

use std::fmt;

use super::ast::{Path, Step};
use super::update::{Action, SetOperand, SetValue, Update};
use crate::number::NumberError;
use crate::value::{Item, Value};

/// An update that does not fit the item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateError {
    /// An operand's path leads nowhere.
    NoSuchAttribute,
    /// A number left the supported range.
    Number(NumberError),
    /// An operand has a type the operator cannot take.
    OperandType,
    /// The place to change has no parent, or one of the wrong type.
    Path,
}

impl fmt::Display for UpdateError {
    // AWS: texts as the service words them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchAttribute => {
                f.write_str("The provided expression refers to an attribute that does not exist in the item")
            }
            Self::Number(error) => error.fmt(f),
            Self::OperandType => {
                f.write_str("An operand in the update expression has an incorrect data type")
            }
            Self::Path => {
                f.write_str("The document path provided in the update expression is invalid for update")
            }
        }
    }
}

impl std::error::Error for UpdateError {}

impl From<NumberError> for UpdateError {
    fn from(error: NumberError) -> Self {
        Self::Number(error)
    }
}

impl Update {
    /// The item after the update. `before` is the item as it was (with its key only, when there was none).
    pub fn apply(&self, before: &Item) -> Result<Item, UpdateError> {
        let mut after = before.clone();
        let mut sets = Vec::new();
        for action in &self.actions {
            match action {
                Action::Set(path, value) => sets.push((path, value.compute(before)?)),
                Action::Add(path, value) => {
                    let sum = match path.find(before) {
                        Some(old) => add(old, value)?,
                        None => value.clone(),
                    };
                    sets.push((path, sum));
                }
                Action::Delete(..) | Action::Remove(_) => {}
            }
        }
        // AWS: elements set beyond the end of a list are appended in the order of their numbers.
        sets.sort_by_key(|(path, _)| *path);
        for (path, value) in sets {
            set(&mut after, path, value)?;
        }
        let mut removals = Vec::new();
        for action in &self.actions {
            match action {
                Action::Delete(path, value) => match path.find(before) {
                    Some(old) => match subtract(old, value)? {
                        Some(rest) => set(&mut after, path, rest)?,
                        None => removals.push(path),
                    },
                    None if path.steps.is_empty() => {}
                    None => parent_exists(before, path)?,
                },
                Action::Remove(path) => {
                    parent_exists(before, path)?;
                    if path.find(before).is_some() {
                        removals.push(path);
                    }
                }
                Action::Set(..) | Action::Add(..) => {}
            }
        }
        removals.sort();
        for path in removals.into_iter().rev() {
            remove(&mut after, path);
        }
        Ok(after)
    }
}

impl SetValue {
    fn compute(&self, before: &Item) -> Result<Value, UpdateError> {
        let numbers = |one: &SetOperand, two: &SetOperand| match (one.compute(before)?, two.compute(before)?)
        {
            (Value::N(one), Value::N(two)) => Ok((one, two)),
            _ => Err(UpdateError::OperandType),
        };
        match self {
            Self::Operand(operand) => operand.compute(before),
            Self::Plus(one, two) => numbers(one, two).and_then(|(one, two)| Ok(Value::N(one.plus(two)?))),
            Self::Minus(one, two) => numbers(one, two).and_then(|(one, two)| Ok(Value::N(one.minus(two)?))),
        }
    }
}

impl SetOperand {
    fn compute(&self, before: &Item) -> Result<Value, UpdateError> {
        match self {
            Self::Value(value) => Ok(value.clone()),
            Self::Path(path) => path.find(before).cloned().ok_or(UpdateError::NoSuchAttribute),
            Self::IfNotExists(path, other) => match path.find(before) {
                Some(value) => Ok(value.clone()),
                None => other.compute(before),
            },
            Self::ListAppend(one, two) => match (one.compute(before)?, two.compute(before)?) {
                (Value::L(mut list), Value::L(tail)) => {
                    list.extend(tail);
                    Ok(Value::L(list))
                }
                _ => Err(UpdateError::OperandType),
            },
        }
    }
}

fn add(old: &Value, value: &Value) -> Result<Value, UpdateError> {
    match (old, value) {
        (Value::N(one), Value::N(two)) => Ok(Value::N(one.plus(*two)?)),
        (Value::Ss(one), Value::Ss(two)) => Ok(Value::Ss(one | two)),
        (Value::Ns(one), Value::Ns(two)) => Ok(Value::Ns(one | two)),
        (Value::Bs(one), Value::Bs(two)) => Ok(Value::Bs(one | two)),
        _ => Err(UpdateError::OperandType),
    }
}

/// What is left of a set; nothing when nothing is left.
fn subtract(old: &Value, value: &Value) -> Result<Option<Value>, UpdateError> {
    let rest = match (old, value) {
        (Value::Ss(one), Value::Ss(two)) => Value::Ss(one - two),
        (Value::Ns(one), Value::Ns(two)) => Value::Ns(one - two),
        (Value::Bs(one), Value::Bs(two)) => Value::Bs(one - two),
        _ => return Err(UpdateError::OperandType),
    };
    let empty = match &rest {
        Value::Ss(set) => set.is_empty(),
        Value::Ns(set) => set.is_empty(),
        Value::Bs(set) => set.is_empty(),
        _ => false,
    };
    Ok((!empty).then_some(rest))
}

/// The container that holds a nested path's last step must be there and of the right type.
fn parent_exists(item: &Item, path: &Path) -> Result<(), UpdateError> {
    let Some((last, front)) = path.steps.split_last() else { return Ok(()) };
    let parent = Path { root: path.root.clone(), steps: front.to_vec() };
    match (last, parent.find(item)) {
        (Step::Field(_), Some(Value::M(_))) | (Step::Index(_), Some(Value::L(_))) => Ok(()),
        _ => Err(UpdateError::Path),
    }
}

fn child<'v>(value: &'v mut Value, step: &Step) -> Option<&'v mut Value> {
    match (step, value) {
        (Step::Field(name), Value::M(map)) => map.get_mut(name),
        (Step::Index(index), Value::L(list)) => list.get_mut(*index),
        _ => None,
    }
}

/// The container of the last step of a nested path.
fn container<'v>(item: &'v mut Item, path: &Path, front: &[Step]) -> Option<&'v mut Value> {
    front.iter().try_fold(item.get_mut(&path.root)?, child)
}

fn set(item: &mut Item, path: &Path, value: Value) -> Result<(), UpdateError> {
    let Some((last, front)) = path.steps.split_last() else {
        item.insert(path.root.clone(), value);
        return Ok(());
    };
    match (last, container(item, path, front).ok_or(UpdateError::Path)?) {
        (Step::Field(name), Value::M(map)) => {
            map.insert(name.clone(), value);
        }
        (Step::Index(index), Value::L(list)) => match list.get_mut(*index) {
            Some(place) => *place = value,
            None => list.push(value),
        },
        _ => return Err(UpdateError::Path),
    }
    Ok(())
}

fn remove(item: &mut Item, path: &Path) {
    let Some((last, front)) = path.steps.split_last() else {
        item.remove(&path.root);
        return;
    };
    match (last, container(item, path, front)) {
        (Step::Field(name), Some(Value::M(map))) => {
            map.remove(name);
        }
        (Step::Index(index), Some(Value::L(list))) if *index < list.len() => {
            list.remove(*index);
        }
        _ => {}
    }
}

#[cfg(test)]
#[path = "update_tests.rs"]
mod tests;
