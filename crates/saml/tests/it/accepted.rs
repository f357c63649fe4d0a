use casemate_saml::Metadata;

use crate::{fixture, metadata, read, read_at};

#[test]
fn a_signature_of_the_assertion_or_of_the_response_is_enough() {
    for name in ["assertion", "response", "both", "sha512"] {
        let assertion = read(&fixture(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(assertion.name_id, "ann & co");
        assert_eq!(assertion.id, "_a1");
        assert_eq!(assertion.issuer, "https://idp.example.com/metadata");
        assert_eq!(
            assertion.values("https://aws.amazon.com/SAML/Attributes/RoleSessionName"),
            ["ann@example.com"]
        );
        assert_eq!(assertion.session_not_on_or_after.unwrap().iso8601(), "2026-11-24T08:00:00Z");
    }
}

#[test]
fn a_declaration_and_white_space_around_the_document_change_nothing() {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n", fixture("assertion"));
    assert!(read(&text).is_ok());
}

#[test]
fn it_is_good_until_just_before_its_end() {
    assert!(read_at(&fixture("assertion"), 0).is_ok());
    assert!(read_at(&fixture("assertion"), 299).is_ok());
}

#[test]
fn metadata_names_the_provider_and_its_keys() {
    let metadata = metadata();
    assert_eq!(metadata.entity_id, "https://idp.example.com/metadata");
    assert_eq!(metadata.certificates.len(), 1);
    assert_eq!(metadata.valid_until.unwrap().iso8601(), "2027-11-24T00:00:00Z");
}

#[test]
fn metadata_that_names_no_usable_provider_is_refused() {
    let good = fixture("metadata");
    let changed = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    let certificate =
        good.split("<ds:X509Certificate>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    for text in [
        String::new(),
        "<x/>".to_owned(),
        changed(" entityID=\"https://idp.example.com/metadata\"", ""),
        changed("use=\"signing\"", "use=\"encryption\""),
        changed(&certificate, "AAAA"),
        changed(&certificate, "not base64!"),
        changed("validUntil=\"2027-11-24T00:00:00Z\"", "validUntil=\"soon\""),
        changed("urn:oasis:names:tc:SAML:2.0:protocol", "urn:oasis:names:tc:SAML:1.1:protocol"),
        good.replace("IDPSSODescriptor", "SPSSODescriptor"),
        changed("<!-- made by make.py -->", "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>"),
    ] {
        assert!(Metadata::parse(&text).is_err(), "{text}");
    }
}
