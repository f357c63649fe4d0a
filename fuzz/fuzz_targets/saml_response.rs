//! SAML responses and metadata as strangers send them: an answer or an error, never a panic; and of what is not the provider's
//! own document nothing is believed that the provider has not said.
//!
//! The first byte says what the rest is: a whole response, a whole metadata document, or an edit of a signed response (what is
//! at a place gives way to other bytes, as many as it says).

#![no_main]

use std::sync::OnceLock;

use casemate_names::Timestamp;
use casemate_saml::{Assertion, Encryption, Expected, Metadata, Rejected, read_response};
use libfuzzer_sys::fuzz_target;

const OURS: &str = "https://signin.aws.amazon.com/saml";
const METADATA: &str = include_str!("../../crates/saml/tests/it/fixtures/metadata.xml");
/// Signed by the provider: the assertion, the response, or both.
const SIGNED: [&str; 3] = [
    include_str!("../../crates/saml/tests/it/fixtures/assertion.xml"),
    include_str!("../../crates/saml/tests/it/fixtures/response.xml"),
    include_str!("../../crates/saml/tests/it/fixtures/both.xml"),
];

/// Also signed by the provider, for seeds; what of them is believed the provider has said.
const FURTHER: [&str; 5] = [
    include_str!("../../crates/saml/tests/it/fixtures/sha512.xml"),
    include_str!("../../crates/saml/tests/it/fixtures/no-role.xml"),
    include_str!("../../crates/saml/tests/it/fixtures/no-name.xml"),
    include_str!("../../crates/saml/tests/it/fixtures/bad-name.xml"),
    include_str!("../../crates/saml/tests/it/fixtures/tags.xml"),
];

fn read(text: &str, metadata: &Metadata) -> Result<Assertion, Rejected> {
    let now = Timestamp::parse_iso8601("2026-11-24T00:00:00Z").unwrap();
    let expected = Expected {
        audiences: &[OURS],
        recipients: &[OURS],
        now,
        leeway_s: 0,
        keys: &[],
        encryption: Encryption::Allowed,
    };
    read_response(text, metadata, &expected)
}

struct Provider {
    metadata: Metadata,
    said: Vec<Assertion>,
}

fn provider() -> &'static Provider {
    static PROVIDER: OnceLock<Provider> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        let metadata = Metadata::parse(METADATA).unwrap();
        let mut said = SIGNED.map(|text| read(text, &metadata).unwrap()).to_vec();
        said.extend(FURTHER.iter().filter_map(|text| read(text, &metadata).ok()));
        Provider { metadata, said }
    })
}

/// The number in a certificate's RSA key of 2048 bits.
fn modulus(certificate: &[u8]) -> Option<&[u8]> {
    const BEFORE: [u8; 5] = [0x02, 0x82, 0x01, 0x01, 0x00];
    let at = certificate.windows(BEFORE.len()).position(|part| part == BEFORE)?;
    certificate.get(at + BEFORE.len()..)?.get(..256)
}

fn judged(text: &str) {
    let Provider { metadata, said } = provider();
    if let Ok(assertion) = read(text, metadata) {
        assert!(said.contains(&assertion), "believed, yet never said: {assertion:?}\n{text}");
    }
}

/// A signed response in which `edit[4..]` stands in place of some bytes: two of where, two of how many.
fn edited(signed: &str, edit: &[u8]) -> Option<String> {
    let (places, with) = edit.split_at_checked(4)?;
    let number = |at: usize| usize::from(places[at]) << 8 | usize::from(places[at + 1]);
    let start = number(0) % signed.len();
    let end = (start + number(2) % 512).min(signed.len());
    let mut bytes = signed.as_bytes().to_vec();
    bytes.splice(start..end, with.iter().copied());
    String::from_utf8(bytes).ok()
}

fuzz_target!(|data: &[u8]| {
    let Some((way, rest)) = data.split_first() else { return };
    match way % 5 {
        0 => judged(&String::from_utf8_lossy(rest)),
        1 => {
            if let Ok(metadata) = Metadata::parse(&String::from_utf8_lossy(rest)) {
                // Only metadata with the provider's key vouches for its documents. What a certificate says besides counts for nothing.
                let own = modulus(&provider().metadata.certificates[0]).unwrap();
                let trusted =
                    metadata.certificates.iter().any(|der| der.windows(own.len()).any(|part| part == own));
                for signed in SIGNED {
                    assert!(trusted || read(signed, &metadata).is_err());
                }
            }
        }
        which => {
            let signed = SIGNED[usize::from(which) - 2];
            if let Some(text) = edited(signed, rest) {
                judged(&text);
            }
        }
    }
});
