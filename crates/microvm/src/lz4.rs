//! Unpacks LZ4's legacy format, which kernels are compressed by. Knows nothing of kernels; whatever it is given, it takes no
//! more memory than it was told.
//!
//! ```text
//!   magic  (size:u32  sequences …)*        (little-endian)
//!   sequence: token  literals  (offset:u16  match)      the last has literals only
//! ```

/// The first bytes of the format.
pub(crate) const MAGIC: &[u8] = b"\x02\x21\x4c\x18";

/// Everything in it, or `None` where it is not whole or is larger than `most` bytes. What is too short for a block is left.
pub(crate) fn unpack(packed: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut rest = packed.strip_prefix(MAGIC)?;
    let mut unpacked = Vec::new();
    // A kernel has its own size after the last block.
    while rest.len() > SIZE_BYTES {
        let (size, after) = rest.split_first_chunk::<SIZE_BYTES>()?;
        let (packed, after) = after.split_at_checked(usize::try_from(u32::from_le_bytes(*size)).ok()?)?;
        block(packed, &mut unpacked, most)?;
        rest = after;
    }
    Some(unpacked)
}

/// Appends what a block holds. Its matches reach back to its own beginning at most.
fn block(mut packed: &[u8], unpacked: &mut Vec<u8>, most: usize) -> Option<()> {
    let begin = unpacked.len();
    let most = most.min(begin.checked_add(BLOCK_BYTES_MAX)?);
    loop {
        let token = usize::from(byte(&mut packed)?);
        let count = length(token >> 4, &mut packed)?;
        let (literals, after) = packed.split_at_checked(count)?;
        if count > most.checked_sub(unpacked.len())? {
            return None;
        }
        unpacked.extend_from_slice(literals);
        if after.is_empty() {
            return Some(());
        }
        let (offset, after) = after.split_first_chunk::<2>()?;
        packed = after;
        let offset = usize::from(u16::from_le_bytes(*offset));
        let mut count = length(token & 15, &mut packed)?.checked_add(MATCH_BYTES_MIN)?;
        let from = unpacked.len().checked_sub(offset).filter(|from| offset > 0 && *from >= begin)?;
        if count > most.checked_sub(unpacked.len())? {
            return None;
        }
        // A match may reach into what it makes itself: then it repeats.
        while count > 0 {
            let part = count.min(unpacked.len() - from);
            unpacked.extend_from_within(from..from + part);
            count -= part;
        }
    }
}

/// A length of which the token holds the beginning.
fn length(begun: usize, packed: &mut &[u8]) -> Option<usize> {
    let mut length = begun;
    if begun == 15 {
        loop {
            let more = byte(packed)?;
            length = length.checked_add(usize::from(more))?;
            if more < u8::MAX {
                break;
            }
        }
    }
    Some(length)
}

fn byte(packed: &mut &[u8]) -> Option<u8> {
    let (byte, after) = packed.split_first()?;
    *packed = after;
    Some(*byte)
}

const SIZE_BYTES: usize = 4;
const MATCH_BYTES_MIN: usize = 4;
/// Of the legacy format.
const BLOCK_BYTES_MAX: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(blocks: &[&[u8]], end: &[u8]) -> Vec<u8> {
        let mut all = MAGIC.to_vec();
        for block in blocks {
            all.extend(u32::try_from(block.len()).unwrap().to_le_bytes());
            all.extend_from_slice(block);
        }
        all.extend_from_slice(end);
        all
    }

    #[test]
    fn literals_matches_and_blocks_are_unpacked() {
        // Three literals, six bytes from three back, one literal.
        let first: &[u8] = &[0x32, b'a', b'b', b'c', 3, 0, 0x10, b'!'];
        // Twenty literals, and twenty-four times the last of them.
        let mut second = vec![0xff, 5];
        second.extend_from_slice(b"01234567890123456789");
        second.extend_from_slice(&[1, 0, 5, 0x10, b'.']);
        let all = packed(&[first, &second], b"size");
        let expected = format!("abcabcabc!01234567890123456789{}.", "9".repeat(24));
        assert_eq!(unpack(&all, 100).unwrap(), expected.as_bytes());
        assert!(unpack(&all, expected.len()).is_some() && unpack(&all, expected.len() - 1).is_none());
    }

    #[test]
    fn what_is_not_whole_or_reaches_too_far_is_refused() {
        for bad in [
            &[][..],
            &[0x32, b'a'],
            &[0xf0, 255],
            &[0x10, b'a', 2, 0, 0x10, b'!'],
            &[0x10, b'a', 0, 0, 0x10, b'!'],
            &[0x10, b'a', 1],
            &[0x10, b'a', 1, 0],
        ] {
            assert_eq!(unpack(&packed(&[&[0x10, b'x'], bad], b"size"), 100), None, "{bad:?}");
        }
        assert_eq!(unpack(b"\x02\x21\x4c\x18\xff\xff\xff\xff\x10", 100), None);
        assert_eq!(unpack(b"other", 100), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_unpacked_within_bounds_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(unpacked) = unpack(&packed(&[&bytes], b"size"), 1_000) {
                prop_assert!(unpacked.len() <= 1_000);
            }
        }
    }
}
