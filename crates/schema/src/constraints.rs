//! Checks a document against its schema and says what is wrong in AWS's words.

use crate::{Document, Kind, Schema, pattern};

/// One thing that is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path in the input, `camelCase`, e.g. `policies.passwordPolicy.minimumLength`.
    pub path: String,
    /// The offending value as shown to the caller; `None` for absent or sensitive ones.
    pub value: Option<String>,
    /// What it failed, e.g. `Member must have length less than or equal to 128`.
    pub constraint: String,
}

/// Nested deeper than this, a document is refused as a whole (DynamoDB allows 32 levels, each of which takes two).
const DEPTH_MAX: usize = 100;

/// Finds every violation, in the order of the schema's members.
pub fn check(schema: &Schema, document: &Document) -> Vec<Violation> {
    let mut found = Vec::new();
    check_value(schema, document, &mut String::new(), 0, &mut found);
    found
}

/// AWS: `1 validation error detected: Value 'x' at 'userPoolId' failed to satisfy constraint: Member must satisfy …`
/// (the text of every service that runs on the vendor's common framework).
pub fn validation_message(violations: &[Violation]) -> String {
    let noun = if violations.len() == 1 { "validation error" } else { "validation errors" };
    let each: Vec<String> = violations
        .iter()
        .map(|v| {
            let value = v.value.as_ref().map_or_else(|| "null".to_owned(), |value| format!("'{value}'"));
            format!("Value {value} at '{}' failed to satisfy constraint: {}", v.path, v.constraint)
        })
        .collect();
    format!("{} {noun} detected: {}", violations.len(), each.join("; "))
}

fn check_value(
    schema: &Schema,
    value: &Document,
    path: &mut String,
    depth: usize,
    found: &mut Vec<Violation>,
) {
    let mut report = |shown: Option<String>, constraint: String| {
        let value = if schema.sensitive { None } else { shown.map(clip) };
        found.push(Violation { path: path.clone(), value, constraint });
    };
    if depth > DEPTH_MAX {
        report(None, format!("Member must not be nested deeper than {DEPTH_MAX} levels"));
        return;
    }
    match (&schema.kind, value) {
        (_, Document::Null) => {}
        (Kind::Structure { members, union, .. }, Document::Map(_)) => {
            if *union && value.entries().iter().filter(|(_, v)| !v.is_null()).count() != 1 {
                report(None, "Member must have exactly one of its members set".to_owned());
            }
            for member in *members {
                let length = path.len();
                push_segment(path, &camel(member.name));
                match value.get(member.name) {
                    None | Some(Document::Null) if member.required => found.push(Violation {
                        path: path.clone(),
                        value: None,
                        constraint: "Member must not be null".to_owned(),
                    }),
                    None => {}
                    Some(inner) => check_value((member.schema)(), inner, path, depth + 1, found),
                }
                path.truncate(length);
            }
        }
        (Kind::List { member, .. }, Document::List(items)) => {
            length_of(schema, items.len(), || show(value), &mut report);
            for (index, item) in items.iter().enumerate() {
                let length = path.len();
                push_segment(path, &format!("{}.member", index + 1));
                check_entry(member(), item, path, depth + 1, found);
                path.truncate(length);
            }
        }
        (Kind::Map { key, value: inner }, Document::Map(entries)) => {
            length_of(schema, entries.len(), || show(value), &mut report);
            for (name, entry) in entries {
                let length = path.len();
                push_segment(path, &format!("{name}.member"));
                check_value(key(), &Document::String(name.clone()), path, depth + 1, found);
                check_entry(inner(), entry, path, depth + 1, found);
                path.truncate(length);
            }
        }
        (_, scalar) => check_scalar(schema, scalar, &mut report),
    }
}

