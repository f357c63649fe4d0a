//! Documents as the XML of awsQuery answers. Members the model does not have are never written.

use bytes::Bytes;
use casemate_schema::{Document, Kind, OpMeta, Schema, TimestampFormat};

use super::{element_name, flattened_name};
use crate::{
    ErrorAnswer, FaultOf,
    http_value::{Place, write_scalar},
};

/// `<OpResponse xmlns=…><OpResult>…</OpResult><ResponseMetadata><RequestId>…`
pub(crate) fn answer_xml(op: &OpMeta, output: &Document, request_id: &str) -> Bytes {
    let mut xml = Xml { text: String::with_capacity(512) };
    let response = format!("{}Response", op.name);
    xml.open_in(&response, op.service.xml_namespace);
    if op.result_wrapper.is_empty() {
        xml.members(op.output, output);
    } else {
        xml.open(op.result_wrapper);
        xml.members(op.output, output);
        xml.close(op.result_wrapper);
    }
    xml.open("ResponseMetadata");
    xml.leaf("RequestId", request_id);
    xml.close("ResponseMetadata");
    xml.close(&response);
    Bytes::from(xml.text)
}

/// `<ErrorResponse xmlns=…><Error><Type>…</Type><Code>…</Code><Message>…</Message></Error><RequestId>…`
pub(crate) fn error_xml(error: &ErrorAnswer, namespace: &str, request_id: &str) -> Bytes {
    let mut xml = Xml { text: String::with_capacity(512) };
    xml.open_in("ErrorResponse", namespace);
    xml.open("Error");
    xml.leaf("Type", if error.fault == FaultOf::Sender { "Sender" } else { "Receiver" });
    xml.leaf("Code", &error.code);
    xml.leaf("Message", &error.message);
    if let Some(schema) = error.schema {
        let fields = error.fields.entries().iter().filter(|(name, _)| !name.eq_ignore_ascii_case("message"));
        xml.members(schema, &Document::Map(fields.cloned().collect()));
    }
    xml.close("Error");
    xml.leaf("RequestId", request_id);
    xml.close("ErrorResponse");
    Bytes::from(xml.text)
}

struct Xml {
    text: String,
}

impl Xml {
    fn open(&mut self, name: &str) {
        self.text.push('<');
        self.text.push_str(name);
        self.text.push('>');
    }

    fn open_in(&mut self, name: &str, namespace: &str) {
        if namespace.is_empty() {
            return self.open(name);
        }
        self.text.push('<');
        self.text.push_str(name);
        self.text.push_str(" xmlns=\"");
        escape(namespace, &mut self.text);
        self.text.push_str("\">");
    }

    fn close(&mut self, name: &str) {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    fn leaf(&mut self, name: &str, text: &str) {
        self.open(name);
        escape(text, &mut self.text);
        self.close(name);
    }

    fn members(&mut self, schema: &Schema, document: &Document) {
        for (name, inner) in document.entries() {
            if let Some(member) = schema.member(name) {
                self.value((member.schema)(), member.timestamp_format, member.wire_name, inner);
            }
        }
    }

    fn value(&mut self, schema: &Schema, format: Option<TimestampFormat>, name: &str, document: &Document) {
        match (&schema.kind, document) {
            (Kind::List { member, member_name, flattened: true }, Document::List(items)) => {
                for item in items {
                    self.value(member(), None, flattened_name(name, member_name), item);
                }
            }
            (Kind::List { member, member_name, .. }, Document::List(items)) => {
                self.open(name);
                for item in items {
                    self.value(member(), None, element_name(member_name), item);
                }
                self.close(name);
            }
            (Kind::Map { key, value, .. }, Document::Map(entries)) => {
                self.open(name);
                for (entry_key, entry) in entries {
                    self.open("entry");
                    self.value(key(), None, "key", &Document::String(entry_key.clone()));
                    self.value(value(), None, "value", entry);
                    self.close("entry");
                }
                self.close(name);
            }
            (Kind::Structure { .. }, Document::Map(_)) => {
                self.open(name);
                self.members(schema, document);
                self.close(name);
            }
            _ => {
                if let Some(text) = write_scalar(schema, format, Place::Uri, document) {
                    self.leaf(name, &text);
                }
            }
        }
    }
}

/// Escapes text so that it is the same after parsing. Characters that XML 1.0 cannot hold become U+FFFD.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // A parser would turn a bare one into a line feed.
            '\r' => out.push_str("&#xD;"),
            '\t' | '\n' => out.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
}
