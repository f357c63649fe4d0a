//! AWS's event stream: messages with headers, each guarded by two checksums, one after the other in a body.
//!
//! Knows the framing; which events there are is the operation's.

use bytes::{BufMut, Bytes, BytesMut};

/// The media type of a body in this form.
pub const MEDIA_TYPE: &str = "application/vnd.amazon.eventstream";

/// AWS: the header value type "string" (Smithy, event stream specification).
const TYPE_STRING: u8 = 7;
/// Total length and headers' length, and the checksum of both.
const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;

/// One event.
///
/// ```text
/// total length: u32 │ headers length: u32 │ CRC-32 of these │ headers │ payload │ CRC-32 of everything before
/// ```
pub fn event(kind: &str, content_type: &str, payload: &[u8]) -> Bytes {
    let mut headers = BytesMut::new();
    for (name, value) in [(":event-type", kind), (":content-type", content_type), (":message-type", "event")]
    {
        header(&mut headers, name, value);
    }
    let total = PRELUDE_BYTES + headers.len() + payload.len() + CHECKSUM_BYTES;
    let mut message = BytesMut::with_capacity(total);
    // Both lengths are far below their limits: payloads are pieces of an answer.
    message.put_u32(u32::try_from(total).unwrap_or(u32::MAX));
    message.put_u32(u32::try_from(headers.len()).unwrap_or(u32::MAX));
    let checksum = crc32fast::hash(&message);
    message.put_u32(checksum);
    message.put_slice(&headers);
    message.put_slice(payload);
    let checksum = crc32fast::hash(&message);
    message.put_u32(checksum);
    message.freeze()
}

fn header(out: &mut BytesMut, name: &str, value: &str) {
    out.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.put_slice(name.as_bytes());
    out.put_u8(TYPE_STRING);
    out.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
    out.put_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_framed_and_both_checksums_hold() {
        let message = event("PayloadChunk", "application/octet-stream", b"hello");
        let number = |at: usize| u32::from_be_bytes(message[at..at + 4].try_into().unwrap());
        let (total, headers) = (number(0) as usize, number(4) as usize);
        assert_eq!(total, message.len());
        assert_eq!(number(8), crc32fast::hash(&message[..8]));
        assert_eq!(&message[12 + headers..total - 4], b"hello");
        assert_eq!(number(total - 4), crc32fast::hash(&message[..total - 4]));
        assert!(message[12..].starts_with(b"\x0b:event-type\x07\x00\x0cPayloadChunk\x0d:content-type\x07"));
    }
}
