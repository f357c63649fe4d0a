//! Reads the input of a REST request: labels, query, headers, body.

use bytes::Bytes;
use casemate_schema::{Document, Kind, Location, Member, OpMeta};

use super::payload;
use crate::{
    DecodeError, Head,
    http_value::{PairsError, Place, pairs, read_scalar},
    json::{self, Members},
};

/// More query parameters are refused. Source: no operation takes more than a few dozen.
const QUERY_PARAMETERS_MAX: usize = 1000;
/// What may be declared for a JSON body. Source: the vendor's SDKs send the first, some tools the others.
const JSON_TYPES: [&str; 3] =
    ["application/json", "application/x-amz-json-1.1", "application/x-amz-json-1.0"];

/// Reads an input.
pub(crate) fn read_input(
    op: &OpMeta,
    labels: &[(String, String)],
    head: &Head,
    body: &Bytes,
) -> Result<Document, DecodeError> {
    let query = pairs(head.query(), QUERY_PARAMETERS_MAX).map_err(|e| match e {
        PairsError::Malformed => DecodeError::serialization("The query string cannot be decoded"),
        PairsError::TooMany => DecodeError::TooComplex("Too many query parameters"),
    })?;
    let members = op.input.members();
    let mut found = Vec::new();
    for member in members {
        let value = match member.location {
            Location::Uri => label(member, labels)?,
            Location::QueryString => query_member(op, member, &query)?,
            Location::Header => header(member, head)?,
            Location::Headers => prefixed_headers(member, head)?,
            Location::Body | Location::StatusCode => None,
        };
        found.extend(value.map(|value| (member.name.to_owned(), value)));
    }
    found.extend(read_body(op, head, body)?);
    Ok(Document::Map(found))
}

fn read_body(op: &OpMeta, head: &Head, body: &Bytes) -> Result<Vec<(String, Document)>, DecodeError> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(member) = payload(op.input) {
        let schema = (member.schema)();
        let value = match schema.kind {
            Kind::Blob => Document::Blob(body.clone()),
            Kind::String | Kind::Enum(_) => {
                let text = std::str::from_utf8(body)
                    .map_err(|_| DecodeError::serialization("The body is not UTF-8"))?;
                Document::String(text.to_owned())
            }
            _ => {
                require_json(head)?;
                json::read_body(schema, Members::All, body)?
            }
        };
        return Ok(vec![(member.name.to_owned(), value)]);
    }
    // AWS: a body that no member is bound to is not looked at.
    if !op.input.members().iter().any(|member| member.location == Location::Body) {
        return Ok(Vec::new());
    }
    require_json(head)?;
    Ok(json::read_body(op.input, Members::OfBody, body)?.into_entries())
}

fn require_json(head: &Head) -> Result<(), DecodeError> {
    match head.media_type() {
        None => Ok(()),
        Some(found) if JSON_TYPES.contains(&found.as_str()) => Ok(()),
        Some(found) => Err(DecodeError::UnsupportedMediaType(found.chars().take(128).collect())),
    }
}

fn label(member: &Member, labels: &[(String, String)]) -> Result<Option<Document>, DecodeError> {
    let found = labels.iter().find(|(name, _)| name == member.wire_name);
    found.map(|(_, text)| scalar(member, Place::Uri, text)).transpose()
}

fn query_member(
    op: &OpMeta,
    member: &Member,
    query: &[(String, String)],
) -> Result<Option<Document>, DecodeError> {
    let schema = (member.schema)();
    if let Kind::Map { value, .. } = &schema.kind {
        let literals = op.http.uri.split_once('?').map_or("", |(_, query)| query);
        let unbound = query.iter().filter(|(name, _)| {
            let literal = literals.split('&').any(|part| part.split('=').next() == Some(name));
            let bound = op
                .input
                .members()
                .iter()
                .any(|other| other.location == Location::QueryString && other.wire_name == name);
            !literal && !bound && !name.starts_with("X-Amz-")
        });
        return query_map(value(), unbound);
    }
    let mut values = query.iter().filter(|(name, _)| name == member.wire_name).map(|(_, value)| value);
    if let Kind::List { member: inner, .. } = &schema.kind {
        let items: Vec<Document> =
            values.map(|text| read_scalar(inner(), None, Place::Uri, text)).collect::<Result<_, _>>()?;
        return Ok((!items.is_empty()).then_some(Document::List(items)));
    }
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(text), None) => scalar(member, Place::Uri, text).map(Some),
        (Some(_), Some(_)) => Err(DecodeError::serialization("A query parameter occurs twice")),
    }
}

