//! Everything that can go wrong with a request, before it is put into a protocol's words.

use std::{error::Error, fmt, sync::Arc};

use casemate_policy::Decision;
use casemate_schema::{Document, ErrorMeta, Protocol};
use casemate_sigv4::{AuthError, Dialect};
use casemate_store::StoreError;

/// A failed request.
#[derive(Debug, Clone)]
pub struct Fault {
    kind: FaultKind,
    message: String,
    fields: Document,
    encoded_message: Option<Box<str>>,
}

/// What sort of failure it is.
#[derive(Debug, Clone)]
pub enum FaultKind {
    /// An error the operation's model declares.
    Modelled(&'static ErrorMeta),
    /// A common error of the protocol or service that the model does not list.
    Coded {
        /// The code on the wire.
        code: &'static str,
        /// HTTP status.
        status: u16,
    },
    /// The input breaks a constraint; the code depends on the service.
    Validation,
    /// The policies do not allow it.
    Denied(Box<Denial>),
    /// The signature, key or token is not acceptable.
    Unauthenticated(AuthError),
    /// Our fault; the cause is logged and never shown.
    Internal(Arc<dyn Error + Send + Sync>),
}

/// Why the gate refused.
#[derive(Debug, Clone)]
pub struct Denial {
    /// The action that was not allowed.
    pub action: &'static str,
    /// The resource.
    pub resource: String,
    /// The engine's verdict with the deciding layer and statement; `None` when no policy was evaluated (the text says why).
    pub decision: Option<Decision>,
}

impl Fault {
    /// An error of the model with its fields.
    pub fn modelled(meta: &'static ErrorMeta, message: impl Into<String>, fields: Document) -> Self {
        Self { kind: FaultKind::Modelled(meta), message: message.into(), fields, encoded_message: None }
    }

    /// A common error that the model does not list.
    pub fn coded(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self {
            kind: FaultKind::Coded { code, status },
            message: message.into(),
            fields: Document::empty(),
            encoded_message: None,
        }
    }

    /// The input breaks a constraint.
    pub fn validation(message: impl Into<String>) -> Self {
        Self {
            kind: FaultKind::Validation,
            message: message.into(),
            fields: Document::empty(),
            encoded_message: None,
        }
    }

    /// The policies do not allow it; `text` is AWS's sentence.
    pub fn denied(denial: Denial, text: impl Into<String>) -> Self {
        Self {
            kind: FaultKind::Denied(Box::new(denial)),
            message: text.into(),
            fields: Document::empty(),
            encoded_message: None,
        }
    }

    /// Our fault. The cause is logged with the request id; the client sees a constant text.
    pub fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        Self {
            kind: FaultKind::Internal(Arc::new(cause)),
            message: "An internal error occurred.".to_owned(),
            fields: Document::empty(),
            encoded_message: None,
        }
    }

    /// Our fault, described by a sentence for the log.
    pub fn broken(what: impl Into<String>) -> Self {
        Self::internal(Broken(what.into()))
    }

    /// With what only the refused account's own may decode.
    #[must_use]
    pub(crate) fn with_encoded_message(mut self, message: Option<String>) -> Self {
        self.encoded_message = message.map(String::into_boxed_str);
        self
    }

    /// What the account of whoever was refused may decode.
    pub(crate) fn encoded_message(&self) -> Option<&str> {
        self.encoded_message.as_deref()
    }

    /// The sort of failure.
    pub fn kind(&self) -> &FaultKind {
        &self.kind
    }

    /// The text the client may see.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The text the client may see, in the words of `protocol`.
    pub fn message_for(&self, protocol: Protocol) -> String {
        match &self.kind {
            FaultKind::Unauthenticated(error) => error.message(dialect(protocol)),
            _ => self.message.clone(),
        }
    }

    /// Further fields of a modelled error.
    pub fn fields(&self) -> &Document {
        &self.fields
    }

    /// The code on the wire and the HTTP status, in the words of `protocol`.
    ///
    /// AWS: JSON services answer 400 to denied and unauthenticated requests, Query and REST services 403.
    pub fn code(&self, protocol: Protocol, validation_code: &'static str) -> (&'static str, u16) {
        match &self.kind {
            FaultKind::Modelled(meta) => (meta.code, meta.status),
            FaultKind::Coded { code, status } => (code, *status),
            FaultKind::Validation => (validation_code, 400),
            FaultKind::Denied(_) => match protocol {
                Protocol::AwsJson1_0 | Protocol::AwsJson1_1 => ("AccessDeniedException", 400),
                Protocol::AwsQuery => ("AccessDenied", 403),
                Protocol::RestJson => ("AccessDeniedException", 403),
            },
            FaultKind::Unauthenticated(error) => error.code(dialect(protocol)),
            FaultKind::Internal(_) => match protocol {
                Protocol::AwsJson1_0 | Protocol::AwsJson1_1 => ("InternalServerError", 500),
                Protocol::AwsQuery => ("InternalFailure", 500),
                Protocol::RestJson => ("ServiceException", 500),
            },
        }
    }

    /// Is this the error `code` (for callers of inner operations)?
    pub fn is(&self, code: &str) -> bool {
        self.code(Protocol::RestJson, "ValidationException").0 == code
    }
}

fn dialect(protocol: Protocol) -> Dialect {
    match protocol {
        Protocol::AwsJson1_0 | Protocol::AwsJson1_1 => Dialect::Json,
        Protocol::AwsQuery => Dialect::Query,
        Protocol::RestJson => Dialect::Rest,
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FaultKind::Internal(cause) => write!(f, "internal error: {cause}"),
            _ => f.write_str(&self.message),
        }
    }
}

impl Error for Fault {}

impl PartialEq for Fault {
    /// Equal when a client could not tell them apart.
    fn eq(&self, other: &Self) -> bool {
        self.code(Protocol::RestJson, "") == other.code(Protocol::RestJson, "")
            && self.message == other.message
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl From<AuthError> for Fault {
    fn from(error: AuthError) -> Self {
        let message = error.message(Dialect::Json);
        Self {
            kind: FaultKind::Unauthenticated(error),
            message,
            fields: Document::empty(),
            encoded_message: None,
        }
    }
}

#[derive(Debug)]
struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Broken {}
