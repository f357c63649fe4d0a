//! Page tokens of listings: the name where the next page begins, in hexadecimal so that nobody builds on its form.

use crate::{api::Error, position::invalid_token};

/// AWS: default and largest page of the Describe operations.
pub(crate) const PAGE_MAX: usize = 50;

/// The page size asked for.
pub(crate) fn limit(asked: Option<i32>) -> usize {
    asked.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX)
}

/// A token for what comes after `name`.
pub(crate) fn token(name: &str) -> String {
    name.bytes().fold(String::with_capacity(2 * name.len()), |text, byte| text + &format!("{byte:02x}"))
}

/// The name in a token.
pub(crate) fn parse(token: &str) -> Result<String, Error> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if !token.len().is_multiple_of(2) || !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(invalid_token());
    }
    let bytes: Option<Vec<u8>> = token.as_bytes().chunks(2).map(byte).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(invalid_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_anything_else_is_refused() {
        assert_eq!(parse(&token("/aws/lambda/ü")).unwrap(), "/aws/lambda/ü");
        for bad in ["a", "zz", "ff", "é", "+1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
