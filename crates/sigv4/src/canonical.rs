//! The canonical request and the string to sign. Writes text; compares nothing.

use aws_lc_rs::digest::{SHA256, digest};

use crate::{
    CredentialScope, Head, PathStyle,
    claim::Algorithm,
    encoding::{
        parameters, pieces, push_canonical_query, push_hex, push_normalised_path, push_raw_path, same_name,
        split_target,
    },
};

/// A signed header that the request does not have, or a query string that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Uncanonical;

/// The payload line of a canonical request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PayloadLine<'a> {
    Hash(&'a [u8; 32]),
    Literal(&'a str),
}

/// Writes the canonical request. `signed_headers` is the semicolon-separated list, taken as it is.
pub(crate) fn canonical_request(
    head: &Head<'_>,
    path_style: PathStyle,
    signed_headers: &str,
    payload: PayloadLine<'_>,
) -> Result<String, Uncanonical> {
    let (path, query) = split_target(head.target);
    let mut out = String::with_capacity(512 + head.target.len());
    out.push_str(head.method);
    out.push('\n');
    match path_style {
        PathStyle::Normalise => push_normalised_path(&mut out, path),
        PathStyle::Raw => push_raw_path(&mut out, path),
    }
    out.push('\n');
    push_canonical_query(&mut out, &parameters(query).map_err(|_| Uncanonical)?);
    out.push('\n');
    for name in pieces(signed_headers, b';') {
        push_header(&mut out, head, name)?;
    }
    out.push('\n');
    out.push_str(signed_headers);
    out.push('\n');
    match payload {
        PayloadLine::Hash(hash) => push_hex(&mut out, hash),
        PayloadLine::Literal(text) => out.push_str(text),
    }
    Ok(out)
}

/// `name:value[,value…]\n`, values trimmed and with inner runs of blanks collapsed, in wire order.
fn push_header(out: &mut String, head: &Head<'_>, name: &str) -> Result<(), Uncanonical> {
    out.push_str(name);
    out.push(':');
    let mut found = false;
    for (_, value) in head.headers.iter().filter(|(n, _)| same_name(n, name)) {
        if found {
            out.push(',');
        }
        found = true;
        let text = std::str::from_utf8(value).map_err(|_| Uncanonical)?;
        push_collapsed(out, text);
    }
    out.push('\n');
    if found { Ok(()) } else { Err(Uncanonical) }
}

/// Trimmed, inner runs of blanks as one.
fn push_collapsed(out: &mut String, text: &str) {
    // Without leaving early, so that many bytes are looked at in one step.
    if !text.bytes().fold(false, |found, byte| found | matches!(byte, b' ' | b'\t')) {
        out.push_str(text);
        return;
    }
    for (i, word) in text.split([' ', '\t']).filter(|word| !word.is_empty()).enumerate() {
        if i > 0 {
            out.push(' ');
        }
        out.push_str(word);
    }
}

/// The text the signature is made over.
pub(crate) fn string_to_sign(
    algorithm: Algorithm,
    date: &str,
    scope: &CredentialScope,
    canonical_request: &str,
) -> String {
    let mut out = String::with_capacity(160);
    out.push_str(algorithm.name());
    out.push('\n');
    out.push_str(date);
    out.push('\n');
    scope.push_to(&mut out);
    out.push('\n');
    push_hex(&mut out, digest(&SHA256, canonical_request.as_bytes()).as_ref());
    out
}
