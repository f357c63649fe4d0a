//! Methods, by the type of the value they are called on. What is not listed has no value; nothing is looked up by
//! reflection.

use std::rc::Rc;

use super::{
    RenderError,
    arithmetic::float,
    interpreter::Machine,
    value::{Value, java_double},
};

impl Machine<'_> {
    /// Calls a method.
    pub(super) fn method(
        &mut self,
        on: &Value,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, RenderError> {
        match (name, arguments) {
            ("toString", []) => {
                let text = self.heap.shown(on)?;
                return Ok(Value::Text(text));
            }
            ("equals", [other]) => return Ok(Value::Bool(self.same(on, other)?)),
            _ => {}
        }
        match on {
            Value::Input => self.input_method(name, arguments),
            Value::Util => self.util_method(name, arguments),
            Value::Text(text) => self.text_method(&Rc::clone(text), name, arguments),
            Value::List(list) => self.list_method(*list, name, arguments),
            Value::Map(map) => self.map_method(*map, name, arguments),
            Value::Int(_) | Value::Float(_) => Self::number_method(on, name, arguments),
            Value::Bool(value) => Ok(match (name, arguments) {
                ("booleanValue", []) => Value::Bool(*value),
                ("compareTo", [Value::Bool(other)]) => Value::Int(order(value.cmp(other))),
                _ => Value::Null,
            }),
            Value::Null | Value::Block(_) => Ok(Value::Null),
        }
    }

    /// Java's `equals`: other than `==` in Velocity, values of two types are never equal.
    fn same(&mut self, left: &Value, right: &Value) -> Result<bool, RenderError> {
        let one_type = std::mem::discriminant(left) == std::mem::discriminant(right);
        Ok(one_type && self.equal(left, right)?)
    }

    /// Methods of numbers; those that are static in Java (`parseInt`) are reached through a number, too.
    fn number_method(on: &Value, name: &str, arguments: &[Value]) -> Result<Value, RenderError> {
        let number =
            |text: &str| text.parse::<i64>().map_err(|_| RenderError::new("the text of a number is none"));
        let int = |value: f64| Value::Int(truncated(value));
        Ok(match (name, arguments) {
            ("parseInt" | "parseLong" | "valueOf", [Value::Text(text)]) => match (on, text.parse::<f64>()) {
                (Value::Float(_), Ok(value)) => Value::Float(value),
                _ => Value::Int(number(text)?),
            },
            ("parseDouble" | "parseFloat", [Value::Text(text)]) => {
                let read = text.trim().parse::<f64>();
                Value::Float(read.map_err(|_| RenderError::new("the text of a number is none"))?)
            }
            ("valueOf", [value @ (Value::Int(_) | Value::Float(_))]) => value.clone(),
            ("toString", [value @ Value::Int(_)]) => Value::Text(Rc::from(plain(value))),
            ("intValue" | "longValue" | "shortValue", []) => match on {
                Value::Float(value) => int(*value),
                other => other.clone(),
            },
            ("doubleValue" | "floatValue", []) => float(on).map_or(Value::Null, Value::Float),
            ("compareTo", [other @ (Value::Int(_) | Value::Float(_))]) => {
                let order_of = float(on).zip(float(other)).and_then(|(a, b)| a.partial_cmp(&b));
                order_of.map_or(Value::Null, |found| Value::Int(order(found)))
            }
            ("isNaN", []) => Value::Bool(matches!(on, Value::Float(value) if value.is_nan())),
            ("hashCode", []) if matches!(on, Value::Int(_)) => on.clone(),
            _ => Value::Null,
        })
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Int(value) => value.to_string(),
        Value::Float(value) => java_double(*value),
        _ => String::new(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, as Java's conversion does")]
fn truncated(value: f64) -> i64 {
    value as i64
}

/// -1, 0 or 1.
pub(super) fn order(order: std::cmp::Ordering) -> i64 {
    order as i64
}
