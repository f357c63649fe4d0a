//! Policies as a part of a template: the `Policies` of a function or of a role.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::document::Document;

/// The template's parameters and resources: their values here.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// `AWS::AccountId`
    pub account: String,
    /// `AWS::Region`
    pub region: String,
    /// `AWS::Partition`
    pub partition: String,
    /// What `Ref` gives → the resource's name in the template, for resources that may be named in the policies of any role.
    pub resources: BTreeMap<String, String>,
}

/// Whose policies they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A list of documents, for `AWS::Serverless::Function`.
    Function,
    /// A list of names and documents, for `AWS::IAM::Role`.
    Role,
}

/// What templates write without quotes: names that YAML takes for nothing else.
const PLAIN: [&str; 11] = [
    "Action",
    "Condition",
    "Effect",
    "NotAction",
    "NotResource",
    "PolicyDocument",
    "PolicyName",
    "Resource",
    "Sid",
    "Statement",
    "Version",
];

/// Renders the `Policies:` property of a function, indented by `indent` spaces.
pub fn policies(documents: &[Document], place: &Place, indent: usize) -> String {
    yaml("Policies", &tree(documents, place, Shape::Function), indent)
}

/// The property's value, as JSON templates write it.
pub(crate) fn tree(documents: &[Document], place: &Place, shape: Shape) -> Value {
    let each = documents.iter().enumerate().map(|(at, document)| {
        let mut text = document.json();
        for statement in text.get_mut("Statement").and_then(Value::as_array_mut).into_iter().flatten() {
            arns(statement, place);
        }
        match shape {
            Shape::Function => text,
            Shape::Role => json!({ "PolicyName": name(documents, at), "PolicyDocument": text }),
        }
    });
    each.collect()
}

/// The name of an inline policy: that of the policy it narrows, unless another has it.
fn name(documents: &[Document], at: usize) -> String {
    let last = |document: &Document| document.name.rsplit('/').next().unwrap_or_default().to_owned();
    let Some(own) = documents.get(at).map(last) else { return String::new() };
    let taken = documents.iter().take(at).any(|other| last(other) == own);
    if taken { format!("{own}-{at}") } else { own }
}

/// Writes ARNs by the template's own names.
fn arns(value: &mut Value, place: &Place) {
    match value {
        Value::String(text) if text.starts_with("arn:") => {
            *value = json!({ "Fn::Sub": substituted(text, place) });
        }
        Value::Array(all) => all.iter_mut().for_each(|inside| arns(inside, place)),
        Value::Object(members) => members.iter_mut().for_each(|(_, inside)| arns(inside, place)),
        _ => {}
    }
}

fn substituted(text: &str, place: &Place) -> String {
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
    if let Some(resource) = parts.get_mut(5) {
        let names = resource.split('/').map(|segment| match place.resources.get(segment) {
            Some(logical_id) => format!("${{{logical_id}}}"),
            None => segment.to_owned(),
        });
        *resource = names.collect::<Vec<_>>().join("/");
    }
    parts.join(":")
}

/// A property in YAML's block style.
pub(crate) fn yaml(name: &str, value: &Value, indent: usize) -> String {
    let mut out = String::new();
    member(&mut out, indent, name, value);
    out
}

fn member(out: &mut String, indent: usize, name: &str, value: &Value) {
    // A list entry's mark takes two columns of the name.
    let inner = indent + if name.starts_with("- ") || name.starts_with("  ") { 4 } else { 2 };
    match (substitution(value), value) {
        (Some(text), _) => line(out, indent, &format!("{name}: !Sub {}", quoted(text))),
        (None, Value::Object(members)) if !members.is_empty() => {
            line(out, indent, &format!("{name}:"));
            for (name, value) in members {
                member(out, inner, &key(name), value);
            }
        }
        (None, Value::Array(values)) if !values.is_empty() => {
            line(out, indent, &format!("{name}:"));
            for value in values {
                item(out, inner, value);
            }
        }
        (None, value) => line(out, indent, &format!("{name}: {value}")),
    }
}

fn item(out: &mut String, indent: usize, value: &Value) {
    match (substitution(value), value) {
        (Some(text), _) => line(out, indent, &format!("- !Sub {}", quoted(text))),
        (None, Value::Object(members)) if !members.is_empty() => entries(out, indent, members),
        (None, value) => line(out, indent, &format!("- {value}")),
    }
}

fn entries(out: &mut String, indent: usize, members: &Map<String, Value>) {
    for (at, (name, value)) in members.iter().enumerate() {
        let mark = if at == 0 { "- " } else { "  " };
        member(out, indent, &format!("{mark}{}", key(name)), value);
    }
}

fn substitution(value: &Value) -> Option<&str> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    members.get("Fn::Sub")?.as_str()
}

fn key(name: &str) -> String {
    if PLAIN.contains(&name) { name.to_owned() } else { quoted(name) }
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