/// An element of a list or map: as a value, but never null (generated types drop nulls, which would undercut lengths).
fn check_entry(
    schema: &Schema,
    value: &Document,
    path: &mut String,
    depth: usize,
    found: &mut Vec<Violation>,
) {
    if value.is_null() {
        let constraint = "Member must not be null".to_owned();
        found.push(Violation { path: path.clone(), value: None, constraint });
    } else {
        check_value(schema, value, path, depth, found);
    }
}

fn check_scalar(schema: &Schema, value: &Document, report: &mut impl FnMut(Option<String>, String)) {
    match (&schema.kind, value) {
        (Kind::Enum(values), Document::String(text)) => {
            if !values.contains(&text.as_str()) {
                let set = values.join(", ");
                report(Some(text.clone()), format!("Member must satisfy enum value set: [{set}]"));
            }
        }
        (Kind::String, Document::String(text)) => {
            length_of(schema, text.chars().count(), || text.clone(), report);
            if let Some(regex) = schema.constraints.pattern
                && !pattern::matches(regex, text)
            {
                report(
                    Some(text.clone()),
                    format!("Member must satisfy regular expression pattern: {regex}"),
                );
            }
        }
        (Kind::Blob, Document::Blob(bytes)) => {
            length_of(schema, bytes.len(), || format!("java.nio.HeapByteBuffer[{}]", bytes.len()), report);
        }
        (
            Kind::Integer | Kind::Long | Kind::Float | Kind::Double,
            Document::Integer(_) | Document::Double(_),
        ) => {
            range_of(schema, value, report);
        }
        (Kind::Boolean, Document::Bool(_)) | (Kind::Timestamp(_), Document::Timestamp(_)) => {}
        _ => report(None, "Member must be of the modelled type".to_owned()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^53")]
fn length_of(
    schema: &Schema,
    length: usize,
    shown: impl Fn() -> String,
    report: &mut impl FnMut(Option<String>, String),
) {
    let length = length as f64;
    if schema.constraints.max.is_some_and(|max| length > max) {
        let max = schema.constraints.max.unwrap_or_default();
        report(Some(shown()), format!("Member must have length less than or equal to {max}"));
    }
    if schema.constraints.min.is_some_and(|min| length < min) {
        let min = schema.constraints.min.unwrap_or_default();
        report(Some(shown()), format!("Member must have length greater than or equal to {min}"));
    }
}

#[expect(clippy::cast_precision_loss, reason = "limits in the models are far below 2^53")]
fn range_of(schema: &Schema, value: &Document, report: &mut impl FnMut(Option<String>, String)) {
    let number = match value {
        Document::Integer(n) => *n as f64,
        Document::Double(n) => *n,
        _ => return,
    };
    if let Some(max) = schema.constraints.max.filter(|max| number > *max) {
        report(Some(show(value)), format!("Member must have value less than or equal to {max}"));
    }
    if let Some(min) = schema.constraints.min.filter(|min| number < *min) {
        report(Some(show(value)), format!("Member must have value greater than or equal to {min}"));
    }
}

fn show(value: &Document) -> String {
    match value {
        Document::Null => "null".to_owned(),
        Document::Bool(b) => b.to_string(),
        Document::Integer(n) => n.to_string(),
        Document::Double(n) => n.to_string(),
        Document::String(text) => text.clone(),
        Document::Blob(bytes) => format!("{} bytes", bytes.len()),
        Document::Timestamp(t) => t.to_string(),
        Document::List(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Document::Map(entries) => {
            let each: Vec<String> = entries.iter().map(|(k, v)| format!("{k}={}", show(v))).collect();
            format!("{{{}}}", each.join(", "))
        }
    }
}

/// Messages quote at most this many characters of a value.
const SHOWN_MAX: usize = 256;

fn clip(text: String) -> String {
    if text.chars().count() <= SHOWN_MAX {
        text
    } else {
        text.chars().take(SHOWN_MAX).chain("...".chars()).collect()
    }
}

fn push_segment(path: &mut String, segment: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(segment);
}

/// `UserPoolId` → `userPoolId`, as the vendor's messages write members.
fn camel(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