/// A map takes every parameter that no other member claims; its values are texts or lists of them.
fn query_map<'a>(
    value: &casemate_schema::Schema,
    pairs: impl Iterator<Item = &'a (String, String)>,
) -> Result<Option<Document>, DecodeError> {
    let mut found: Vec<(String, Document)> = Vec::new();
    for (name, text) in pairs {
        let earlier = found.iter_mut().find(|(other, _)| other == name).map(|(_, value)| value);
        match (&value.kind, earlier) {
            (Kind::List { member, .. }, Some(Document::List(items))) => {
                items.push(read_scalar(member(), None, Place::Uri, text)?);
            }
            (Kind::List { member, .. }, _) => {
                let item = read_scalar(member(), None, Place::Uri, text)?;
                found.push((name.clone(), Document::List(vec![item])));
            }
            (_, Some(_)) => return Err(DecodeError::serialization("A query parameter occurs twice")),
            (_, None) => found.push((name.clone(), read_scalar(value, None, Place::Uri, text)?)),
        }
    }
    Ok((!found.is_empty()).then_some(Document::Map(found)))
}

fn header(member: &Member, head: &Head) -> Result<Option<Document>, DecodeError> {
    let mut texts = head.headers.get_all(member.wire_name).iter().map(header_text);
    let schema = (member.schema)();
    if let Kind::List { member: inner, .. } = &schema.kind {
        let mut items = Vec::new();
        for text in texts {
            for part in split_header_list(text?)? {
                items.push(read_scalar(inner(), None, Place::Header, &part)?);
            }
        }
        return Ok((!items.is_empty()).then_some(Document::List(items)));
    }
    match (texts.next(), texts.next()) {
        (None, _) => Ok(None),
        (Some(text), None) => scalar(member, Place::Header, text?).map(Some),
        (Some(_), Some(_)) => Err(DecodeError::serialization("A header occurs twice")),
    }
}

/// All headers that begin with the member's wire name, without it.
fn prefixed_headers(member: &Member, head: &Head) -> Result<Option<Document>, DecodeError> {
    let prefix = member.wire_name.to_ascii_lowercase();
    let mut found: Vec<(String, Document)> = Vec::new();
    for (name, value) in &head.headers {
        if let Some(rest) = name.as_str().strip_prefix(&prefix) {
            if found.iter().any(|(other, _)| other == rest) {
                return Err(DecodeError::serialization("A header occurs twice"));
            }
            found.push((rest.to_owned(), Document::String(header_text(value)?.to_owned())));
        }
    }
    Ok((!found.is_empty()).then_some(Document::Map(found)))
}

fn header_text(value: &http::HeaderValue) -> Result<&str, DecodeError> {
    std::str::from_utf8(value.as_bytes()).map_err(|_| DecodeError::serialization("A header is not UTF-8"))
}

/// Splits at commas outside of double quotes; quotes and their escapes are taken off.
fn split_header_list(text: &str) -> Result<Vec<String>, DecodeError> {
    let mut items = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut item = String::new();
            let mut chars = quoted.chars();
            loop {
                match chars.next() {
                    Some('"') => break,
                    Some('\\') => item.extend(chars.next()),
                    Some(c) => item.push(c),
                    None => return Err(DecodeError::serialization("A quoted header value has no end")),
                }
            }
            items.push(item);
            rest = chars.as_str().trim_start();
            if let Some(after) = rest.strip_prefix(',') {
                rest = after.trim_start();
            } else if !rest.is_empty() {
                return Err(DecodeError::serialization("A quoted header value must be followed by a comma"));
            }
        } else {
            let (item, after) = rest.split_once(',').unwrap_or((rest, ""));
            items.push(item.trim().to_owned());
            rest = after.trim_start();
        }
    }
    Ok(items)
}

fn scalar(member: &Member, place: Place, text: &str) -> Result<Document, DecodeError> {
    read_scalar((member.schema)(), member.timestamp_format, place, text)
}
