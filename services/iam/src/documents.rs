//! Policy documents as text: checked before they are stored, sized as AWS sizes them, shown as AWS shows them.

use std::{fmt::Write, sync::Arc};

use casemate_kernel::{
    Fault,
    policy::{Kind, Policy},
};

/// Characters of one version of a managed policy.
// AWS: IAM quotas, "Managed policy size".
pub(crate) const MANAGED_CHARS_MAX: usize = 6144;

/// Characters of a trust policy.
// AWS: IAM quotas, "Role trust policy length" (default).
pub(crate) const TRUST_CHARS_MAX: usize = 2048;

/// Why a document is not stored.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It does not parse; AWS's text.
    Malformed(String),
    /// It is longer than its kind may be; AWS's text.
    TooLong(String),
}

/// Checks an identity policy.
pub(crate) fn check_identity(text: &str) -> Result<(), Refused> {
    Policy::parse(text, Kind::Identity).map(drop).map_err(|error| Refused::Malformed(error.to_string()))
}

/// Checks a version of a managed policy.
pub(crate) fn check_managed(text: &str) -> Result<(), Refused> {
    // First: what is too long is not read.
    check_length(text, MANAGED_CHARS_MAX, "PolicySize")?;
    check_identity(text)
}

/// Checks a trust policy, except for whether those it names exist.
pub(crate) fn check_trust(text: &str) -> Result<(), Refused> {
    check_length(text, TRUST_CHARS_MAX, "ACLSizePerRole")?;
    Policy::parse(text, Kind::Trust).map(drop).map_err(|error| Refused::Malformed(error.to_string()))
}

fn check_length(text: &str, max: usize, quota: &str) -> Result<(), Refused> {
    if chars_without_space(text) > max {
        return Err(Refused::TooLong(format!("Cannot exceed quota for {quota}: {max}")));
    }
    Ok(())
}

/// AWS does not count white space.
pub(crate) fn chars_without_space(text: &str) -> usize {
    text.chars().filter(|c| !c.is_whitespace()).count()
}

/// Compiles a stored document. One that no longer parses denies everything: what cannot be understood must not be
/// without effect.
pub(crate) fn compiled(text: &str, kind: Kind) -> Result<Arc<Policy>, Fault> {
    if let Ok(policy) = Policy::parse(text, kind) {
        return Ok(Arc::new(policy));
    }
    match kind {
        Kind::Trust => trusting_nobody(),
        _ => denying_everything(),
    }
}

/// A policy that denies everything.
pub(crate) fn denying_everything() -> Result<Arc<Policy>, Fault> {
    let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
    Policy::parse(text, Kind::Identity).map(Arc::new).map_err(Fault::internal)
}

/// A trust policy that admits nobody: the service it names cannot exist (RFC 2606 reserves its domain).
pub(crate) fn trusting_nobody() -> Result<Arc<Policy>, Fault> {
    let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"nobody.invalid"},"Action":"sts:AssumeRole"}}"#;
    Policy::parse(text, Kind::Trust).map(Arc::new).map_err(Fault::internal)
}

/// Answers carry documents percent-encoded.
// AWS: IAM API reference, "compliant with RFC 3986".
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oversized_and_malformed_documents_are_refused() {
        let long = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::{}"}}}}"#,
            "x".repeat(MANAGED_CHARS_MAX)
        );
        assert!(matches!(check_managed(&long), Err(Refused::TooLong(_))));
        let unreadable = "{".repeat(MANAGED_CHARS_MAX + 1);
        assert!(matches!(check_managed(&unreadable), Err(Refused::TooLong(_))));
        assert!(matches!(check_trust(&unreadable), Err(Refused::TooLong(_))));
        assert!(matches!(check_managed("{}"), Err(Refused::Malformed(_))));
        assert!(matches!(check_trust("{"), Err(Refused::Malformed(_))));
    }

    #[test]
    fn stored_documents_that_do_not_parse_grant_nothing() {
        let policy = compiled("garbage", Kind::Identity).unwrap();
        assert!(
            policy.statements().all(|statement| statement.effect == casemate_kernel::policy::Effect::Deny)
        );
        assert!(compiled("garbage", Kind::Trust).is_ok());
    }

    #[test]
    fn documents_are_percent_encoded() {
        assert_eq!(percent_encoded("{\"a\": [\"é*\"]}"), "%7B%22a%22%3A%20%5B%22%C3%A9%2A%22%5D%7D");
    }
}
