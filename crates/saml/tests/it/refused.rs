use casemate_names::Timestamp;
use casemate_saml::{Encryption, Expected, Metadata, Rejected, read_response};
use proptest::prelude::*;

use crate::{OURS, fixture, read, read_at};

#[test]
fn only_signatures_of_the_closed_set_by_the_providers_key_count() {
    for (name, why) in [
        ("unsigned", "no signature"),
        ("other-key", "a signature by none of the provider's keys"),
        ("sha1", "a signature algorithm other than RSA with SHA-2"),
        ("sha1-digest", "a digest algorithm other than SHA-2"),
        ("inclusive", "a canonicalisation other than the exclusive one"),
        ("comments", "a canonicalisation other than the exclusive one"),
    ] {
        assert_eq!(read(&fixture(name)), Err(Rejected::Signature(why)), "{name}");
    }
}

#[test]
fn a_well_signed_response_that_is_not_for_us_is_refused() {
    for (name, why) in [
        ("audience", Rejected::WrongAudience),
        ("recipient", Rejected::WrongRecipient),
        ("issuer", Rejected::WrongIssuer),
        ("failed", Rejected::Unsuccessful),
        ("endless", Rejected::Malformed("a bearer confirmation without NotOnOrAfter")),
        ("condition", Rejected::Malformed("a condition that is not understood")),
    ] {
        assert_eq!(read(&fixture(name)), Err(why), "{name}");
    }
}

#[test]
fn a_response_has_its_time() {
    assert_eq!(read_at(&fixture("assertion"), 300), Err(Rejected::Expired));
    assert_eq!(read_at(&fixture("assertion"), -61), Err(Rejected::NotYetValid));
    assert_eq!(read_at(&fixture("assertion"), -1), Err(Rejected::NotYetValid), "before it was made");
}

#[test]
fn another_providers_metadata_does_not_vouch_for_it() {
    let metadata = Metadata::parse(&fixture("other-metadata")).unwrap();
    let now = Timestamp::parse_iso8601("2026-11-24T00:00:00Z").unwrap();
    let encryption = Encryption::Allowed;
    let expected =
        Expected { audiences: &[OURS], recipients: &[OURS], now, leeway_s: 0, keys: &[], encryption };
    assert!(matches!(
        read_response(&fixture("assertion"), &metadata, &expected),
        Err(Rejected::Signature(_))
    ));
}

#[test]
fn comments_and_document_types_are_refused_before_anything_is_believed() {
    let text = fixture("assertion").replace("ann@example.com", "ann@example.com<!-- -->.evil.com");
    assert_eq!(read(&text), Err(Rejected::Malformed("a comment")));
    let text = format!("<!DOCTYPE x>{}", fixture("assertion"));
    assert_eq!(read(&text), Err(Rejected::Malformed("a document type")));
}

#[test]
fn a_bad_signature_is_not_made_good_by_another() {
    let both = fixture("both");
    // The response's own signature comes first; the assertion's stays good.
    let value = both.split("<ds:SignatureValue>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let broken = both.replacen(&value, "AAAA", 1);
    assert!(matches!(read(&broken), Err(Rejected::Signature(_))));
}

#[test]
fn what_lies_outside_of_the_signature_is_not_believed() {
    let text = fixture("assertion");
    // The issuer of the response is not covered by the signature of the assertion.
    let issuer = "<saml:Issuer>https://idp.example.com/metadata</saml:Issuer>";
    assert_eq!(
        read(&text.replacen(issuer, "<saml:Issuer>https://evil.example.com</saml:Issuer>", 1)),
        Err(Rejected::WrongIssuer)
    );
    let other =
        text.replacen("Destination=\"https://signin.aws.amazon.com/saml\"", "Destination=\"https://sp\"", 1);
    assert_eq!(read(&other), Err(Rejected::WrongRecipient));
}

#[test]
fn documents_made_to_be_slow_are_refused_soon() {
    let good = fixture("assertion");
    let exclusive = "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>";
    let prefixes = "p ".repeat(10_000);
    let listing = format!(
        "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"><e:InclusiveNamespaces \
         xmlns:e=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"{prefixes}\"/></ds:Transform>"
    );
    assert!(good.contains(exclusive));
    assert_eq!(read(&good.replacen(exclusive, &listing, 1)), Err(Rejected::Signature("other transforms")));
    let many = good.replacen("</saml:Subject>", &format!("{}</saml:Subject>", "<x/>".repeat(20_000)), 1);
    assert_eq!(read(&many), Err(Rejected::Malformed("too deep or too large")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_changed_byte_changes_nothing_that_is_believed(at in 0_usize..8000, byte in 0x20_u8..0x7f) {
        let text = fixture("assertion");
        let good = read(&text).unwrap();
        let mut bytes = text.into_bytes();
        let at = at % bytes.len();
        *bytes.get_mut(at).unwrap() = byte;
        let changed = String::from_utf8(bytes).unwrap();
        if let Ok(assertion) = read(&changed) {
            prop_assert_eq!(assertion, good);
        }
    }
}
