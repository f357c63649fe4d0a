//! The shape of a request and an answer between a listener and the pipeline.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use casemate_names::Arn;
use casemate_wire::Head;
use http::{HeaderMap, StatusCode};

use crate::BodyStream;

/// A received request: head and complete body (already within [`crate::Kernel::body_limit`]).
#[derive(Debug)]
pub struct Incoming {
    /// Method, raw target and headers. For HTTP/2 the listener adds `host` from `:authority`.
    pub head: Head,
    /// The body.
    pub body: Bytes,
}

/// An answer.
#[derive(Debug)]
pub struct Outgoing {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers, without `content-length` and `date`.
    pub headers: HeaderMap,
    /// The body, or its beginning.
    pub body: Bytes,
    /// What follows, made while it is sent.
    pub stream: Option<BodyStream>,
}

/// The socket a request arrived on. For execution environments the socket *is* the identity: it was made inside the
/// environment's network namespace and nothing else can reach it.
#[derive(Debug, Clone)]
pub enum Peer {
    /// A network listener.
    Network {
        /// The other end.
        address: SocketAddr,
        /// Did it come over TLS?
        tls: bool,
    },
    /// The AWS endpoint socket inside an execution environment.
    Environment {
        /// The environment's id.
        id: String,
        /// The function version it runs.
        function: Arn,
        /// Does it start, run a request, or end? Between two requests its credentials are refused.
        at_work: bool,
    },
    /// Another service of this process.
    Internal,
}

/// Tells who is at the other end of a connection, when the head of a request has come: what the other end is does not change,
/// but what it is doing does.
pub type Origin = Arc<dyn Fn() -> Peer + Send + Sync>;

impl Peer {
    /// The address that `aws:SourceIp` shows.
    pub fn source_ip(&self) -> Option<IpAddr> {
        match self {
            Self::Network { address, .. } => Some(address.ip()),
            Self::Environment { .. } | Self::Internal => None,
        }
    }

    /// What `aws:SecureTransport` shows. An environment's socket and internal calls never leave the process that holds
    /// both ends, so they count as secure.
    pub fn is_secure(&self) -> bool {
        match self {
            Self::Network { tls, .. } => *tls,
            Self::Environment { .. } | Self::Internal => true,
        }
    }

    /// The form shown in audit records.
    pub fn label(&self) -> String {
        match self {
            Self::Network { address, .. } => address.to_string(),
            Self::Environment { id, .. } => format!("environment/{id}"),
            Self::Internal => "internal".to_owned(),
        }
    }
}

impl Outgoing {
    /// An answer that is there as a whole.
    pub fn of(status: StatusCode, headers: HeaderMap, body: impl Into<Bytes>) -> Self {
        Self { status, headers, body: body.into(), stream: None }
    }

    /// An answer with a body of the given content type.
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
        Self::of(status, headers, body)
    }
}
