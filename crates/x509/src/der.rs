//! The elements of DER (X.690) with lengths below 64 KiB, which keys and certificates are made of.

/// `INTEGER`
pub const INTEGER: u8 = 0x02;
/// `BIT STRING`
pub const BIT_STRING: u8 = 0x03;
/// `SEQUENCE`
pub const SEQUENCE: u8 = 0x30;

/// An element that stands at the beginning of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// What it contains.
    pub content: &'a [u8],
    /// All of it, with its tag and length.
    pub whole: &'a [u8],
    /// What follows it.
    pub rest: &'a [u8],
}

/// Splits one element of the kind `tag` off.
pub fn element(der: &[u8], tag: u8) -> Option<Element<'_>> {
    let (length, head) = match der {
        [t, length @ 0..=0x7f, ..] if *t == tag => (usize::from(*length), 2),
        [t, 0x81, length @ 0x80..=0xff, ..] if *t == tag => (usize::from(*length), 3),
        [t, 0x82, high @ 1..=0xff, low, ..] if *t == tag => (usize::from(*high) << 8 | usize::from(*low), 4),
        _ => return None,
    };
    let (whole, rest) = der.split_at_checked(length.checked_add(head)?)?;
    Some(Element { content: whole.get(head..)?, whole, rest })
}

/// The content of an element that is all there is.
pub fn only(der: &[u8], tag: u8) -> Option<&[u8]> {
    element(der, tag).filter(|found| found.rest.is_empty()).map(|found| found.content)
}

/// Makes an element; `None` if its content is too long.
pub fn made(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let [high, low] = u16::try_from(content.len()).ok()?.to_be_bytes();
    let head = match (high, low) {
        (0, short @ 0..=0x7f) => vec![tag, short],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    Some([&head, content].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_read() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff] {
            let content = vec![5; length];
            let whole = made(SEQUENCE, &content).unwrap();
            let more = [whole.as_slice(), &[9]].concat();
            assert_eq!(
                element(&more, SEQUENCE).unwrap(),
                Element { content: &content, whole: &whole, rest: &[9] },
                "{length}"
            );
            assert_eq!(only(&whole, SEQUENCE).unwrap(), content);
            assert_eq!(only(&more, SEQUENCE), None);
            assert_eq!(element(&whole, INTEGER), None);
        }
        assert_eq!(made(SEQUENCE, &vec![0; 0x1_0000]), None);
    }

    #[test]
    fn lengths_that_lie_or_are_not_the_shortest_are_refused() {
        for der in [
            &[][..],
            &[SEQUENCE],
            &[SEQUENCE, 1],
            &[SEQUENCE, 0x80, 0, 0],
            &[SEQUENCE, 0x81, 1, 5],
            &[SEQUENCE, 0x82, 0, 1, 5],
            &[SEQUENCE, 0x82, 0xff, 0xff, 5],
            &[SEQUENCE, 0x83, 0, 0, 1, 5],
        ] {
            assert_eq!(element(der, SEQUENCE), None, "{der:?}");
        }
    }
}
