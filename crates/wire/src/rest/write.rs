//! Writes REST answers, and for clients REST requests.

use bytes::Bytes;
use casemate_schema::{Document, Kind, Location, Member, OpMeta, Schema};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::payload;
use crate::{
    EncodeError, HttpAnswer, HttpRequest,
    answer::{JSON, content_type, request_id_header},
    codec::success,
    http_value::{Place, Slash, percent_encode, write_scalar},
    json::{self, Members},
};

/// Writes an answer.
pub(crate) fn write_output(op: &OpMeta, mut output: Document, request_id: &str) -> HttpAnswer {
    let mut status = success(op);
    let mut headers = vec![request_id_header(request_id)];
    for member in op.output.members() {
        match member.location {
            Location::StatusCode => {
                let code = output.take(member.name).as_i64().and_then(|code| u16::try_from(code).ok());
                status = code.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(status);
            }
            // What a header cannot carry is left out: the handler's value is not the client's syntax error.
            Location::Header | Location::Headers => {
                headers.extend(member_headers(member, &output.take(member.name)).unwrap_or_default());
            }
            Location::Body | Location::Uri | Location::QueryString => {}
        }
    }
    let (media_type, body) = write_body(op.output, output);
    if !body.is_empty() && !headers.iter().any(|(name, _)| name == http::header::CONTENT_TYPE) {
        headers.insert(0, content_type(media_type));
    }
    HttpAnswer { status, headers, body }
}

/// The headers an error's members are bound to.
pub(crate) fn error_headers(schema: &Schema, fields: &Document) -> Vec<(HeaderName, HeaderValue)> {
    let bound =
        schema.members().iter().filter(|m| matches!(m.location, Location::Header | Location::Headers));
    bound
        .filter_map(|member| Some(member_headers(member, fields.get(member.name)?).unwrap_or_default()))
        .flatten()
        .collect()
}

/// Writes a request.
pub(crate) fn write_request(
    op: &OpMeta,
    method: Method,
    input: &Document,
) -> Result<HttpRequest, EncodeError> {
    let mut headers = Vec::new();
    let mut query = Vec::new();
    for member in op.input.members() {
        let value = input.get(member.name).unwrap_or(&Document::Null);
        match member.location {
            Location::QueryString => query_pairs(member, value, &mut query),
            Location::Header | Location::Headers => headers.extend(member_headers(member, value)?),
            Location::Body | Location::Uri | Location::StatusCode => {}
        }
    }
    let (media_type, body) = write_body(op.input, input.clone());
    if !body.is_empty() && !headers.iter().any(|(name, _)| name == http::header::CONTENT_TYPE) {
        headers.insert(0, content_type(media_type));
    }
    Ok(HttpRequest { method, target: target(op, input, &query)?, headers, body })
}

/// The media type and the bytes: the payload member, or the members of the body, or nothing.
fn write_body(schema: &Schema, mut document: Document) -> (&'static str, Bytes) {
    if let Some(member) = payload(schema) {
        return match document.take(member.name) {
            Document::Null => (JSON, Bytes::new()),
            Document::Blob(bytes) => (OCTETS, bytes),
            Document::String(text) => (TEXT, Bytes::from(text)),
            structure => (JSON, json::write_body((member.schema)(), Members::All, &structure)),
        };
    }
    if !schema.members().iter().any(|member| member.location == Location::Body) {
        return (JSON, Bytes::new());
    }
    (JSON, json::write_body(schema, Members::OfBody, &document))
}

fn member_headers(member: &Member, value: &Document) -> Result<Vec<(HeaderName, HeaderValue)>, EncodeError> {
    let refuse = || EncodeError::HeaderValue(member.name.to_owned());
    let schema = (member.schema)();
    let made = |name: &str, text: &str| {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse())?;
        Ok((name, HeaderValue::from_bytes(text.as_bytes()).map_err(|_| refuse())?))
    };
    if member.location == Location::Headers {
        let entries = value.entries().iter();
        return entries
            .map(|(key, value)| made(&format!("{}{key}", member.wire_name), value.as_str().unwrap_or("")))
            .collect();
    }
    let text = match (&schema.kind, value) {
        (Kind::List { member: inner, .. }, Document::List(items)) if !items.is_empty() => {
            let texts = items.iter().filter_map(|item| write_scalar(inner(), None, Place::Header, item));
            Some(texts.map(|text| quote(&text)).collect::<Vec<_>>().join(", "))
        }
        _ => write_scalar(schema, member.timestamp_format, Place::Header, value),
    };
    text.map(|text| made(member.wire_name, &text)).into_iter().collect()
}

/// Quotes a list element that would otherwise not be read back as it is.
fn quote(text: &str) -> String {
    if text.is_empty() || text.contains([',', '"']) || text.trim() != text {
        return format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    text.to_owned()
}

fn query_pairs(member: &Member, value: &Document, query: &mut Vec<String>) {
    let schema = (member.schema)();
    let mut pair = |name: &str, text: &str| {
        query.push(format!(
            "{}={}",
            percent_encode(name, Slash::Encoded),
            percent_encode(text, Slash::Encoded)
        ));
    };
    match (&schema.kind, value) {
        (Kind::List { member: inner, .. }, Document::List(items)) => {
            for text in items.iter().filter_map(|item| write_scalar(inner(), None, Place::Uri, item)) {
                pair(member.wire_name, &text);
            }
        }
        (Kind::Map { .. }, Document::Map(entries)) => {
            for (key, entry) in entries {
                let texts =
                    if let Document::List(items) = entry { items } else { std::slice::from_ref(entry) };
                for text in texts.iter().filter_map(Document::as_str) {
                    pair(key, text);
                }
            }
        }
        _ => {
            if let Some(text) = write_scalar(schema, member.timestamp_format, Place::Uri, value) {
                pair(member.wire_name, &text);
            }
        }
    }
}

/// Fills the template's labels and appends the query.
fn target(op: &OpMeta, input: &Document, query: &[String]) -> Result<String, EncodeError> {
    let (path, literal_query) = op.http.uri.split_once('?').unwrap_or((op.http.uri, ""));
    let mut target = String::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        target.push('/');
        let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            target.push_str(segment);
            continue;
        };
        let (name, slash) = name.strip_suffix('+').map_or((name, Slash::Encoded), |name| (name, Slash::Kept));
        let member = op.input.members().iter().find(|m| m.location == Location::Uri && m.wire_name == name);
        let text = member.and_then(|member| {
            let value = input.get(member.name)?;
            write_scalar((member.schema)(), member.timestamp_format, Place::Uri, value)
        });
        let text = text.filter(|text| !text.is_empty()).ok_or(EncodeError::EmptyLabel(name))?;
        target.push_str(&percent_encode(&text, slash));
    }
    if target.is_empty() || path.ends_with('/') {
        target.push('/');
    }
    let mut separator = '?';
    for part in
        literal_query.split('&').chain(query.iter().map(String::as_str)).filter(|part| !part.is_empty())
    {
        target.push(separator);
        target.push_str(part);
        separator = '&';
    }
    Ok(target)
}

const OCTETS: &str = "application/octet-stream";
const TEXT: &str = "text/plain";
