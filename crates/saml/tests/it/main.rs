//! Documents signed by an independent implementation (`fixtures/make.py`), and what attackers make of them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod accepted;
mod encrypted;
mod refused;
mod wrapping;

use casemate_names::Timestamp;
use casemate_saml::{Assertion, Encryption, Expected, Metadata, Rejected, read_response};

pub(crate) const OURS: &str = "https://signin.aws.amazon.com/saml";

/// The document of a name.
pub(crate) fn fixture(name: &str) -> String {
    let path = format!("{}/tests/it/fixtures/{name}.xml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn metadata() -> Metadata {
    Metadata::parse(&fixture("metadata")).unwrap()
}

/// Reads a response some seconds after the moment at which the documents were made.
pub(crate) fn read_at(text: &str, seconds: i64) -> Result<Assertion, Rejected> {
    let now = Timestamp::parse_iso8601("2026-11-24T00:00:00Z").unwrap().plus_seconds(seconds);
    let encryption = Encryption::Allowed;
    let expected =
        Expected { audiences: &[OURS], recipients: &[OURS], now, leeway_s: 0, keys: &[], encryption };
    read_response(text, &metadata(), &expected)
}

pub(crate) fn read(text: &str) -> Result<Assertion, Rejected> {
    read_at(text, 0)
}
