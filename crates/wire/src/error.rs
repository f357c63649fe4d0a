//! Why a request could not be routed or read, in the words of the protocol it seemed to speak.

use std::fmt;

use casemate_schema::{OpMeta, Protocol};

use crate::{Dialect, ErrorAnswer};

/// Why no operation was found for a request.
#[derive(Debug, Clone)]
pub struct WireError {
    /// How the refusal is to be spelt.
    pub dialect: Dialect,
    /// What went wrong.
    pub kind: WireErrorKind,
    /// The operation, when one was recognised and refused all the same (a foreign signing scope).
    pub op: Option<&'static OpMeta>,
}

/// What went wrong while routing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireErrorKind {
    /// The named operation is not served; the text is what was asked for.
    UnknownOperation(String),
    /// awsQuery: action and version name nothing.
    InvalidAction {
        /// `Action`.
        action: String,
        /// `Version`, or what AWS says in its place.
        version: String,
    },
    /// awsQuery: no `Action`.
    MissingAction,
    /// No operation of any service has this method and path.
    UnknownPath,
    /// The signing scope names a service that is not served here.
    UnknownService(String),
    /// The signing scope names another service than the request does.
    ForeignScope {
        /// Signing name of the service the request is meant for.
        expected: &'static str,
    },
    /// Several services could be meant.
    Ambiguous,
    /// Target, form or header cannot be read.
    Malformed(&'static str),
}

/// Why an input could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// Text that is not of the protocol's grammar, or a value of the wrong type. The message is AWS's where it is known.
    Serialization(String),
    /// A `Content-Type` the operation does not read.
    UnsupportedMediaType(String),
    /// Nested deeper, or more of something, than the limits of this crate.
    TooComplex(&'static str),
}

impl WireError {
    /// The error as it goes to the client.
    pub fn answer(&self) -> ErrorAnswer {
        let query = self.dialect.protocol == Protocol::AwsQuery;
        let (code, message, status) = match &self.kind {
            WireErrorKind::UnknownOperation(_) => ("UnknownOperationException", String::new(), 400),
            // AWS: text of the vendor's query front end, as quoted in its users' error reports for IAM and STS.
            WireErrorKind::InvalidAction { action, version } => {
                ("InvalidAction", format!("Could not find operation {action} for version {version}"), 400)
            }
            WireErrorKind::MissingAction => {
                ("MissingAction", "The request is missing an action or a required parameter.".to_owned(), 400)
            }
            WireErrorKind::UnknownPath => ("UnknownOperationException", String::new(), 404),
            WireErrorKind::UnknownService(name) => {
                ("UnknownOperationException", format!("The service {name} is not served here."), 404)
            }
            WireErrorKind::ForeignScope { expected } => {
                let code = if query { "SignatureDoesNotMatch" } else { "InvalidSignatureException" };
                (code, format!("Credential should be scoped to correct service: '{expected}'. "), 403)
            }
            WireErrorKind::Ambiguous => (
                "UnknownOperationException",
                "The request could be meant for several services; sign it.".to_owned(),
                400,
            ),
            WireErrorKind::Malformed(what) => {
                let code = if query { "MalformedQueryString" } else { "SerializationException" };
                (code, (*what).to_owned(), 400)
            }
        };
        ErrorAnswer::new(code, message, status)
    }
}

impl DecodeError {
    /// The error as it goes to the client.
    pub fn answer(&self, protocol: Protocol) -> ErrorAnswer {
        // AWS: the query front end calls unreadable values MalformedInput, the JSON ones SerializationException.
        let code = if protocol == Protocol::AwsQuery { "MalformedInput" } else { "SerializationException" };
        match self {
            Self::Serialization(message) => ErrorAnswer::new(code, message.clone(), 400),
            Self::TooComplex(what) => ErrorAnswer::new(code, (*what).to_owned(), 400),
            Self::UnsupportedMediaType(found) => ErrorAnswer::new(
                "UnsupportedMediaTypeException",
                format!("Unsupported content type: {found}"),
                415,
            ),
        }
    }

    pub(crate) fn serialization(message: impl Into<String>) -> Self {
        Self::Serialization(message.into())
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = self.answer();
        write!(f, "{}: {}", answer.code, answer.message)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serialization(message) => f.write_str(message),
            Self::UnsupportedMediaType(found) => write!(f, "unsupported content type {found}"),
            Self::TooComplex(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for WireError {}
impl std::error::Error for DecodeError {}
