//! Replaces the AWS principals in a document: ARNs by unique ids when it is stored, and back when it is shown.

use serde_json::Value;

/// Offers every string under `Principal.AWS` and `NotPrincipal.AWS` to `replace`, which answers what to put in its
/// place (`None` leaves it). The text must be a policy that [`crate::Policy::parse`] accepts; other text comes back
/// unchanged. Without a replacement the text comes back byte by byte.
pub fn rewrite_principals<E>(
    text: &str,
    replace: &mut dyn FnMut(&str) -> Result<Option<String>, E>,
) -> Result<String, E> {
    let Ok(mut document) = serde_json::from_str::<Value>(text) else { return Ok(text.to_owned()) };
    let mut changed = false;
    if let Some(statements) = document.get_mut("Statement") {
        for statement in one_or_many(statements) {
            for element in ["Principal", "NotPrincipal"] {
                let Some(named) = statement.get_mut(element).and_then(|tree| tree.get_mut("AWS")) else {
                    continue;
                };
                for name in one_or_many(named) {
                    let replacement = name.as_str().map_or(Ok(None), &mut *replace)?;
                    if let Some(replacement) = replacement {
                        *name = Value::String(replacement);
                        changed = true;
                    }
                }
            }
        }
    }
    Ok(if changed { document.to_string() } else { text.to_owned() })
}

fn one_or_many(value: &mut Value) -> &mut [Value] {
    match value {
        Value::Array(items) => items,
        other => std::slice::from_mut(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_aws_principals_are_offered_and_replaced() {
        let text =
            r#"{"Statement": [{"Principal": {"AWS": ["a", "b"], "Service": "a"}}, {"Principal": "*"}]}"#;
        let mut seen = Vec::new();
        let new = rewrite_principals::<()>(text, &mut |name| {
            seen.push(name.to_owned());
            Ok((name == "b").then(|| "B".to_owned()))
        });
        assert_eq!(
            new.unwrap(),
            r#"{"Statement":[{"Principal":{"AWS":["a","B"],"Service":"a"}},{"Principal":"*"}]}"#
        );
        assert_eq!(seen, ["a", "b"]);
        assert_eq!(rewrite_principals::<()>(text, &mut |_| Ok(None)).unwrap(), text);
        let excepted = r#"{"Statement":{"NotPrincipal":{"AWS":"a"}}}"#;
        let new = rewrite_principals::<()>(excepted, &mut |_| Ok(Some("A".to_owned()))).unwrap();
        assert_eq!(new, r#"{"Statement":{"NotPrincipal":{"AWS":"A"}}}"#);
    }
}
