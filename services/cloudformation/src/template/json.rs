//! Reads a template's text, JSON or YAML. JSON is parsed as YAML's flow style, which keeps line numbers; what JSON can say and
//! YAML cannot (surrogate pairs) is read as JSON, without lines.

use super::{error::TemplateError, value::Node, yaml};

/// Reads a template.
pub(crate) fn read(text: &str) -> Result<Node, TemplateError> {
    let parsed = yaml::parse(text);
    if parsed.is_ok() || !text.trim_start().starts_with('{') {
        return parsed;
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) if only_unique_keys(&parsed) => Ok(Node::from_json(&value)),
        Ok(_) => parsed,
        // AWS: "Template format error: JSON not well-formed. (line 1, column 2)".
        Err(error) => {
            let place = format!("(line {}, column {})", error.line(), error.column());
            let text = format!("Template format error: JSON not well-formed. {place}");
            parsed.map_err(|_| TemplateError::at(0, text))
        }
    }
}

/// serde_json keeps the last of two equal keys; then YAML's complaint about them must stand, as its other rules must.
fn only_unique_keys(parsed: &Result<Node, TemplateError>) -> bool {
    parsed.as_ref().err().is_some_and(|error| error.to_string().contains("not well-formed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_are_read() {
        assert_eq!(read("a: 1").unwrap(), read("{\"a\": 1}").unwrap());
        assert_eq!(read("{\"a\": \"\\ud83d\\ude00\"}").unwrap().get("a").unwrap().as_text(), Some("😀"));
    }

    #[test]
    fn broken_json_says_where() {
        let error = read("{\n  \"a\": [1,\n}").unwrap_err().to_string();
        assert!(error.starts_with("Template format error:"), "{error}");
        assert!(error.contains("(line "), "{error}");
        assert!(read("{\"a\": 1, \"a\": 2}").unwrap_err().to_string().contains("duplicate key"));
    }
}
