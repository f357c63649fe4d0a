//! The client's side: spells a request for an operation. Used by the test kit and the command line, never by the server.

use std::fmt;

use bytes::Bytes;
use casemate_schema::{Document, OpMeta, Protocol};
use http::{HeaderName, HeaderValue, Method};

use crate::{
    answer::{FORM, content_type, json_media_type},
    json, query, rest,
};

/// An unsigned request.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Path and query, percent-encoded.
    pub target: String,
    /// The headers that belong to the protocol; `Host` and the signature are the sender's.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Bytes,
}

/// The input cannot be put on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncodeError {
    /// A label of the path is missing or empty.
    EmptyLabel(&'static str),
    /// A header cannot carry the value.
    HeaderValue(String),
    /// The model's method is none.
    Method(&'static str),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyLabel(name) => write!(f, "{name} must not be empty: it is part of the path"),
            Self::HeaderValue(name) => write!(f, "{name} cannot be sent as a header"),
            Self::Method(name) => write!(f, "{name} is not a method"),
        }
    }
}

impl std::error::Error for EncodeError {}

/// Spells the request of `op` with `input`.
pub fn encode_request(op: &OpMeta, input: &Document) -> Result<HttpRequest, EncodeError> {
    let method =
        Method::from_bytes(op.http.method.as_bytes()).map_err(|_| EncodeError::Method(op.http.method))?;
    match op.service.protocol {
        protocol @ (Protocol::AwsJson1_0 | Protocol::AwsJson1_1) => {
            let target = format!("{}.{}", op.service.target_prefix, op.name);
            let target = HeaderValue::from_str(&target)
                .map_err(|_| EncodeError::HeaderValue("X-Amz-Target".to_owned()))?;
            Ok(HttpRequest {
                method,
                target: "/".to_owned(),
                headers: vec![
                    content_type(json_media_type(protocol)),
                    (HeaderName::from_static("x-amz-target"), target),
                ],
                body: json::write_output(op.input, input),
            })
        }
        Protocol::AwsQuery => Ok(HttpRequest {
            method,
            target: "/".to_owned(),
            headers: vec![content_type(FORM)],
            body: query::write_form(op, input),
        }),
        Protocol::RestJson => rest::write_request(op, method, input),
    }
}
