//! The only door to randomness, and the identifiers made from it.

use std::{collections::BTreeMap, fmt, sync::Mutex};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};

/// A source of random bytes. `purpose` names the stream drawn from, so that in tests a new draw elsewhere does not
/// shift every other value.
pub trait Entropy: fmt::Debug + Send + Sync {
    /// Fills `out`.
    fn fill(&self, purpose: &'static str, out: &mut [u8]);
}

/// The operating system's generator.
#[derive(Debug, Default)]
pub struct SystemEntropy(SystemRandom);

impl Entropy for SystemEntropy {
    fn fill(&self, _purpose: &'static str, out: &mut [u8]) {
        // Without randomness no key, token or nonce may be made: stop.
        assert!(self.0.fill(out).is_ok(), "the system's random generator failed");
    }
}

/// Repeatable bytes for tests: stream `purpose` yields SHA-256(seed, purpose, counter) blocks. Not for production.
#[derive(Debug)]
pub struct NamedEntropy {
    seed: u64,
    counters: Mutex<BTreeMap<&'static str, u64>>,
}

impl NamedEntropy {
    /// All streams are functions of `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, counters: Mutex::default() }
    }
}

impl Entropy for NamedEntropy {
    fn fill(&self, purpose: &'static str, out: &mut [u8]) {
        let mut counters = self.counters.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let counter = counters.entry(purpose).or_default();
        for chunk in out.chunks_mut(32) {
            let block = digest(&SHA256, format!("{}/{purpose}/{counter}", self.seed).as_bytes());
            *counter += 1;
            for (to, from) in chunk.iter_mut().zip(block.as_ref()) {
                *to = *from;
            }
        }
    }
}

/// A random (version 4) UUID in text form.
pub fn uuid(entropy: &dyn Entropy, purpose: &'static str) -> String {
    let mut b = [0_u8; 16];
    entropy.fill(purpose, &mut b);
    b[6] = b[6] & 0x0f | 0x40;
    b[8] = b[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (i, byte) in b.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.extend(
            [byte >> 4, byte & 0x0f].map(|nibble| char::from_digit(u32::from(nibble), 16).unwrap_or('0')),
        );
    }
    text
}

/// `length` characters of `[0-9A-Za-z]`.
pub fn alphanumeric(entropy: &dyn Entropy, purpose: &'static str, length: usize) -> String {
    pick(entropy, purpose, length, b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
}

/// `length` characters of `[0-9a-z]`.
pub fn lower_alphanumeric(entropy: &dyn Entropy, purpose: &'static str, length: usize) -> String {
    pick(entropy, purpose, length, b"0123456789abcdefghijklmnopqrstuvwxyz")
}

/// `length` lower-case hexadecimal digits.
pub fn hex_id(entropy: &dyn Entropy, purpose: &'static str, length: usize) -> String {
    pick(entropy, purpose, length, b"0123456789abcdef")
}

/// Draws without bias: bytes beyond the largest multiple of the alphabet's size are thrown away.
fn pick(entropy: &dyn Entropy, purpose: &'static str, length: usize, alphabet: &[u8]) -> String {
    let size = u8::try_from(alphabet.len()).unwrap_or(u8::MAX);
    let limit = u8::MAX - u8::MAX % size;
    let mut text = String::with_capacity(length);
    let mut block = [0_u8; 32];
    while text.len() < length {
        entropy.fill(purpose, &mut block);
        for byte in block.iter().filter(|byte| **byte < limit) {
            if text.len() == length {
                break;
            }
            text.extend(alphabet.get(usize::from(byte % size)).map(|b| char::from(*b)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_independent_and_repeatable() {
        let (a, b) = (NamedEntropy::seeded(1), NamedEntropy::seeded(1));
        let first = uuid(&a, "x");
        let _elsewhere = uuid(&b, "y");
        assert_eq!(first, uuid(&b, "x"));
        assert_ne!(first, uuid(&a, "x"));
    }

    #[test]
    fn identifiers_have_the_asked_length_and_alphabet() {
        let entropy = SystemEntropy::default();
        let id = lower_alphanumeric(&entropy, "t", 10);
        assert!(id.len() == 10 && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        assert_eq!(uuid(&entropy, "t").len(), 36);
    }
}
