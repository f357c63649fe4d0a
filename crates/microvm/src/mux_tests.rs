//! Tests of the multiplexer: both ends in one process, and one end against hand-written frames.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

fn pair() -> (Mux, mpsc::Receiver<Incoming>, Mux, mpsc::Receiver<Incoming>) {
    let (one, other) = duplex(4096);
    let (one_read, one_write) = split(one);
    let (other_read, other_write) = split(other);
    let (host, host_in) = Mux::start(one_read, one_write);
    let (guest, guest_in) = Mux::start(other_read, other_write);
    (host, host_in, guest, guest_in)
}

async fn opened(incoming: &mut mpsc::Receiver<Incoming>) -> (u32, u16, Stream) {
    match incoming.recv().await.unwrap() {
        Incoming::Opened { id, port, stream } => (id, port, stream),
        other @ Incoming::Control(_) => panic!("{other:?}"),
    }
}

/// One end, and the raw other end of its wire.
fn raw() -> (Mux, mpsc::Receiver<Incoming>, DuplexStream) {
    let (ours, theirs) = duplex(1 << 20);
    let (read, write) = split(ours);
    let (mux, incoming) = Mux::start(read, write);
    (mux, incoming, theirs)
}

async fn put(wire: &mut DuplexStream, frames: &[Frame]) {
    let mut bytes = BytesMut::new();
    assert!(frames.iter().all(|frame| frame.encode(&mut bytes)));
    wire.write_all(&bytes).await.unwrap();
}

/// The connection must end: its receiver does.
async fn ends(mut incoming: mpsc::Receiver<Incoming>) {
    while incoming.recv().await.is_some() {}
}

#[tokio::test]
async fn megabytes_pass_in_both_directions_and_half_close_is_kept() {
    let (_host, mut host_in, guest, _guest_in) = pair();
    let mut inside = guest.open(9001).await.unwrap();
    let (_, port, mut outside) = opened(&mut host_in).await;
    assert_eq!(port, 9001);
    let sent: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let expected = sent.clone();
    let writer = tokio::spawn(async move {
        inside.write_all(&sent).await.unwrap();
        inside.shutdown().await.unwrap();
        let mut answer = String::new();
        inside.read_to_string(&mut answer).await.unwrap();
        answer
    });
    let mut got = Vec::new();
    outside.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, expected);
    outside.write_all(b"answer after their end").await.unwrap();
    drop(outside);
    assert_eq!(writer.await.unwrap(), "answer after their end");
}

#[tokio::test]
async fn stream_that_nobody_reads_does_not_stop_the_others() {
    let (_host, mut host_in, guest, _guest_in) = pair();
    let mut stuck = guest.open(1).await.unwrap();
    let (_, _, _unread) = opened(&mut host_in).await;
    tokio::spawn(async move { stuck.write_all(&vec![0; 1 << 20]).await });
    let mut lively = guest.open(2).await.unwrap();
    let (_, _, mut read) = opened(&mut host_in).await;
    lively.write_all(b"through").await.unwrap();
    let mut bytes = [0; 7];
    read.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"through");
}

