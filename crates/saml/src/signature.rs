//! Enveloped XML signatures of one element, by one of a set of certificates. Anything but the one shape that SAML uses is
//! refused, so that a signature can say neither what it covers nor how it is checked.

use std::collections::BTreeSet;

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{self, digest},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    canonical::{Wanted, canonical},
    certificate::{Hash, has_signed},
    xml::{Id, Tree},
};

pub(crate) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// Certificates tried. Design decision: metadata announces one or two.
pub(crate) const CERTIFICATES_MAX: usize = 10;

/// Prefixes listed for a canonicalisation: each is looked up at every element, before the signature is known to be good.
/// Design decision: providers list one or two.
const PREFIXES_MAX: usize = 16;

/// What the signature of an element is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signed {
    /// It covers the element as a whole, and a key of the set made it.
    Yes,
    /// There is none.
    No,
    /// There is one that is not acceptable; says why.
    Bad(&'static str),
}

/// Attributes that name an element for a reference.
const ID_ATTRIBUTES: &[&str] = &["id", "assertionid", "responseid", "requestid"];

/// Does any id occur twice in the document? A reference could then mean either element.
pub(crate) fn has_ambiguous_ids(tree: &Tree) -> bool {
    let mut seen = BTreeSet::new();
    tree.all().any(|id| {
        let ids = tree.get(id).attributes.iter().filter(|attr| {
            let local = attr.local.to_ascii_lowercase();
            ID_ATTRIBUTES.contains(&local.as_str())
        });
        ids.map(|attr| attr.value.clone()).any(|value| !seen.insert(value))
    })
}

/// Judges the signature of `element`, which names itself in its attribute `ID`.
pub(crate) fn judge(tree: &Tree, element: Id, certificates: &[Vec<u8>]) -> Signed {
    let mut found = tree.named(element, DS, "Signature");
    match (found.next(), found.next()) {
        (None, _) => Signed::No,
        (Some(_), Some(_)) => Signed::Bad("two signatures of one element"),
        (Some(signature), None) => match verify(tree, element, signature, certificates) {
            Ok(()) => Signed::Yes,
            Err(why) => Signed::Bad(why),
        },
    }
}

fn verify(tree: &Tree, element: Id, signature: Id, certificates: &[Vec<u8>]) -> Result<(), &'static str> {
    let parts: Vec<Id> = tree.children(signature).collect();
    let (info, value) = match parts.as_slice() {
        [info, value] => (*info, *value),
        [info, value, key] if tree.is(*key, DS, "KeyInfo") => (*info, *value),
        _ => return Err("a signature of another shape"),
    };
    let shape = tree.is(info, DS, "SignedInfo")
        && tree.is(value, DS, "SignatureValue")
        && tree.is_blank_between(signature)
        && tree.is_blank_between(info);
    if !shape {
        return Err("a signature of another shape");
    }
    let (method, hash) = signed_info(tree, element, signature, info)?;
    let message = canonical(tree, Wanted { apex: info, without: None, inclusive: &method });
    let value = decoded(tree, value).ok_or("a signature value that is not base64")?;
    let by_any = certificates
        .iter()
        .take(CERTIFICATES_MAX)
        .any(|certificate| has_signed(certificate, hash, &message, &value));
    if by_any { Ok(()) } else { Err("a signature by none of the provider's keys") }
}

/// Checks what `SignedInfo` says, and the digest in it. The prefix list of its own canonicalisation, and its hash.
fn signed_info(
    tree: &Tree,
    element: Id,
    signature: Id,
    info: Id,
) -> Result<(Vec<String>, Hash), &'static str> {
    let parts: Vec<Id> = tree.children(info).collect();
    let [method, algorithm, reference] = parts.as_slice() else {
        return Err("not exactly one reference");
    };
    let named = tree.is(*method, DS, "CanonicalizationMethod")
        && tree.is(*algorithm, DS, "SignatureMethod")
        && tree.is(*reference, DS, "Reference");
    if !named {
        return Err("a signature of another shape");
    }
    let inclusive = exclusive(tree, *method).ok_or("a canonicalisation other than the exclusive one")?;
    let hash = match tree.get(*algorithm).attribute("Algorithm") {
        Some("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256") => Hash::Sha256,
        Some("http://www.w3.org/2001/04/xmldsig-more#rsa-sha384") => Hash::Sha384,
        Some("http://www.w3.org/2001/04/xmldsig-more#rsa-sha512") => Hash::Sha512,
        _ => return Err("a signature algorithm other than RSA with SHA-2"),
    };
    if tree.children(*algorithm).next().is_some() {
        return Err("a signature algorithm with parameters");
    }
    check_reference(tree, element, signature, *reference)?;
    Ok((inclusive, hash))
}

