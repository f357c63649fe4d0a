//! The policies as a part of a SAM template: the `Policies` of a function.

use serde_json::Value;

use crate::document::Document;

/// The template's pseudo parameters: their values here.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// `AWS::AccountId`
    pub account: String,
    /// `AWS::Region`
    pub region: String,
    /// `AWS::Partition`
    pub partition: String,
}

/// Renders the `Policies:` property, indented by `indent` spaces.
pub fn policies(documents: &[Document], place: &Place, indent: usize) -> String {
    let mut out = String::new();
    line(&mut out, indent, "Policies:");
    for document in documents {
        line(&mut out, indent + 2, "- Version: \"2012-10-17\"");
        line(&mut out, indent + 4, "Statement:");
        for statement in &document.statements {
            let tree = statement.json();
            let mut first = true;
            for (name, value) in tree.as_object().into_iter().flatten() {
                let mark = if first { "- " } else { "  " };
                first = false;
                member(&mut out, indent + 6, &format!("{mark}{name}"), value, place);
            }
        }
    }
    out
}

fn member(out: &mut String, indent: usize, name: &str, value: &Value, place: &Place) {
    // A list entry's mark takes two columns of the name.
    let inner = indent + if name.starts_with("- ") || name.starts_with("  ") { 4 } else { 2 };
    match value {
        Value::Object(members) => {
            line(out, indent, &format!("{name}:"));
            for (name, value) in members {
                member(out, inner, &quoted(name), value, place);
            }
        }
        Value::Array(values) => {
            line(out, indent, &format!("{name}:"));
            for value in values {
                line(out, inner, &format!("- {}", scalar(value, place)));
            }
        }
        value => line(out, indent, &format!("{name}: {}", scalar(value, place))),
    }
}

fn scalar(value: &Value, place: &Place) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if !text.starts_with("arn:") {
        return quoted(&text);
    }
    let mut parts: Vec<String> = text.splitn(6, ':').map(|part| part.replace("${", "${!")).collect();
    for (at, value, name) in [
        (1, &place.partition, "${AWS::Partition}"),
        (3, &place.region, "${AWS::Region}"),
        (4, &place.account, "${AWS::AccountId}"),
    ] {
        if let Some(part) = parts.get_mut(at).filter(|part| !value.is_empty() && *part == value) {
            name.clone_into(part);
        }
    }
    format!("!Sub {}", quoted(&parts.join(":")))
}

/// A double-quoted YAML scalar; JSON's quoting is a part of YAML's.
fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

fn line(out: &mut String, indent: usize, text: &str) {
    out.push_str(&" ".repeat(indent));
    out.push_str(text);
    out.push('\n');
}
