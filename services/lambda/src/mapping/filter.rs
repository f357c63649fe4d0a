//! Filter patterns: which are well formed. Matching belongs to those who read sources.
//!
//! A pattern is an object of names; each leads to further names or to a list of what a value may be.

use serde_json::{Map, Value};

/// Depth of a pattern. Ours: with the model's 4,096 characters it bounds the work.
const DEPTH_MAX: usize = 32;

/// Whether `text` is a pattern.
// AWS: "Filter rule syntax" and "Using filter criteria" (developer guide, "Control which events Lambda sends to your
// function"): null, empty, equals, and, or, not, numeric, exists, begins with, ends with, equals ignoring case.
pub(super) fn is_pattern(text: &str) -> bool {
    match serde_json::from_str(text) {
        Ok(Value::Object(names)) => names_are_fine(&names, 0),
        _ => false,
    }
}

fn names_are_fine(names: &Map<String, Value>, depth: usize) -> bool {
    depth < DEPTH_MAX
        && names.iter().all(|(name, value)| match value {
            Value::Array(branches) if name == "$or" => {
                branches.len() > 1
                    && branches.iter().all(|branch| {
                        branch.as_object().is_some_and(|names| names_are_fine(names, depth + 1))
                    })
            }
            Value::Array(rules) => !rules.is_empty() && rules.iter().all(rule_is_fine),
            Value::Object(names) => !names.is_empty() && names_are_fine(names, depth + 1),
            _ => false,
        })
}

fn rule_is_fine(rule: &Value) -> bool {
    match rule {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        Value::Array(_) => false,
        Value::Object(rule) => {
            let mut parts = rule.iter();
            let (Some((name, value)), None) = (parts.next(), parts.next()) else { return false };
            match name.as_str() {
                "exists" => value.is_boolean(),
                "prefix" | "suffix" | "equals-ignore-case" => value.is_string(),
                "anything-but" => is_exclusion(value),
                "numeric" => value.as_array().is_some_and(|parts| is_comparison(parts)),
                _ => false,
            }
        }
    }
}

fn is_exclusion(value: &Value) -> bool {
    let plain = |value: &Value| value.is_string() || value.is_number();
    match value {
        Value::Array(values) => !values.is_empty() && values.iter().all(plain),
        Value::Object(rule) => rule.len() == 1 && rule.get("prefix").is_some_and(Value::is_string),
        value => plain(value),
    }
}

/// One comparison, or two that bound a range.
fn is_comparison(parts: &[Value]) -> bool {
    let one = |operator: &Value, number: &Value, allowed: &[&str]| {
        operator.as_str().is_some_and(|operator| allowed.contains(&operator)) && number.is_number()
    };
    match parts {
        [operator, number] => one(operator, number, &["=", "<", "<=", ">", ">="]),
        [above, low, below, high] => one(above, low, &[">", ">="]) && one(below, high, &["<", "<="]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_the_guide_are_taken() {
        for text in [
            r#"{"body":{"Temperature":[{"numeric":[">",0,"<=",100]}]}}"#,
            r#"{"data":{"State":["A",null,1,true,""]}}"#,
            r#"{"$or":[{"a":["x"]},{"b":[{"exists":false}]}]}"#,
            r#"{"a":[{"prefix":"x"},{"suffix":".png"},{"equals-ignore-case":"Z"},{"anything-but":["q"]}]}"#,
            r#"{"a":[{"anything-but":{"prefix":"x"}}],"b":[{"numeric":["=",3]}]}"#,
            "{}",
        ] {
            assert!(is_pattern(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let deep = format!("{}{}{}", r#"{"a":"#.repeat(40), r#"["x"]"#, "}".repeat(40));
        for text in [
            "",
            "[]",
            "not json",
            r#"{"a":"x"}"#,
            r#"{"a":1}"#,
            r#"{"a":[]}"#,
            r#"{"a":{}}"#,
            r#"{"a":[["x"]]}"#,
            r#"{"a":[{"prefix":1}]}"#,
            r#"{"a":[{"prefix":"x","suffix":"y"}]}"#,
            r#"{"a":[{"wildcard":"*"}]}"#,
            r#"{"a":[{"numeric":["<",1,">",0]}]}"#,
            r#"{"a":[{"numeric":[">"]}]}"#,
            r#"{"a":[{"anything-but":[]}]}"#,
            r#"{"$or":[{"a":["x"]}]}"#,
            deep.as_str(),
        ] {
            assert!(!is_pattern(text), "{text}");
        }
    }
}
