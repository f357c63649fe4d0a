//! Documents as JSON, straight into a buffer. Members the model does not have are never written: what an answer may
//! contain is decided by the model, not by the handler.

use casemate_schema::{Document, Kind, Location, Schema, TimestampFormat};

use super::{Members, TypeMember};
use crate::{
    ErrorAnswer, FaultOf,
    http_value::{epoch_seconds, write_base64, write_double, write_timestamp},
};

/// Writes a structure; anything that is none becomes `{}`.
pub(super) fn structure(schema: &Schema, members: Members, document: &Document, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut first = true;
    body_members(schema, members, document, &mut first, out);
    out.push(b'}');
}

/// Writes a value of any shape.
pub(super) fn value(
    schema: &Schema,
    format: Option<TimestampFormat>,
    document: &Document,
    out: &mut Vec<u8>,
) {
    match document {
        Document::Null => out.extend_from_slice(b"null"),
        Document::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Document::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Document::Double(value) if value.is_finite() => {
            out.extend_from_slice(write_double(*value).as_bytes());
        }
        Document::Double(value) => string(&write_double(*value), out),
        Document::String(text) => string(text, out),
        Document::Blob(bytes) => string(&write_base64(bytes), out),
        Document::Timestamp(time) => {
            let own = if let Kind::Timestamp(own) = &schema.kind { *own } else { None };
            match format.or(own) {
                None | Some(TimestampFormat::UnixTimestamp) => {
                    out.extend_from_slice(epoch_seconds(*time).as_bytes());
                }
                Some(format) => string(&write_timestamp(format, *time), out),
            }
        }
        Document::List(items) => list(schema, items, out),
        Document::Map(entries) => match &schema.kind {
            Kind::Map { value: inner, .. } => map(inner(), entries, out),
            _ => structure(schema, Members::All, document, out),
        },
    }
}

/// `{"__type": …, "message": …}` and the further members of the error's shape.
pub(super) fn error(error: &ErrorAnswer, type_member: TypeMember) -> Vec<u8> {
    let mut out = vec![b'{'];
    let mut first = true;
    let mut member = |name: &str, text: &str, out: &mut Vec<u8>| {
        separate(&mut first, out);
        string(name, out);
        out.push(b':');
        string(text, out);
    };
    if type_member == TypeMember::Present {
        member("__type", &error.code, &mut out);
    } else if error.schema.is_some_and(|schema| schema.member("Type").is_some())
        && error.fields.get("Type").is_none()
    {
        // AWS: errors with a `Type` member say whose fault it was (`User` or `Service`).
        member("Type", if error.fault == FaultOf::Sender { "User" } else { "Service" }, &mut out);
    }
    let modelled = error.schema.and_then(|schema| {
        schema.members().iter().find(|member| member.name.eq_ignore_ascii_case("message"))
    });
    if !error.message.is_empty() || modelled.is_some() {
        member(modelled.map_or("message", |member| member.wire_name), &error.message, &mut out);
    }
    if let Some(schema) = error.schema {
        let fields = error.fields.entries().iter().filter(|(name, _)| !name.eq_ignore_ascii_case("message"));
        let fields = Document::Map(fields.cloned().collect());
        body_members(schema, Members::OfBody, &fields, &mut first, &mut out);
    }
    out.push(b'}');
    out
}

fn body_members(schema: &Schema, members: Members, document: &Document, first: &mut bool, out: &mut Vec<u8>) {
    for (name, inner) in document.entries() {
        let Some(member) = schema.member(name) else { continue };
        let elsewhere = members == Members::OfBody && member.location != Location::Body;
        if elsewhere || inner.is_null() {
            continue;
        }
        separate(first, out);
        string(member.wire_name, out);
        out.push(b':');
        value((member.schema)(), member.timestamp_format, inner, out);
    }
}

fn list(schema: &Schema, items: &[Document], out: &mut Vec<u8>) {
    let inner = if let Kind::List { member, .. } = &schema.kind { member() } else { schema };
    out.push(b'[');
    let mut first = true;
    for item in items {
        separate(&mut first, out);
        value(inner, None, item, out);
    }
    out.push(b']');
}

fn map(inner: &Schema, entries: &[(String, Document)], out: &mut Vec<u8>) {
    out.push(b'{');
    let mut first = true;
    for (key, entry) in entries {
        separate(&mut first, out);
        string(key, out);
        out.push(b':');
        value(inner, None, entry, out);
    }
    out.push(b'}');
}

fn separate(first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::take(first) {
        out.push(b',');
    }
}

fn string(text: &str, out: &mut Vec<u8>) {
    // Writing text into memory cannot fail; were it to, the answer would be cut short, not wrong.
    let written = serde_json::to_writer(out, text);
    debug_assert!(written.is_ok(), "text is always serialisable");
}
