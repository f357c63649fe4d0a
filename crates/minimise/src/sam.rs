//! Policies as a part of a template: the `Policies` of a function or of a role.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::{document::Document, template::NotEdited};

/// The template's parameters and resources: their values here.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// `AWS::AccountId`
    pub account: String,
    /// `AWS::Region`
    pub region: String,
    /// `AWS::Partition`
    pub partition: String,
    /// Name of a table of DynamoDB → what the template calls it.
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
    yaml("Policies", &Value::Array(texts(documents, place)), indent)
}

/// The property's value, as JSON templates write it.
pub(crate) fn tree(documents: &[Document], place: &Place, shape: Shape) -> Result<Value, NotEdited> {
    let texts = texts(documents, place);
    if shape == Shape::Function {
        return Ok(Value::Array(texts));
    }
    let named = names(documents)?.into_iter().zip(texts);
    Ok(named.map(|(name, text)| json!({ "PolicyName": name, "PolicyDocument": text })).collect())
}

fn texts(documents: &[Document], place: &Place) -> Vec<Value> {
    let text = |document: &Document| {
        let mut text = document.json();
        for statement in text.get_mut("Statement").and_then(Value::as_array_mut).into_iter().flatten() {
            arns(statement, place);
        }
        text
    };
    documents.iter().map(text).collect()
}

/// Characters of an inline policy's name.
// AWS: IAM API reference, PutRolePolicy, PolicyName: 1 to 128 characters.
const NAME_CHARACTERS_MAX: usize = 128;

/// The names of inline policies: each that of the policy it narrows, with a number if another has it. Of two policies with
/// one name the second would overwrite the first, and a Deny with it.
fn names(documents: &[Document]) -> Result<Vec<String>, NotEdited> {
    let mut taken = BTreeSet::new();
    let mut free = |name: &str| taken.insert(name.to_lowercase());
    let mut names = Vec::new();
    for document in documents {
        let own = document.name.rsplit('/').next().unwrap_or_default();
        let mut name = own.to_owned();
        let mut number = 1;
        while !free(&name) {
            name = format!("{own}-{number}");
            number += 1;
        }
        if name.chars().count() > NAME_CHARACTERS_MAX {
            return Err(NotEdited(format!("the policy name {name} would be too long")));
        }
        names.push(name);
    }
    Ok(names)
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
    // Only a table of this account and region is the template's: others may be called the same.
    if let [_, _, service, region, account, resource] = parts.as_mut_slice()
        && (service.as_str(), region.as_str(), account.as_str())
            == ("dynamodb", "${AWS::Region}", "${AWS::AccountId}")
        && let Some((table, below)) = resource.strip_prefix("table/").map(divided)
        && let Some(logical_id) = place.resources.get(table)
    {
        *resource = format!("table/${{{logical_id}}}{below}");
    }
    parts.join(":")
}

/// The first segment, and the rest with its slash.
fn divided(path: &str) -> (&str, &str) {
    path.split_at(path.find('/').unwrap_or(path.len()))
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
