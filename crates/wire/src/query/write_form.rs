//! Documents as form parameters: the client's side of awsQuery.

use bytes::Bytes;
use casemate_schema::{Document, Kind, OpMeta, Schema, TimestampFormat};

use super::{element_name, flattened_name};
use crate::http_value::{Place, Slash, percent_encode, write_scalar};

/// Writes action, version and input.
pub(crate) fn write_form(op: &OpMeta, input: &Document) -> Bytes {
    let mut form = Form { text: String::new() };
    form.pair("Action", op.name);
    form.pair("Version", op.service.api_version);
    form.structure(op.input, "", input);
    Bytes::from(form.text)
}

struct Form {
    text: String,
}

impl Form {
    fn pair(&mut self, name: &str, value: &str) {
        if !self.text.is_empty() {
            self.text.push('&');
        }
        self.text.push_str(&percent_encode(name, Slash::Encoded));
        self.text.push('=');
        self.text.push_str(&percent_encode(value, Slash::Encoded));
    }

    fn structure(&mut self, schema: &Schema, prefix: &str, document: &Document) {
        for (name, inner) in document.entries() {
            let Some(member) = schema.member(name) else { continue };
            let member_schema = (member.schema)();
            let wire_name = match member_schema.kind {
                Kind::List { flattened: true, member_name, .. } => {
                    flattened_name(member.wire_name, member_name)
                }
                _ => member.wire_name,
            };
            self.value(member_schema, member.timestamp_format, &join(prefix, wire_name), inner);
        }
    }

    fn value(&mut self, schema: &Schema, format: Option<TimestampFormat>, name: &str, document: &Document) {
        match (&schema.kind, document) {
            (_, Document::List(items)) if items.is_empty() => self.pair(name, ""),
            (_, Document::Map(entries)) if entries.is_empty() => self.pair(name, ""),
            (Kind::List { member, member_name, flattened }, Document::List(items)) => {
                let prefix = if *flattened { name.to_owned() } else { join(name, element_name(member_name)) };
                for (index, item) in items.iter().enumerate() {
                    self.value(member(), None, &join(&prefix, &(index + 1).to_string()), item);
                }
            }
            (Kind::Map { value, .. }, Document::Map(entries)) => {
                for (index, (key, entry)) in entries.iter().enumerate() {
                    let prefix = join(name, &format!("entry.{}", index + 1));
                    self.pair(&join(&prefix, "key"), key);
                    self.value(value(), None, &join(&prefix, "value"), entry);
                }
            }
            (Kind::Structure { .. }, Document::Map(_)) => self.structure(schema, name, document),
            _ => {
                if let Some(text) = write_scalar(schema, format, Place::Uri, document) {
                    self.pair(name, &text);
                }
            }
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}
