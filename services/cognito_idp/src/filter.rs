//! The `Filter` of `ListUsers`: `name = "value"` (exact) or `name ^= "value"` (prefix). Pure.

use crate::refusal::Refusal;

/// AWS: what can be searched by.
const SEARCHABLE: [&str; 10] = [
    "username",
    "email",
    "phone_number",
    "name",
    "given_name",
    "family_name",
    "preferred_username",
    "cognito:user_status",
    "status",
    "sub",
];

/// A parsed filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// What is searched by.
    pub attribute: &'static str,
    /// What it must be, or begin with.
    pub value: String,
    /// Is a beginning enough?
    pub prefix: bool,
}

impl Filter {
    /// Parses a filter; an empty text means no filter.
    pub fn parse(text: &str) -> Result<Option<Self>, Refusal> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        // AWS: as clients show it.
        let malformed = || Refusal::invalid_parameter("Error while parsing filter.");
        let (left, right) = text.split_once('=').ok_or_else(malformed)?;
        let (name, prefix) = match left.trim_end().strip_suffix('^') {
            Some(name) => (name.trim(), true),
            None => (left.trim(), false),
        };
        let name = name.trim_matches('"');
        let quoted =
            right.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(malformed)?;
        let attribute = SEARCHABLE
            .into_iter()
            .find(|known| *known == name)
            .ok_or_else(|| Refusal::invalid_parameter(format!("Invalid search attribute: {name}")))?;
        Ok(Some(Self { attribute, value: unescape(quoted).ok_or_else(malformed)?, prefix }))
    }

    /// Does this value of the attribute pass?
    pub fn admits(&self, value: Option<&str>) -> bool {
        value.is_some_and(
            |value| if self.prefix { value.starts_with(&self.value) } else { value == self.value },
        )
    }
}

/// `\"` is a quote; a bare quote ends the text too early and is refused.
fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return None,
            '\\' => out.push(chars.next()?),
            other => out.push(other),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_and_prefix_filters_are_read() {
        let filter = Filter::parse(r#"email = "a@b.co""#).unwrap().unwrap();
        assert!(filter.admits(Some("a@b.co")) && !filter.admits(Some("a@b.com")) && !filter.admits(None));
        let filter = Filter::parse(r#"given_name^="Jo""#).unwrap().unwrap();
        assert!(filter.admits(Some("Jon")) && !filter.admits(Some("jon")));
        let filter = Filter::parse(r#"name = "say \"hi\"""#).unwrap().unwrap();
        assert!(filter.admits(Some(r#"say "hi""#)));
        assert_eq!(Filter::parse("  ").unwrap(), None);
    }

    #[test]
    fn other_attributes_and_malformed_filters_are_refused() {
        for text in [
            r#"custom:plan = "x""#,
            r#"address = "x""#,
            "email",
            "email = x",
            r#"email = "x"#,
            r#"email = "a"b""#,
        ] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
    }
}
