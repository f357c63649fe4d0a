//! PEM texts (RFC 7468). Refuses to know what is encoded.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use casemate_names::Secret;

/// What lies between the lines of a text that holds one thing of this kind and nothing else.
pub(crate) fn body(pem: &str, label: &str) -> Option<Secret<Vec<u8>>> {
    let inside = pem.trim().strip_prefix(&format!("-----BEGIN {label}-----"))?;
    let inside = inside.strip_suffix(&format!("-----END {label}-----"))?;
    let text = Secret::new(inside.split_ascii_whitespace().collect::<String>());
    STANDARD.decode(text.expose()).ok().map(Secret::new)
}
