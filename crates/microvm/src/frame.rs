//! Frames on the wire between host and guest: eight bytes of head, then at most 32 KiB.
//!
//! ```text
//! kind:u8  0:u8  length:u16  stream:u32  payload        (big-endian)
//! ```
//! Knows which frames exist, not when they are allowed. Every length is bounded by its type before memory is taken.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// One frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Frame {
    /// A message of the control protocol.
    Control(Bytes),
    /// A new stream for a port; only the guest opens streams.
    Open { stream: u32, port: u16 },
    /// Bytes of a stream.
    Data { stream: u32, bytes: Bytes },
    /// No more bytes will come; the other direction goes on.
    Close { stream: u32 },
    /// The stream has ended in both directions.
    Reset { stream: u32 },
    /// So many more bytes may be sent.
    Credit { stream: u32, bytes: u32 },
}

impl Frame {
    /// Appends the frame. Longer payloads than [`PAYLOAD_BYTES_MAX`] are the caller's mistake and are cut by none:
    /// `false`, and nothing is written.
    #[must_use]
    pub(crate) fn encode(&self, out: &mut BytesMut) -> bool {
        let (kind, stream, port, credit);
        let payload: &[u8] = match self {
            Self::Control(bytes) => {
                (kind, stream) = (CONTROL, 0);
                bytes
            }
            Self::Open { stream: id, port: number } => {
                (kind, stream) = (OPEN, *id);
                port = number.to_be_bytes();
                &port
            }
            Self::Data { stream: id, bytes } => {
                (kind, stream) = (DATA, *id);
                bytes
            }
            Self::Close { stream: id } => {
                (kind, stream) = (CLOSE, *id);
                &[]
            }
            Self::Reset { stream: id } => {
                (kind, stream) = (RESET, *id);
                &[]
            }
            Self::Credit { stream: id, bytes } => {
                (kind, stream) = (CREDIT, *id);
                credit = bytes.to_be_bytes();
                &credit
            }
        };
        let Some(length) = u16::try_from(payload.len()).ok().filter(|length| *length <= PAYLOAD_BYTES_MAX)
        else {
            return false;
        };
        out.put_u8(kind);
        out.put_u8(0);
        out.put_u16(length);
        out.put_u32(stream);
        out.put_slice(payload);
        true
    }

    /// Reads one frame. `None` at the end between frames; an end within one is an error.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut head = [0; HEAD_BYTES];
        let got = from.read(&mut head).await?;
        if got == 0 {
            return Ok(None);
        }
        from.read_exact(head.get_mut(got..).unwrap_or_default()).await?;
        let mut fields = head.as_slice();
        let (kind, zero, length, stream) =
            (fields.get_u8(), fields.get_u8(), fields.get_u16(), fields.get_u32());
        if zero != 0 || length > PAYLOAD_BYTES_MAX {
            return Err(malformed());
        }
        let mut payload = vec![0; usize::from(length)];
        from.read_exact(&mut payload).await?;
        Self::decode(kind, stream, payload).map(Some).ok_or_else(malformed)
    }

    fn decode(kind: u8, stream: u32, payload: Vec<u8>) -> Option<Self> {
        let fixed = |frame| payload.is_empty().then_some(frame);
        if (kind == CONTROL) != (stream == 0) {
            return None;
        }
        match kind {
            CONTROL => Some(Self::Control(payload.into())),
            OPEN => Some(Self::Open { stream, port: u16::from_be_bytes(payload.try_into().ok()?) }),
            DATA if !payload.is_empty() => Some(Self::Data { stream, bytes: payload.into() }),
            CLOSE => fixed(Self::Close { stream }),
            RESET => fixed(Self::Reset { stream }),
            CREDIT => Some(Self::Credit { stream, bytes: u32::from_be_bytes(payload.try_into().ok()?) }),
            _ => None,
        }
    }
}

pub(crate) fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed frame")
}

const HEAD_BYTES: usize = 8;
/// Most bytes of a frame's payload; a control message has to fit one frame.
pub(crate) const PAYLOAD_BYTES_MAX: u16 = 32 * 1024;
const CONTROL: u8 = 1;
const OPEN: u8 = 2;
const DATA: u8 = 3;
const CLOSE: u8 = 4;
const RESET: u8 = 5;
const CREDIT: u8 = 6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_all(mut bytes: &[u8]) -> io::Result<Vec<Frame>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut frames = Vec::new();
            while let Some(frame) = Frame::read(&mut bytes).await? {
                frames.push(frame);
            }
            Ok(frames)
        })
    }

    fn frames() -> impl Strategy<Value = Frame> {
        let bytes = || proptest::collection::vec(any::<u8>(), 1..200).prop_map(Bytes::from);
        prop_oneof![
            bytes().prop_map(Frame::Control),
            (1..u32::MAX, any::<u16>()).prop_map(|(stream, port)| Frame::Open { stream, port }),
            (1..u32::MAX, bytes()).prop_map(|(stream, bytes)| Frame::Data { stream, bytes }),
            (1..u32::MAX).prop_map(|stream| Frame::Close { stream }),
            (1..u32::MAX).prop_map(|stream| Frame::Reset { stream }),
            (1..u32::MAX, any::<u32>()).prop_map(|(stream, bytes)| Frame::Credit { stream, bytes }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(sent in proptest::collection::vec(frames(), 0..20)) {
            let mut wire = BytesMut::new();
            prop_assert!(sent.iter().all(|frame| frame.encode(&mut wire)));
            prop_assert_eq!(read_all(&wire).unwrap(), sent);
        }

        #[test]
        fn any_bytes_are_frames_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read_all(&bytes);
        }

        #[test]
        fn frame_cut_short_is_an_error(frame in frames(), cut in 1_usize..8) {
            let mut wire = BytesMut::new();
            prop_assert!(frame.encode(&mut wire));
            let end = wire.len().saturating_sub(cut);
            if end > 0 {
                prop_assert!(read_all(&wire[..end]).is_err());
            }
        }
    }

    #[test]
    fn oversized_unknown_and_misaddressed_frames_are_refused() {
        let head = |kind: u8, zero: u8, length: u16, stream: u32| {
            let mut bytes = vec![kind, zero];
            bytes.extend(length.to_be_bytes());
            bytes.extend(stream.to_be_bytes());
            bytes.resize(bytes.len() + usize::from(length), 0);
            read_all(&bytes)
        };
        assert!(head(DATA, 0, PAYLOAD_BYTES_MAX, 1).is_ok());
        for (kind, zero, length, stream) in [
            (DATA, 0, PAYLOAD_BYTES_MAX + 1, 1),
            (DATA, 0, 0, 1),
            (DATA, 0, 1, 0),
            (DATA, 1, 1, 1),
            (CONTROL, 0, 1, 1),
            (OPEN, 0, 3, 1),
            (CLOSE, 0, 1, 1),
            (CREDIT, 0, 3, 1),
            (0, 0, 0, 1),
            (7, 0, 0, 1),
        ] {
            assert!(head(kind, zero, length, stream).is_err(), "{kind} {zero} {length} {stream}");
        }
        assert!(
            !Frame::Control(vec![0; usize::from(PAYLOAD_BYTES_MAX) + 1].into()).encode(&mut BytesMut::new())
        );
    }
}
