//! Replaces the AWS principals in a document: ARNs by unique ids when it is stored, and back when it is shown.

use serde_json::Value;

/// What being listed means to a principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stake {
    /// It is allowed what others are not, or excepted from what they are denied.
    Gains,
    /// It is denied what others are not, or excepted from what they are allowed.
    Loses,
}

/// What to put in a principal's place (`None` leaves it), given what it means to whom it names.
pub type Replace<'a, E> = dyn FnMut(&str, Stake) -> Result<Option<String>, E> + 'a;

/// Offers every string under `Principal.AWS` and `NotPrincipal.AWS` to `replace`, with what it means to whom it
/// names; it answers what to put in its place (`None` leaves it). The text must be a policy that [`crate::Policy::parse`] accepts; other text comes back
/// unchanged. Without a replacement the text comes back byte by byte.
pub fn rewrite_principals<E>(text: &str, replace: &mut Replace<'_, E>) -> Result<String, E> {
    let Ok(mut document) = serde_json::from_str::<Value>(text) else { return Ok(text.to_owned()) };
    let mut changed = false;
    if let Some(statements) = document.get_mut("Statement") {
        for statement in one_or_many(statements) {
            let denies = statement.get("Effect").and_then(Value::as_str) == Some("Deny");
            for (element, excepted) in [("Principal", false), ("NotPrincipal", true)] {
                let stake = if denies == excepted { Stake::Gains } else { Stake::Loses };
                let Some(named) = statement.get_mut(element).and_then(|tree| tree.get_mut("AWS")) else {
                    continue;
                };
                for name in one_or_many(named) {
                    let replacement = name.as_str().map_or(Ok(None), |name| replace(name, stake))?;
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
        let new = rewrite_principals::<()>(text, &mut |name, _| {
            seen.push(name.to_owned());
            Ok((name == "b").then(|| "B".to_owned()))
        });
        assert_eq!(
            new.unwrap(),
            r#"{"Statement":[{"Principal":{"AWS":["a","B"],"Service":"a"}},{"Principal":"*"}]}"#
        );
        assert_eq!(seen, ["a", "b"]);
        assert_eq!(rewrite_principals::<()>(text, &mut |_, _| Ok(None)).unwrap(), text);
        let excepted = r#"{"Statement":{"NotPrincipal":{"AWS":"a"}}}"#;
        let new = rewrite_principals::<()>(excepted, &mut |_, _| Ok(Some("A".to_owned()))).unwrap();
        assert_eq!(new, r#"{"Statement":{"NotPrincipal":{"AWS":"A"}}}"#);
    }

    #[test]
    fn who_is_listed_gains_or_loses_by_the_effect_and_the_element() {
        for (effect, element, gains) in [
            ("Allow", "Principal", true),
            ("Allow", "NotPrincipal", false),
            ("Deny", "Principal", false),
            ("Deny", "NotPrincipal", true),
        ] {
            let text = format!(r#"{{"Statement":{{"Effect":"{effect}","{element}":{{"AWS":"a"}}}}}}"#);
            let mut seen = Vec::new();
            rewrite_principals::<()>(&text, &mut |_, stake| {
                seen.push(stake == Stake::Gains);
                Ok(None)
            })
            .unwrap();
            assert_eq!(seen, [gains], "{effect} {element}");
        }
    }
}
