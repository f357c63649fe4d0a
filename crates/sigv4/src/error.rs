//! Why a claim of identity is refused, in the words and codes AWS uses per protocol. Knows nothing of how errors are
//! put on the wire.

use std::fmt;

/// Which family of codes and statuses a service answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// awsJson 1.0 and 1.1.
    Json,
    /// awsQuery.
    Query,
    /// restJson.
    Rest,
}

/// A refused claim. The first failure in AWS's order is reported, nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthError {
    /// The request carries no signature, and the operation needs one.
    MissingAuthenticationToken,
    /// The signature is there but cannot be read; the text says what is missing or malformed.
    IncompleteSignature(String),
    /// Two claims at once: both placements, or a parameter or header given twice.
    DuplicateAuth(&'static str),
    /// Signed too long ago, or a presigned request past its end.
    Expired(String),
    /// Signed too far in the future.
    NotYetCurrent(String),
    /// The credential scope is not that of the service and region routed to.
    InvalidScope(String),
    /// The access key id names nothing, names an inactive key, or lacks its session token.
    UnknownKey,
    /// The session token is not one that belongs to this access key.
    InvalidToken,
    /// The session token has expired.
    ExpiredToken,
    /// A header that must be covered by the signature is not.
    UnsignedHeader(String),
    /// The body is not the one the signature was made for.
    BodyMismatch,
    /// The signature is wrong.
    SignatureDoesNotMatch,
}

impl AuthError {
    /// The error code and HTTP status on the wire.
    ///
    /// AWS: awsJson answers 400 to every authentication failure, awsQuery and restJson 403 except for an unreadable
    /// signature in awsQuery (IAM and STS "Common Errors": `IncompleteSignature` 400).
    pub fn code(&self, dialect: Dialect) -> (&'static str, u16) {
        let (json, query) = match self {
            Self::MissingAuthenticationToken => {
                ("MissingAuthenticationTokenException", "MissingAuthenticationToken")
            }
            Self::IncompleteSignature(_) | Self::DuplicateAuth(_) => {
                ("IncompleteSignatureException", "IncompleteSignature")
            }
            Self::Expired(_)
            | Self::NotYetCurrent(_)
            | Self::InvalidScope(_)
            | Self::UnsignedHeader(_)
            | Self::BodyMismatch
            | Self::SignatureDoesNotMatch => ("InvalidSignatureException", "SignatureDoesNotMatch"),
            Self::UnknownKey | Self::InvalidToken => ("UnrecognizedClientException", "InvalidClientTokenId"),
            Self::ExpiredToken => ("ExpiredTokenException", "ExpiredToken"),
        };
        match dialect {
            Dialect::Json => (json, 400),
            Dialect::Rest => (json, 403),
            Dialect::Query if query == "IncompleteSignature" => (query, 400),
            Dialect::Query => (query, 403),
        }
    }

    /// The text the client sees.
    pub fn message(&self, dialect: Dialect) -> String {
        match self {
            // AWS: texts as answered by STS (Query) and DynamoDB (Json).
            Self::MissingAuthenticationToken => match dialect {
                Dialect::Query => "Request is missing Authentication Token".to_owned(),
                Dialect::Json | Dialect::Rest => "Missing Authentication Token".to_owned(),
            },
            Self::IncompleteSignature(text)
            | Self::Expired(text)
            | Self::NotYetCurrent(text)
            | Self::InvalidScope(text) => text.clone(),
            Self::DuplicateAuth(what) => {
                format!("Only one authentication mechanism may be used in a request, and only once: {what}.")
            }
            Self::UnknownKey | Self::InvalidToken => {
                "The security token included in the request is invalid.".to_owned()
            }
            Self::ExpiredToken => "The security token included in the request is expired".to_owned(),
            Self::UnsignedHeader(name) => {
                format!("There were headers present in the request which were not signed: {name}")
            }
            Self::BodyMismatch => {
                "The provided 'x-amz-content-sha256' header does not match what was computed.".to_owned()
            }
            Self::SignatureDoesNotMatch => MISMATCH.to_owned(),
        }
    }
}

/// AWS: the text of every service but S3.
const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your \
     AWS Secret Access Key and signing method. Consult the service documentation for details.";

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Dialect::Json))
    }
}

impl std::error::Error for AuthError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_its_own_code_for_a_wrong_signature_and_an_unknown_key() {
        let wrong = AuthError::SignatureDoesNotMatch;
        assert_eq!(wrong.code(Dialect::Json), ("InvalidSignatureException", 400));
        assert_eq!(wrong.code(Dialect::Rest), ("InvalidSignatureException", 403));
        assert_eq!(wrong.code(Dialect::Query), ("SignatureDoesNotMatch", 403));
        assert_eq!(AuthError::UnknownKey.code(Dialect::Query), ("InvalidClientTokenId", 403));
        assert_eq!(AuthError::UnknownKey.code(Dialect::Json), ("UnrecognizedClientException", 400));
        assert_eq!(AuthError::IncompleteSignature(String::new()).code(Dialect::Query).1, 400);
    }
}