#[tokio::test]
async fn dropped_stream_is_reset_and_forgotten_on_both_sides() {
    let (host, mut host_in, guest, _guest_in) = pair();
    let mut inside = guest.open(1).await.unwrap();
    let (_, _, outside) = opened(&mut host_in).await;
    drop(outside);
    while inside.write_all(&[0; 1024]).await.is_ok() {}
    drop(inside);
    while !host.open_streams().is_empty() || !guest.open_streams().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn more_bytes_than_the_window_end_the_connection() {
    let (_mux, incoming, mut wire) = raw();
    let data = Frame::Data { stream: 1, bytes: vec![0; 32 * 1024].into() };
    // Nobody reads: pipe and window hold two windows at most, the fifth is beyond both.
    let frames =
        [Frame::Open { stream: 1, port: 1 }, data.clone(), data.clone(), data.clone(), data.clone(), data];
    let mut incoming = incoming;
    put(&mut wire, &frames[..1]).await;
    let (_, _, _kept) = opened(&mut incoming).await;
    put(&mut wire, &frames[1..]).await;
    ends(incoming).await;
}

#[tokio::test]
async fn credit_beyond_the_window_ends_the_connection() {
    let (_mux, mut incoming, mut wire) = raw();
    put(&mut wire, &[Frame::Open { stream: 1, port: 1 }]).await;
    let (_, _, _kept) = opened(&mut incoming).await;
    put(&mut wire, &[Frame::Credit { stream: 1, bytes: u32::MAX }]).await;
    ends(incoming).await;
}

#[tokio::test]
async fn writer_without_credit_ends_with_the_connection() {
    let (mux, mut incoming, mut wire) = raw();
    put(&mut wire, &[Frame::Open { stream: 1, port: 1 }]).await;
    let (_, _, mut stream) = opened(&mut incoming).await;
    // More than window and pipe hold: it waits for credit that never comes.
    let writer = tokio::spawn(async move { stream.write_all(&vec![0; 1 << 20]).await });
    while let Some(Frame::Data { .. }) = Frame::read(&mut wire).await.unwrap() {
        if mux.table().get(&1).is_some_and(|entry| entry.credit.available_permits() == 0) {
            break;
        }
    }
    drop(wire);
    ends(incoming).await;
    assert!(writer.await.unwrap().is_err());
}

#[tokio::test]
async fn stream_number_used_twice_ends_the_connection() {
    let (_mux, incoming, mut wire) = raw();
    put(&mut wire, &[Frame::Open { stream: 2, port: 1 }, Frame::Open { stream: 2, port: 1 }]).await;
    ends(incoming).await;
    let (_mux, incoming, mut wire) = raw();
    put(&mut wire, &[Frame::Open { stream: 2, port: 1 }, Frame::Open { stream: 1, port: 1 }]).await;
    ends(incoming).await;
}

#[tokio::test]
async fn streams_beyond_the_most_are_reset_and_the_rest_go_on() {
    let (mux, mut incoming, mut wire) = raw();
    let mut kept = Vec::new();
    for stream in 1..=u32::try_from(STREAMS_MAX).unwrap() {
        put(&mut wire, &[Frame::Open { stream, port: 1 }]).await;
        kept.push(opened(&mut incoming).await);
    }
    put(&mut wire, &[Frame::Open { stream: 9_999, port: 1 }]).await;
    assert_eq!(Frame::read(&mut wire).await.unwrap(), Some(Frame::Reset { stream: 9_999 }));
    assert_eq!(mux.open_streams().len(), STREAMS_MAX);
}

#[tokio::test]
async fn control_messages_keep_their_bounds_and_their_order() {
    let (host, _host_in, _guest, mut guest_in) = pair();
    host.control(b"one".to_vec()).await.unwrap();
    host.control(b"two".to_vec()).await.unwrap();
    assert!(host.control(vec![0; 40_000]).await.is_err());
    for expected in ["one", "two"] {
        match guest_in.recv().await.unwrap() {
            Incoming::Control(bytes) => assert_eq!(bytes, expected),
            other @ Incoming::Opened { .. } => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn bytes_that_come_one_in_a_frame_take_no_more_room_than_together() {
    let (mux, mut incoming, mut wire) = raw();
    put(&mut wire, &[Frame::Open { stream: 1, port: 1 }]).await;
    let (_, _, _unread) = opened(&mut incoming).await;
    // Fills what the application may leave unread, then the window, with nothing but single bytes.
    let window = usize::try_from(WINDOW_BYTES).unwrap();
    let single = vec![Frame::Data { stream: 1, bytes: vec![7].into() }; 1_024];
    for _ in 0..window / single.len() {
        put(&mut wire, &single).await;
    }
    while mux.table()[&1].receivable.load(Ordering::Acquire) < WINDOW_BYTES {
        tokio::task::yield_now().await;
    }
    for _ in 0..window / single.len() {
        put(&mut wire, &single).await;
    }
    // The first byte of them is on its way to the application, which has no room.
    while mux.table()[&1].receivable.load(Ordering::Acquire) > 0 {
        tokio::task::yield_now().await;
    }
    let held = mux.table()[&1].arriving.held();
    assert!(held > 0 && held <= 2 * window, "{held} bytes for {window}");
    put(&mut wire, &single[..1]).await;
    ends(incoming).await;
}

#[tokio::test]
async fn data_after_the_close_ends_the_connection() {
    let (_mux, mut incoming, mut wire) = raw();
    put(&mut wire, &[Frame::Open { stream: 1, port: 1 }, Frame::Close { stream: 1 }]).await;
    let (_, _, _kept) = opened(&mut incoming).await;
    put(&mut wire, &[Frame::Data { stream: 1, bytes: vec![7].into() }]).await;
    ends(incoming).await;
}

#[tokio::test]
async fn streams_that_the_other_side_resets_count_until_their_users_have_dropped_them() {
    let (mux, mut incoming, mut wire) = raw();
    let most = u32::try_from(STREAMS_MAX).unwrap();
    let mut kept = Vec::new();
    for stream in 1..=most {
        put(&mut wire, &[Frame::Open { stream, port: 1 }, Frame::Reset { stream }]).await;
        kept.push(opened(&mut incoming).await);
    }
    put(&mut wire, &[Frame::Open { stream: most + 1, port: 1 }]).await;
    assert_eq!(Frame::read(&mut wire).await.unwrap(), Some(Frame::Reset { stream: most + 1 }));
    assert!(mux.open_streams().is_empty());
    drop(kept);
    while mux.places.available_permits() < STREAMS_MAX {
        tokio::task::yield_now().await;
    }
    put(&mut wire, &[Frame::Open { stream: most + 2, port: 1 }]).await;
    let (id, ..) = opened(&mut incoming).await;
    assert_eq!(id, most + 2);
}

/// Reads to the end, which must be a reset.
async fn breaks(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut got = Vec::new();
    let ended = stream.read_to_end(&mut got).await;
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    got
}

#[tokio::test]
async fn a_stream_that_is_reset_breaks_on_the_other_side_also_after_its_half_close() {
    for half_closed in [false, true] {
        let (host, mut host_in, guest, _guest_in) = pair();
        let mut inside = guest.open(1).await.unwrap();
        let (_, _, mut outside) = opened(&mut host_in).await;
        inside.write_all(b"before").await.unwrap();
        let mut got = [0; 6];
        outside.read_exact(&mut got).await.unwrap();
        if half_closed {
            inside.shutdown().await.unwrap();
            assert_eq!(outside.read(&mut got).await.unwrap(), 0);
            // Whoever has ended hears of the reset where it reads.
            outside.reset();
            assert!(breaks(&mut inside).await.is_empty());
        } else {
            inside.reset();
            assert!(breaks(&mut outside).await.is_empty());
        }
        while !host.open_streams().is_empty() || !guest.open_streams().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_line_that_is_dropped_breaks_unless_both_sides_have_ended_it() {
    let (_host, mut host_in, guest, _guest_in) = pair();
    let line = crate::line::Line::from(guest.open(1).await.unwrap());
    let (_, _, mut outside) = opened(&mut host_in).await;
    drop(line);
    assert!(breaks(&mut outside).await.is_empty());
    let mut line = crate::line::Line::from(guest.open(1).await.unwrap());
    let (_, _, mut outside) = opened(&mut host_in).await;
    line.write_all(b"last words").await.unwrap();
    line.shutdown().await.unwrap();
    outside.shutdown().await.unwrap();
    assert_eq!(line.read(&mut [0; 8]).await.unwrap(), 0);
    drop(line);
    let mut got = String::new();
    outside.read_to_string(&mut got).await.unwrap();
    assert_eq!(got, "last words");
}

#[tokio::test]
async fn what_arrived_before_a_reset_is_read_before_it() {
    let (_mux, mut incoming, mut wire) = raw();
    let data = Frame::Data { stream: 1, bytes: b"read me".to_vec().into() };
    put(&mut wire, &[Frame::Open { stream: 1, port: 1 }, data, Frame::Reset { stream: 1 }]).await;
    let (_, _, mut stream) = opened(&mut incoming).await;
    assert_eq!(breaks(&mut stream).await, b"read me");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn numbers_of_streams_opened_at_once_by_many_are_told_in_order() {
    let (_host, mut host_in, guest, _guest_in) = pair();
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let guest = guest.clone();
        opening.spawn(async move {
            let mut streams = Vec::new();
            for _ in 0..8 {
                streams.push(guest.open(1).await.unwrap());
            }
            streams
        });
    }
    let mut kept = Vec::new();
    while kept.len() < 128 {
        // A number out of order would have ended the connection.
        kept.push(opened(&mut host_in).await);
    }
    assert!(kept.windows(2).all(|two| two[0].0 < two[1].0));
}
