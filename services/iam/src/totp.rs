//! Time-based one-time passwords (RFC 6238) as authenticator apps make them: SHA-1, steps of thirty seconds, six digits.
//! Knows no devices and no clock.

use aws_lc_rs::hmac;
use casemate_names::Timestamp;

/// Seconds of a step.
// AWS: IAM User Guide, "Assign a virtual MFA device": RFC 6238 with a 30-second step.
const STEP_S: i64 = 30;

/// The step that a moment lies in.
pub(crate) fn step_at(now: Timestamp) -> i64 {
    now.seconds().div_euclid(STEP_S)
}

/// The six digits of a step.
pub(crate) fn code(seed: &[u8], step: i64) -> String {
    format!("{:06}", truncated(seed, step) % 1_000_000)
}

/// RFC 4226 §5.3.
fn truncated(seed: &[u8], step: i64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, seed);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let bytes = tag.as_ref();
    let offset = usize::from(bytes.last().copied().unwrap_or(0) & 0x0f);
    let four = bytes.iter().skip(offset).take(4);
    four.fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) & 0x7fff_ffff
}

/// Base32 of RFC 4648 without padding.
pub(crate) fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = String::new();
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in bytes {
        bits = (bits << 8 | u32::from(*byte)) & 0xffff;
        held += 8;
        while held >= 5 {
            held -= 5;
            let at = usize::try_from(bits >> held & 0x1f).unwrap_or(0);
            out.extend(ALPHABET.get(at).map(|letter| char::from(*letter)));
        }
    }
    if held > 0 {
        let at = usize::try_from(bits << (5 - held) & 0x1f).unwrap_or(0);
        out.extend(ALPHABET.get(at).map(|letter| char::from(*letter)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 6238, Appendix B, for SHA-1; the table has eight digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        for (seconds, digits) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            let step = step_at(Timestamp::from_seconds(seconds));
            assert_eq!(truncated(b"12345678901234567890", step) % 100_000_000, digits, "{seconds}");
        }
        assert_eq!(code(b"12345678901234567890", 1), "287082");
    }

    // RFC 4648 §10.
    #[test]
    fn base32_is_that_of_the_standard() {
        for (text, encoded) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(text.as_bytes()), encoded);
        }
    }
}
