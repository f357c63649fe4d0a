//! PEM texts (RFC 7468). Refuses to know what is encoded.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use casemate_names::Secret;

/// Base64 characters on a line (RFC 7468 §2).
const LINE: usize = 64;

/// What lies between the lines of a text that holds one thing of this kind and nothing else.
pub fn body(pem: &str, label: &str) -> Option<Secret<Vec<u8>>> {
    let (inside, rest) = split(pem.trim(), label)?;
    if rest.is_empty() { decoded(inside) } else { None }
}

/// The same of a text that holds several things of one kind, at least one, with nothing but white space between them.
/// `None` where there are more than `most`.
pub fn bodies(pem: &str, label: &str, most: usize) -> Option<Vec<Secret<Vec<u8>>>> {
    let mut rest = pem.trim();
    let mut found = Vec::new();
    while !rest.is_empty() {
        if found.len() == most {
            return None;
        }
        let (inside, after) = split(rest, label)?;
        found.push(decoded(inside)?);
        rest = after.trim_start();
    }
    (!found.is_empty()).then_some(found)
}

/// A text that holds these bytes.
pub fn encoded(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for (at, c) in STANDARD.encode(der).char_indices() {
        if at > 0 && at.checked_rem(LINE) == Some(0) {
            text.push('\n');
        }
        text.push(c);
    }
    format!("{text}\n-----END {label}-----")
}

/// What lies between the first pair of lines, and what follows them.
fn split<'a>(pem: &'a str, label: &str) -> Option<(&'a str, &'a str)> {
    let inside = pem.strip_prefix(&format!("-----BEGIN {label}-----"))?;
    inside.split_once(&format!("-----END {label}-----"))
}

fn decoded(inside: &str) -> Option<Secret<Vec<u8>>> {
    let text = Secret::new(inside.split_ascii_whitespace().collect::<String>());
    STANDARD.decode(text.expose()).ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_one_thing() {
        let text = encoded("THING", &[7; 100]);
        assert!(text.lines().all(|line| line.len() <= LINE));
        assert_eq!(body(&format!(" {text}\n"), "THING").unwrap().expose(), &[7; 100]);
        for wrong in [
            body(&text, "OTHER"),
            body(&format!("{text}\n{text}"), "THING"),
            body(&format!("{text} x"), "THING"),
            body(&format!("x {text}"), "THING"),
            body(&text.replacen("Bw", "!!", 1), "THING"),
            body("", "THING"),
        ] {
            assert!(wrong.is_none());
        }
    }

    #[test]
    fn several_things_are_read_in_order_up_to_a_number() {
        let text = format!("{}\n\n{}\n", encoded("THING", b"first"), encoded("THING", b"second"));
        let found = bodies(&text, "THING", 2).unwrap();
        let found: Vec<&[u8]> = found.iter().map(|one| one.expose().as_slice()).collect();
        assert_eq!(found, [b"first".as_slice(), b"second"]);
        assert!(bodies(&text, "THING", 1).is_none());
        assert!(bodies(&format!("{text}subject=x"), "THING", 9).is_none());
        assert!(bodies(" ", "THING", 9).is_none());
    }
}
