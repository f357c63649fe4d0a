//! Signature wrapping: XSW1 to XSW8 of Somorovsky et al., "On Breaking SAML: Be Whoever You Want to Be" (USENIX Security
//! 2012). In each the signed element is still there and its signature still fits; what an unwary reader would use is not it.

use casemate_saml::Rejected;

use crate::{fixture, read};

struct Parts {
    /// The signed element with its signature.
    signed: String,
    /// The signature alone.
    signature: String,
    /// The signed element without its signature.
    bare: String,
    /// The same with another subject and another id.
    evil: String,
}

fn between(text: &str, start: &str, end: &str) -> String {
    let from = text.find(start).unwrap();
    let to = text.rfind(end).unwrap() + end.len();
    text.get(from..to).unwrap().to_owned()
}

fn parts(of: &str, element: &str, id: &str) -> (String, Parts) {
    let text = fixture(of);
    let signed = between(&text, &format!("<{element} "), &format!("</{element}>"));
    let signature = between(&signed, "<ds:Signature ", "</ds:Signature>");
    let bare = signed.replacen(&signature, "", 1);
    let evil = bare.replace("ann@example.com", "admin").replacen(&format!("\"{id}\""), "\"_evil\"", 1);
    assert!(evil.contains("admin"));
    (text, Parts { signed, signature, bare, evil })
}

fn within(element: &str, what: &str) -> String {
    let at = element.find('>').unwrap() + 1;
    let (head, tail) = element.split_at(at);
    format!("{head}{what}{tail}")
}

fn assert_refused(name: &str, text: &str) {
    match read(text) {
        Err(Rejected::Malformed(_) | Rejected::Signature(_)) => {}
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn responses_wrapped_around_or_beside_the_signed_one_are_refused() {
    let (_, p) = parts("response", "samlp:Response", "_r1");
    // XSW1: the signed response lies in an object of the signature of the evil one.
    let object = format!("<ds:Object>{}</ds:Object></ds:Signature>", p.bare);
    let signature = p.signature.replacen("</ds:Signature>", &object, 1);
    assert_refused("XSW1", &within(&p.evil, &signature));
    // XSW2: it lies before the signature.
    assert_refused("XSW2", &within(&p.evil, &format!("{}{}", p.bare, p.signature)));
    assert_refused("a response that borrows the signature", &within(&p.evil, &p.signature));
}

#[test]
fn assertions_wrapped_around_or_beside_the_signed_one_are_refused() {
    let (text, p) = parts("assertion", "saml:Assertion", "_a1");
    let with = |what: &str| text.replacen(&p.signed, what, 1);
    // XSW3: the evil assertion comes first.
    assert_refused("XSW3", &with(&format!("{}{}", p.evil, p.signed)));
    assert_refused("XSW3 behind", &with(&format!("{}{}", p.signed, p.evil)));
    // XSW4: the evil one contains the signed one.
    assert_refused("XSW4", &with(&within(&p.evil, &p.signed)));
    // XSW5: the evil one has the signature, the signed one comes last.
    assert_refused("XSW5", &with(&format!("{}{}", within(&p.evil, &p.signature), p.bare)));
    // XSW6: the same, and the signed one lies in the signature.
    let signature = p.signature.replacen("</ds:Signature>", &format!("{}</ds:Signature>", p.bare), 1);
    assert_refused("XSW6", &with(&within(&p.evil, &signature)));
    // XSW7: the evil one lies in extensions.
    let extensions = format!("<samlp:Extensions>{}</samlp:Extensions>{}", p.evil, p.signed);
    assert_refused("XSW7", &with(&extensions));
    // XSW8: the signed one lies in an object of the signature of the evil one.
    let object = format!("<ds:Object>{}</ds:Object></ds:Signature>", p.bare);
    let signature = p.signature.replacen("</ds:Signature>", &object, 1);
    assert_refused("XSW8", &with(&within(&p.evil, &signature)));
}

#[test]
fn an_evil_assertion_that_keeps_the_id_or_borrows_the_signature_is_refused() {
    let (text, p) = parts("assertion", "saml:Assertion", "_a1");
    let with = |what: &str| text.replacen(&p.signed, what, 1);
    let same_id = p.evil.replacen("\"_evil\"", "\"_a1\"", 1);
    assert_refused("the same id", &with(&within(&same_id, &p.signature)));
    assert_refused(
        "the signature moved up",
        &text.replacen(&p.signed, &format!("{}{}", p.signature, p.evil), 1),
    );
    // The signed one hidden under another name: no reference leads away from the element that is used.
    let hidden = format!("<x:Keep xmlns:x=\"urn:x\">{}</x:Keep>", p.signed);
    assert_refused("hidden", &with(&format!("{hidden}{}", p.evil)));
}

#[test]
fn an_id_given_twice_is_refused() {
    let (text, p) = parts("assertion", "saml:Assertion", "_a1");
    let twice = format!("<x:Other xmlns:x=\"urn:x\" Id=\"_a1\"/>{}", p.signed);
    assert_eq!(read(&text.replacen(&p.signed, &twice, 1)), Err(Rejected::Signature("an id given twice")));
}