fn check_reference(tree: &Tree, element: Id, signature: Id, reference: Id) -> Result<(), &'static str> {
    let own = tree.get(element).attribute("ID").filter(|id| !id.is_empty()).ok_or("an element without ID")?;
    // INVARIANT: what is verified is the element that the signature lies in, never one that a reference finds.
    if tree.get(reference).attribute("URI").and_then(|uri| uri.strip_prefix('#')) != Some(own) {
        return Err("a reference to something else");
    }
    let parts: Vec<Id> = tree.children(reference).collect();
    let [transforms, method, value] = parts.as_slice() else { return Err("a reference of another shape") };
    let named = tree.is(*transforms, DS, "Transforms")
        && tree.is(*method, DS, "DigestMethod")
        && tree.is(*value, DS, "DigestValue");
    if !named {
        return Err("a reference of another shape");
    }
    let inclusive = check_transforms(tree, *transforms)?;
    let algorithm = match tree.get(*method).attribute("Algorithm") {
        Some("http://www.w3.org/2001/04/xmlenc#sha256") => &digest::SHA256,
        Some("http://www.w3.org/2001/04/xmldsig-more#sha384") => &digest::SHA384,
        Some("http://www.w3.org/2001/04/xmlenc#sha512") => &digest::SHA512,
        _ => return Err("a digest algorithm other than SHA-2"),
    };
    let covered = canonical(tree, Wanted { apex: element, without: Some(signature), inclusive: &inclusive });
    let expected = decoded(tree, *value).ok_or("a digest that is not base64")?;
    verify_slices_are_equal(digest(algorithm, &covered).as_ref(), &expected)
        .map_err(|_| "a digest that does not fit")
}

/// Exactly two transforms: the signature taken out, then the exclusive canonical form. The prefix list of the latter.
fn check_transforms(tree: &Tree, transforms: Id) -> Result<Vec<String>, &'static str> {
    let listed: Vec<Id> = tree.children(transforms).collect();
    let [first, second] = listed.as_slice() else { return Err("other transforms") };
    let plain = tree.is(*first, DS, "Transform")
        && tree.is(*second, DS, "Transform")
        && tree.get(*first).attribute("Algorithm") == Some(ENVELOPED)
        && tree.children(*first).next().is_none();
    if !plain {
        return Err("other transforms");
    }
    exclusive(tree, *second).ok_or("other transforms")
}

/// The prefix list of an element that asks for exclusive canonicalisation; `None` if it asks for anything else.
fn exclusive(tree: &Tree, method: Id) -> Option<Vec<String>> {
    if tree.get(method).attribute("Algorithm") != Some(EXCLUSIVE) {
        return None;
    }
    let mut inside = tree.children(method);
    let Some(list) = inside.next() else { return Some(Vec::new()) };
    if inside.next().is_some() || !tree.is(list, EXCLUSIVE, "InclusiveNamespaces") {
        return None;
    }
    let prefixes = tree.get(list).attribute("PrefixList").unwrap_or_default();
    let prefixes: Vec<String> = prefixes.split_ascii_whitespace().map(str::to_owned).collect();
    (prefixes.len() <= PREFIXES_MAX).then_some(prefixes)
}

pub(crate) fn decoded(tree: &Tree, id: Id) -> Option<Vec<u8>> {
    let text: String = tree.text(id)?.split_ascii_whitespace().collect();
    STANDARD.decode(text).ok()
}
