//! Numbers: whole ones stay whole, with a floating-point operand the result is one. Anything else is null, as in Velocity.

use super::{RenderError, ast::Operator, value::Value};

/// Compares; what is no number is in no order.
pub(super) fn ordered(operator: Operator, left: &Value, right: &Value) -> bool {
    let order = match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        _ => match (float(left), float(right)) {
            (Some(left), Some(right)) => left.partial_cmp(&right),
            _ => None,
        },
    };
    order.is_some_and(|order| match operator {
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        _ => order.is_ge(),
    })
}

/// Calculates. Division by zero is null.
// DIVERGES: a whole number that leaves 64 bits ends the rendering, where Velocity goes on with a BigInteger.
pub(super) fn calculated(operator: Operator, left: &Value, right: &Value) -> Result<Value, RenderError> {
    if let (Value::Int(left), Value::Int(right)) = (left, right) {
        let by_zero = *right == 0 && matches!(operator, Operator::Divide | Operator::Remainder);
        if by_zero {
            return Ok(Value::Null);
        }
        let result = match operator {
            Operator::Add => left.checked_add(*right),
            Operator::Subtract => left.checked_sub(*right),
            Operator::Multiply => left.checked_mul(*right),
            Operator::Divide => left.checked_div(*right),
            _ => left.checked_rem(*right),
        };
        return result.map(Value::Int).ok_or_else(|| RenderError::new("a number is too large"));
    }
    let (Some(left), Some(right)) = (float(left), float(right)) else { return Ok(Value::Null) };
    Ok(match operator {
        Operator::Add => Value::Float(left + right),
        Operator::Subtract => Value::Float(left - right),
        Operator::Multiply => Value::Float(left * right),
        _ if right == 0.0 => Value::Null,
        Operator::Divide => Value::Float(left / right),
        _ => Value::Float(left % right),
    })
}

#[expect(clippy::cast_precision_loss, reason = "Java's conversion does the same")]
pub(super) fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Int(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        _ => None,
    }
}
