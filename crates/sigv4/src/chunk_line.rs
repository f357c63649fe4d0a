//! The lines between the bytes of a chunked body, read out of whatever pieces arrive. Knows their grammar, not what they
//! prove.

use crate::chunked::ChunkError;

/// Longest line, bytes: sixteen digits of a size, `;chunk-signature=`, and a padded asymmetric signature are 177; a trailer
/// has a name of 27 and a value of 44 or 144.
const LINE_BYTES_MAX: usize = 256;
/// Most hexadecimal digits of a chunk's size.
const SIZE_DIGITS_MAX: usize = 16;

/// Collects a line that may come in pieces.
#[derive(Debug, Default)]
pub(crate) struct LineBuffer(Vec<u8>);

impl LineBuffer {
    /// Takes bytes from `input` up to the end of the line. `Some` is the whole line without its CRLF.
    pub(crate) fn take(&mut self, input: &mut &[u8]) -> Result<Option<String>, ChunkError> {
        while let Some((byte, rest)) = input.split_first() {
            *input = rest;
            if *byte == b'\n' {
                let mut line = std::mem::take(&mut self.0);
                if line.pop() != Some(b'\r') {
                    return Err(ChunkError::Malformed);
                }
                return String::from_utf8(line).map(Some).map_err(|_| ChunkError::Malformed);
            }
            if self.0.len() == LINE_BYTES_MAX {
                return Err(ChunkError::Malformed);
            }
            self.0.push(*byte);
        }
        Ok(None)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `SIZE` or `SIZE;chunk-signature=HEX`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ChunkLine<'a> {
    pub(crate) size: u64,
    pub(crate) signature: Option<&'a str>,
}

impl<'a> ChunkLine<'a> {
    pub(crate) fn read(line: &'a str) -> Result<Self, ChunkError> {
        let (size, signature) = match line.split_once(';') {
            None => (line, None),
            Some((size, extension)) => {
                let signature = extension.strip_prefix("chunk-signature=").ok_or(ChunkError::Malformed)?;
                (size, Some(signature))
            }
        };
        let well_formed =
            (1..=SIZE_DIGITS_MAX).contains(&size.len()) && size.bytes().all(|b| b.is_ascii_hexdigit());
        if !well_formed {
            return Err(ChunkError::Malformed);
        }
        let size = u64::from_str_radix(size, 16).map_err(|_| ChunkError::Malformed)?;
        Ok(Self { size, signature })
    }
}

/// `name:value`, the name in lower case and the value trimmed.
pub(crate) fn trailer_line(line: &str) -> Result<(String, String), ChunkError> {
    let (name, value) = line.split_once(':').ok_or(ChunkError::Malformed)?;
    let well_formed = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !well_formed || value.bytes().any(|b| b.is_ascii_control()) {
        return Err(ChunkError::Malformed);
    }
    Ok((name.to_ascii_lowercase(), value.trim_ascii().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_come_byte_by_byte_and_must_end_in_both_characters() {
        let mut buffer = LineBuffer::default();
        for byte in b"10\r" {
            assert_eq!(buffer.take(&mut [*byte].as_slice()), Ok(None));
        }
        let mut rest = b"\nnext".as_slice();
        assert_eq!(buffer.take(&mut rest), Ok(Some("10".to_owned())));
        assert_eq!(rest, b"next");
        assert_eq!(LineBuffer::default().take(&mut b"10\n".as_slice()), Err(ChunkError::Malformed));
        let endless = vec![b'a'; LINE_BYTES_MAX + 1];
        assert_eq!(LineBuffer::default().take(&mut endless.as_slice()), Err(ChunkError::Malformed));
    }

    #[test]
    fn sizes_are_plain_hexadecimal() {
        let line = |text| ChunkLine::read(text).map(|line| line.size);
        assert_eq!(line("1F"), Ok(31));
        assert_eq!(line("00"), Ok(0));
        for bad in ["", "+1", "-1", "0x1", " 1", "1 ", "g", "11111111111111111", "1;x=y", "1;chunk-signature"]
        {
            assert_eq!(line(bad), Err(ChunkError::Malformed), "{bad:?}");
        }
    }

    #[test]
    fn trailers_are_names_and_values() {
        assert_eq!(trailer_line("X-Amz-A: b "), Ok(("x-amz-a".to_owned(), "b".to_owned())));
        for bad in ["", "name", ":value", "na me:v", "n:\u{0}"] {
            assert_eq!(trailer_line(bad), Err(ChunkError::Malformed), "{bad:?}");
        }
    }
}
