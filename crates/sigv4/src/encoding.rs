//! Percent-encoding and the two canonical forms of a path and the one of a query string. Knows bytes, not requests.

use std::borrow::Cow;

/// A percent sign that is not followed by two hexadecimal digits, in a query string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// One decoded query parameter, in wire order.
pub(crate) type Parameter<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// Splits a raw request target at the first question mark.
pub(crate) fn split_target(target: &str) -> (&str, &str) {
    target.split_once('?').unwrap_or((target, ""))
}

/// Are these the same header name? Names mostly come in lower case, and then one comparison of memory says so.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    a.len() == b.len() && (a == b || a.eq_ignore_ascii_case(b))
}

/// What lies between separators, as `str::split` has it. Pieces are short: looking at each byte is quicker than setting
/// up a search. [`long_pieces`] is for those that are not.
/// INVARIANT: `separator` is ASCII, so every cut is between characters.
pub(crate) fn pieces(text: &str, separator: u8) -> impl Iterator<Item = &str> + Clone {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let left = rest?;
        let cut = left.bytes().position(|byte| byte == separator);
        let halves = cut.and_then(|at| Some((left.get(..at)?, left.get(at.checked_add(1)?..)?)));
        rest = halves.map(|(_, after)| after);
        Some(halves.map_or(left, |(piece, _)| piece))
    })
}

/// [`pieces`] of a text whose pieces are long, such as the fields of an `Authorization` header.
pub(crate) fn long_pieces(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let left = rest?;
        let halves = left.find(separator).and_then(|at| left.split_at_checked(at));
        rest = halves.and_then(|(_, after)| after.get(separator.len_utf8()..));
        Some(halves.map_or(left, |(piece, _)| piece))
    })
}

/// Appends `bytes`, every octet but the unreserved ones as `%XX`.
pub(crate) fn push_encoded(out: &mut String, bytes: &[u8]) {
    // Most of what is encoded needs no encoding.
    if let (true, Ok(text)) = (bytes.iter().all(|byte| is_unreserved(*byte)), std::str::from_utf8(bytes)) {
        out.push_str(text);
        return;
    }
    for byte in bytes {
        push_octet(out, *byte);
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn push_octet(out: &mut String, byte: u8) {
    if is_unreserved(byte) {
        out.push(char::from(byte));
    } else {
        out.push('%');
        out.push(upper_hex(byte >> 4));
        out.push(upper_hex(byte & 15));
    }
}

fn upper_hex(nibble: u8) -> char {
    char::from(if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 })
}

/// Appends 32 bytes as lower-case hexadecimal.
pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    let mut text = [b'0'; 64];
    let (pairs, _) = text.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    out.push_str(std::str::from_utf8(&text).unwrap_or_default());
}

/// Reads 64 lower-case hexadecimal digits. Upper case is refused: AWS compares the text.
pub(crate) fn parse_hex32(text: &[u8]) -> Option<[u8; 32]> {
    let mut out = [0_u8; 32];
    if text.len() != out.len() * 2 {
        return None;
    }
    fill_from_hex(&mut out, text)?;
    Some(out)
}

/// Reads lower-case hexadecimal digits that come to `bytes_max` bytes at most.
pub(crate) fn parse_hex(text: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || text.len() / 2 > bytes_max {
        return None;
    }
    let mut out = vec![0; text.len() / 2];
    fill_from_hex(&mut out, text)?;
    Some(out)
}

fn fill_from_hex(out: &mut [u8], text: &[u8]) -> Option<()> {
    let nibble = |byte: &u8| NIBBLES.get(usize::from(*byte)).copied().unwrap_or(NO_DIGIT);
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    let mut seen = 0;
    for (to, [high, low]) in out.iter_mut().zip(pairs) {
        let (high, low) = (nibble(high), nibble(low));
        seen |= high | low;
        *to = high << 4 | low & 15;
    }
    (seen < 16).then_some(())
}

/// Stands for bytes that are no lower-case hexadecimal digits; no digit has one of its upper bits.
const NO_DIGIT: u8 = 0xf0;

/// The value of each byte as a lower-case hexadecimal digit.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, with indices below 16 and 256")]
const NIBBLES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let digits = *b"0123456789abcdef";
    let mut value = 0_u8;
    while value < 16 {
        values[digits[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// Decodes one query name or value. `+` is a space, as in every AWS signer built on a form-encoding library.
/// INVARIANT: whoever interprets the query string must read `+` the same way, else what is signed is not what is done.
fn decode_query(raw: &str) -> Result<Cow<'_, [u8]>, Malformed> {
    if !raw.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Ok(Cow::Borrowed(raw.as_bytes()));
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| {
                    byte.and_then(|b| char::from(b).to_digit(16))
                        .and_then(|d| u8::try_from(d).ok())
                        .ok_or(Malformed)
                };
                digit(bytes.next())? << 4 | digit(bytes.next())?
            }
            other => other,
        });
    }
    Ok(Cow::Owned(out))
}

/// The parameters of a raw query string, decoded. Empty pieces (`a&&b`) are dropped, a missing `=` means an empty value.
pub(crate) fn parameters(query: &str) -> Result<Vec<Parameter<'_>>, Malformed> {
    query
        .split('&')
        .filter(|piece| !piece.is_empty())
        .map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            Ok((decode_query(name)?, decode_query(value)?))
        })
        .collect()
}

