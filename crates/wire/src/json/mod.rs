//! JSON by schema: the bodies of awsJson and restJson. Knows no HTTP beyond the body.

mod read;
mod write;

use bytes::Bytes;
use casemate_schema::{Document, OpMeta, Schema};

use crate::{DecodeError, ErrorAnswer, Head};

/// Which members of the outermost structure are in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Members {
    /// All of them (awsJson ignores HTTP bindings).
    All,
    /// Those not bound elsewhere (restJson).
    OfBody,
}

/// Whether an error says its code in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeMember {
    /// `__type` (awsJson).
    Present,
    /// The code is in a header (restJson).
    Absent,
}

/// Reads an awsJson input. The media type was checked by the router.
pub(crate) fn read_input(op: &OpMeta, _head: &Head, body: &Bytes) -> Result<Document, DecodeError> {
    if body.is_empty() && op.input.members().is_empty() {
        return Ok(Document::empty());
    }
    read::read(op.input, Members::All, body)
}

/// Reads the body members of a restJson input, or a structure that is the payload.
pub(crate) fn read_body(schema: &Schema, members: Members, body: &[u8]) -> Result<Document, DecodeError> {
    read::read(schema, members, body)
}

/// Writes a structure as an awsJson body.
pub(crate) fn write_output(schema: &Schema, output: &Document) -> Bytes {
    write_body(schema, Members::All, output)
}

/// Writes a structure as a body; nothing at all is `{}`.
pub(crate) fn write_body(schema: &Schema, members: Members, value: &Document) -> Bytes {
    let mut out = Vec::with_capacity(256);
    write::structure(schema, members, value, &mut out);
    Bytes::from(out)
}

/// Writes an error's body.
pub(crate) fn error_body(error: &ErrorAnswer, type_member: TypeMember) -> Bytes {
    Bytes::from(write::error(error, type_member))
}

/// Reads a value of any shape from JSON, with the strictness of a request body.
pub fn document_from_json(schema: &Schema, json: &[u8]) -> Result<Document, DecodeError> {
    read::read(schema, Members::All, json)
}

/// Writes a value of any shape as JSON.
pub fn document_to_json(schema: &Schema, value: &Document) -> Vec<u8> {
    let mut out = Vec::new();
    write::value(schema, None, value, &mut out);
    out
}
