//! Assertions encrypted by an independent implementation (`fixtures/make_encrypted.py`).

use casemate_names::{Secret, Timestamp};
use casemate_saml::{Assertion, DecryptionKey, Encryption, Expected, Metadata, Rejected, read_response};

use crate::{OURS, fixture};

fn key(name: &str) -> Secret<String> {
    let path = format!("{}/tests/it/fixtures/sealed-{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let pem = std::fs::read_to_string(path).unwrap();
    assert!(DecryptionKey::parse(&pem).is_some(), "{name}");
    Secret::new(pem)
}

fn sealed(name: &str) -> String {
    fixture(&format!("sealed-{name}"))
}

fn read(text: &str, keys: &[Secret<String>], encryption: Encryption) -> Result<Assertion, Rejected> {
    let now = Timestamp::parse_iso8601("2026-11-24T00:00:00Z").unwrap();
    let expected = Expected { audiences: &[OURS], recipients: &[OURS], now, leeway_s: 0, keys, encryption };
    read_response(text, &Metadata::parse(&sealed("metadata")).unwrap(), &expected)
}

fn usual(text: &str) -> Result<Assertion, Rejected> {
    read(text, &[key("key")], Encryption::Required)
}

fn closed() -> Result<Assertion, Rejected> {
    Err(Rejected::Malformed("an assertion that cannot be decrypted"))
}

#[test]
fn an_assertion_is_read_whatever_of_the_closed_set_encrypted_it() {
    for name in ["gcm", "gcm128", "response", "cbc", "cbc128"] {
        let assertion = usual(&sealed(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(assertion.name_id, "ann & co");
        let session = assertion.values("https://aws.amazon.com/SAML/Attributes/RoleSessionName");
        assert_eq!(session, ["ann@example.com"]);
    }
}

#[test]
fn any_of_the_keys_opens_it_in_either_form_of_pem() {
    let text = sealed("gcm");
    assert!(read(&text, &[key("other-key"), key("key")], Encryption::Allowed).is_ok());
    assert!(read(&text, &[key("key-pkcs1")], Encryption::Allowed).is_ok());
}

#[test]
fn without_the_right_key_it_stays_closed() {
    for keys in [vec![], vec![key("other-key")], vec![Secret::new("no key".to_owned())]] {
        assert_eq!(read(&sealed("gcm"), &keys, Encryption::Allowed), closed());
        assert_eq!(read(&sealed("cbc"), &keys, Encryption::Allowed), closed());
    }
}

#[test]
fn where_encryption_is_required_nothing_in_the_open_is_read() {
    let keys = [key("key")];
    assert!(read(&sealed("open"), &keys, Encryption::Allowed).is_ok());
    let refused = Err(Rejected::Malformed("an assertion in the open"));
    assert_eq!(read(&sealed("open"), &keys, Encryption::Required), refused);
}

#[test]
fn encryption_is_no_signature() {
    assert_eq!(usual(&sealed("unsigned")), Err(Rejected::Signature("no signature")));
    assert_eq!(usual(&sealed("audience")), Err(Rejected::WrongAudience));
}

// The attack needs answers to changed texts: there are none where the text is not signed.
#[test]
fn cbc_is_opened_under_a_signature_only() {
    let refused = Err(Rejected::Signature("AES-CBC in a response that is not signed"));
    assert_eq!(usual(&sealed("cbc-unsigned")), refused);
    assert!(matches!(usual(&changed(&sealed("cbc"))), Err(Rejected::Signature(_))));
}

#[test]
fn changed_bytes_and_what_is_no_assertion_are_refused_alike() {
    assert_eq!(usual(&changed(&sealed("gcm"))), closed());
    assert_eq!(usual(&sealed("no-xml")), closed());
    assert_eq!(usual(&sealed("two")), closed());
}

#[test]
fn other_ways_of_encryption_are_refused_before_anything_is_decrypted() {
    let wrapping = Err(Rejected::Malformed("a key encryption other than RSA-OAEP"));
    assert_eq!(usual(&sealed("rsa15")), wrapping);
    let text = sealed("gcm");
    let content = Err(Rejected::Malformed("a content encryption other than AES with GCM or CBC"));
    assert_eq!(usual(&text.replacen("xmlenc11#aes256-gcm", "xmlenc11#aes512-gcm", 1)), content);
    assert_eq!(usual(&text.replacen("rsa-oaep-mgf1p", "rsa-oaep-mgf2p", 1)), wrapping);
    let content = text.replacen("xmlenc#Element", "xmlenc#Content", 1);
    let refused = Err(Rejected::Malformed("something encrypted that is no element"));
    assert_eq!(usual(&content), refused);
}

#[test]
fn many_wrapped_keys_are_not_tried() {
    let text = sealed("gcm");
    let from = text.find("<xenc:EncryptedKey>").unwrap();
    let to = text.find("</xenc:EncryptedKey>").unwrap() + "</xenc:EncryptedKey>".len();
    let key = text.get(from..to).unwrap();
    assert!(usual(&text.replacen(key, &key.repeat(2), 1)).is_ok());
    let refused = Err(Rejected::Malformed("no encrypted key, or too many"));
    assert_eq!(usual(&text.replacen(key, &key.repeat(3), 1)), refused);
    assert_eq!(usual(&text.replacen(key, "", 1)), refused);
}

/// One character of the encrypted content changed.
fn changed(text: &str) -> String {
    let at = text.rfind("<xenc:CipherValue>").unwrap() + "<xenc:CipherValue>".len() + 40;
    let (head, tail) = text.split_at(at);
    let other = if tail.starts_with('A') { "B" } else { "A" };
    format!("{head}{other}{}", tail.get(1..).unwrap())
}