/// Appends the canonical query string: re-encoded, sorted by encoded name and then encoded value, without
/// `X-Amz-Signature`.
pub(crate) fn push_canonical_query(out: &mut String, parameters: &[Parameter<'_>]) {
    let mut pieces: Vec<(String, String)> = parameters
        .iter()
        .filter(|(name, _)| name.as_ref() != b"X-Amz-Signature")
        .map(|(name, value)| (encoded(name), encoded(value)))
        .collect();
    pieces.sort_unstable();
    for (i, (name, value)) in pieces.iter().enumerate() {
        if i > 0 {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
}

fn encoded(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 8);
    push_encoded(&mut out, bytes);
    out
}

/// Appends the canonical path of every service but S3: `.`, `..` and empty segments removed, then each octet of the raw
/// path encoded (so that what was encoded once on the wire is encoded twice here).
pub(crate) fn push_normalised_path(out: &mut String, path: &str) {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    for segment in &kept {
        out.push('/');
        push_encoded(out, segment.as_bytes());
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    if kept.is_empty() || matches!(last, "" | "." | "..") {
        out.push('/');
    }
}

/// Appends S3's canonical path: nothing removed, each octet encoded once whether it came encoded or not; an encoded
/// slash stays `%2F` and so differs from a real one.
pub(crate) fn push_raw_path(out: &mut String, path: &str) {
    if path.is_empty() {
        out.push('/');
    }
    let bytes = path.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digit = |i: usize| {
            bytes.get(i).and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok())
        };
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'/', ..) => out.push('/'),
            (b'%', Some(high), Some(low)) => {
                push_octet(out, high << 4 | low);
                at += 2;
            }
            (other, ..) => push_octet(out, *other),
        }
        at += 1;
    }
}

/// Does the raw path mean itself, without `.`, `..` or empty segments (a single trailing slash is fine)?
///
/// A signature under [`PathStyle::Normalise`](crate::PathStyle) covers the *normalised* path only. A router that reads
/// the raw one must refuse paths for which this is false, or a captured signature for `/b` would also fit `/a/../b`.
pub fn is_normal_path(target: &str) -> bool {
    let (path, _) = split_target(target);
    let inner = path.strip_prefix('/').unwrap_or(path);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    inner.is_empty() && path.len() <= 1 || inner.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(path: &str) -> String {
        let mut out = String::new();
        push_normalised_path(&mut out, path);
        out
    }

    fn raw(path: &str) -> String {
        let mut out = String::new();
        push_raw_path(&mut out, path);
        out
    }

    #[test]
    fn dot_segments_and_doubled_slashes_vanish_outside_s3() {
        assert_eq!(normalised("/a/./b/../c//d/"), "/a/c/d/");
        assert_eq!(normalised("/../.."), "/");
        assert_eq!(normalised(""), "/");
        assert_eq!(normalised("/a%2Fb"), "/a%252Fb");
    }

    #[test]
    fn s3_keeps_every_segment_and_tells_an_encoded_slash_from_a_real_one() {
        assert_eq!(raw("/a/../b//c%2fd e"), "/a/../b//c%2Fd%20e");
        assert_eq!(raw("/100%"), "/100%25");
    }

    #[test]
    fn a_path_that_normalisation_would_change_is_recognised() {
        for fine in ["/", "/a", "/a/", "/a/b?x=/../", ""] {
            assert!(is_normal_path(fine), "{fine}");
        }
        for bad in ["//", "/a//b", "/./", "/a/..", "/../a", "//a"] {
            assert!(!is_normal_path(bad), "{bad}");
        }
    }

    #[test]
    fn a_broken_percent_sign_in_a_query_is_malformed() {
        assert_eq!(parameters("a=%4"), Err(Malformed));
        assert_eq!(parameters("a=%zz"), Err(Malformed));
        assert!(parameters("a=%41+b&&c").is_ok_and(|p| p.len() == 2));
    }

    #[test]
    fn hexadecimal_must_be_lower_case_and_whole() {
        assert!(parse_hex32(&[b'a'; 64]).is_some());
        for bad in [&[b'A'; 64][..], &[b'a'; 63], &[b'a'; 66], &[b'g'; 64], b""] {
            assert!(parse_hex32(bad).is_none());
        }
        for byte in 0..=255_u8 {
            for at in [0, 1, 62, 63] {
                let mut text = [b'0'; 64];
                text[at] = byte;
                let value = "0123456789abcdef".bytes().position(|digit| digit == byte);
                let read = parse_hex32(&text).map(|bytes| usize::from(bytes[at / 2]));
                assert_eq!(read, value.map(|v| if at % 2 == 0 { v << 4 } else { v }), "{byte} at {at}");
            }
        }
    }

    #[test]
    fn pieces_are_those_of_split() {
        for text in ["", ";", "a", "a;b", ";a;;b;", "é;ü;", "a,b"] {
            assert!(pieces(text, b';').eq(text.split(';')), "{text:?}");
            assert!(long_pieces(text, ';').eq(text.split(';')), "{text:?}");
        }
    }
}
