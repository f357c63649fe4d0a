//! Answers as HTTP messages, and errors in each protocol's dialect.

use bytes::Bytes;
use casemate_schema::{Document, Protocol, Schema, ServiceMeta};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::{json, query, rest};

/// How errors are spelt when there may be no operation to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// The protocol.
    pub protocol: Protocol,
    /// awsQuery: namespace of the answer; may be empty.
    pub xml_namespace: &'static str,
}

impl From<&ServiceMeta> for Dialect {
    fn from(service: &ServiceMeta) -> Self {
        Self { protocol: service.protocol, xml_namespace: service.xml_namespace }
    }
}

impl From<Protocol> for Dialect {
    fn from(protocol: Protocol) -> Self {
        Self { protocol, xml_namespace: "" }
    }
}

/// A whole HTTP answer. `Content-Length` and `Date` are the listener's.
#[derive(Debug, Clone)]
pub struct HttpAnswer {
    /// The status.
    pub status: StatusCode,
    /// The headers, in order.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

impl HttpAnswer {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.as_str() == name).and_then(|(_, value)| value.to_str().ok())
    }
}

/// An error to be sent.
#[derive(Debug, Clone)]
pub struct ErrorAnswer {
    /// The code on the wire, e.g. `ResourceNotFoundException`.
    pub code: String,
    /// The text; may be empty.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
    /// Whether the caller is at fault (`Sender`, `User`) or we are (`Receiver`, `Service`).
    pub fault: FaultOf,
    /// Further members of the error's shape.
    pub fields: Document,
    /// The error's shape, if it is modelled; decides the case of `message` and which fields exist.
    pub schema: Option<&'static Schema>,
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultOf {
    /// The caller's.
    Sender,
    /// Ours.
    Receiver,
}

impl ErrorAnswer {
    /// An unmodelled error; statuses below 500 are the sender's fault.
    pub fn new(code: impl Into<String>, message: impl Into<String>, status: u16) -> Self {
        let fault = if status < 500 { FaultOf::Sender } else { FaultOf::Receiver };
        Self {
            code: code.into(),
            message: message.into(),
            status,
            fault,
            fields: Document::Null,
            schema: None,
        }
    }
}

/// Spells an error.
pub fn encode_error(error: &ErrorAnswer, dialect: Dialect, request_id: &str) -> HttpAnswer {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match dialect.protocol {
        Protocol::AwsQuery => {
            let body = query::error_xml(error, dialect.xml_namespace, request_id);
            HttpAnswer { status, headers: vec![content_type(XML), request_id_header(request_id)], body }
        }
        Protocol::AwsJson1_0 | Protocol::AwsJson1_1 => {
            let body = json::error_body(error, json::TypeMember::Present);
            let mut headers =
                vec![content_type(json_media_type(dialect.protocol)), request_id_header(request_id)];
            headers.extend(checksum(dialect.protocol, &body));
            HttpAnswer { status, headers, body }
        }
        Protocol::RestJson => {
            let body = json::error_body(error, json::TypeMember::Absent);
            let mut headers = vec![content_type(JSON), request_id_header(request_id)];
            if let Ok(code) = HeaderValue::from_str(&error.code) {
                headers.push((HeaderName::from_static("x-amzn-errortype"), code));
            }
            headers.extend(
                error.schema.map(|schema| rest::error_headers(schema, &error.fields)).unwrap_or_default(),
            );
            HttpAnswer { status, headers, body }
        }
    }
}

pub(crate) const XML: &str = "text/xml";
pub(crate) const JSON: &str = "application/json";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) fn json_media_type(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::AwsJson1_0 => "application/x-amz-json-1.0",
        Protocol::AwsJson1_1 => "application/x-amz-json-1.1",
        Protocol::RestJson | Protocol::AwsQuery => JSON,
    }
}

pub(crate) fn content_type(media_type: &'static str) -> (HeaderName, HeaderValue) {
    (http::header::CONTENT_TYPE, HeaderValue::from_static(media_type))
}

pub(crate) fn request_id_header(request_id: &str) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::from_str(request_id).unwrap_or(HeaderValue::from_static(""));
    (HeaderName::from_static("x-amzn-requestid"), value)
}

/// AWS: answers of awsJson 1.0 services carry the CRC-32 of the body, which older SDKs verify.
pub(crate) fn checksum(protocol: Protocol, body: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    (protocol == Protocol::AwsJson1_0)
        .then(|| (HeaderName::from_static("x-amz-crc32"), HeaderValue::from(crc32fast::hash(body))))
}
