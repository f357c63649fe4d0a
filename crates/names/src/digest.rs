//! The two spellings of a hash that everything shares: SHA-256 as an array, and bytes as lower-case hexadecimal.

use aws_lc_rs::digest::{SHA256, digest};

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *to = *from;
    }
    out
}

/// Lower-case hexadecimal, two digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|nibble| char::from_digit(nibble.into(), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // FIPS 180-4, the one-block example.
    #[test]
    fn the_published_example_comes_out() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&sha256(b"abc")), expected);
    }

    #[test]
    fn leading_zeros_are_kept() {
        assert_eq!(hex(&[0, 0x0f, 0xf0]), "000ff0");
    }
}
