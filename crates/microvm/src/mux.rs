//! Many streams and one control channel over one pair of byte streams, with flow control per stream.
//!
//! The other side may be hostile: it can open [`STREAMS_MAX`] streams, have [`WINDOW_BYTES`] of each in our memory, and
//! whatever goes beyond ends the whole connection. A stream that is not read stops only itself. What waits is bytes, not
//! frames: a byte that came alone takes no more room than one of many. A stream counts until its user has dropped it, also
//! where the other side has long forgotten it.
//!
//! ```text
//!   application ⇄ duplex pipe ⇄ two tasks per stream ⇄ frames ⇄ transport
//! ```

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{
        AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split,
    },
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};

use crate::{
    arriving::Arriving,
    frame::{Frame, PAYLOAD_BYTES_MAX, malformed},
    stream::Stream,
};

/// What arrives.
#[derive(Debug)]
pub(crate) enum Incoming {
    Control(Bytes),
    Opened { id: u32, port: u16, stream: Stream },
}

/// One end of the connection. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Mux {
    frames: mpsc::Sender<Frame>,
    streams: Arc<Mutex<BTreeMap<u32, Entry>>>,
    /// For streams that something here still works for or that their user still has.
    places: Arc<Semaphore>,
    last: Arc<AtomicU32>,
    /// Numbers are told in the order in which they are given.
    order: Arc<Mutex<()>>,
}

#[derive(Debug)]
struct Entry {
    /// Where arriving bytes go, until the other side closes.
    arriving: Arc<Arriving>,
    /// How much we may send.
    credit: Arc<Semaphore>,
    /// How much the other side may still send.
    receivable: Arc<AtomicU32>,
    sent_close: bool,
    /// Whether the other side has reset it.
    broken: Arc<AtomicBool>,
}

impl Entry {
    /// Nothing arrives any more, and who waits for credit waits in vain.
    fn end(&self) {
        self.arriving.close();
        self.credit.close();
    }
}

impl Mux {
    /// Begins. The receiver ends when the connection does.
    pub(crate) fn start<R, W>(read: R, write: W) -> (Self, mpsc::Receiver<Incoming>)
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let (frames, outgoing) = mpsc::channel(FRAMES_WAITING_MAX);
        let (incoming, received) = mpsc::channel(INCOMING_WAITING_MAX);
        let places = Arc::new(Semaphore::new(STREAMS_MAX));
        let mux =
            Self { frames, streams: Arc::default(), places, last: Arc::default(), order: Arc::default() };
        tokio::spawn(write_frames(write, outgoing));
        let reader = mux.clone();
        tokio::spawn(async move {
            // However it ended, the streams end with it.
            let _ = reader.read_frames(read, &incoming).await;
            for (_, entry) in std::mem::take(&mut *reader.table()) {
                entry.end();
            }
        });
        (mux, received)
    }

    /// Sends a control message.
    pub(crate) async fn control(&self, message: Vec<u8>) -> io::Result<()> {
        if message.len() > usize::from(PAYLOAD_BYTES_MAX) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "control message too long"));
        }
        self.send(Frame::Control(message.into())).await
    }

    /// Opens a stream. Only one side may ever do so.
    pub(crate) async fn open(&self, port: u16) -> io::Result<Stream> {
        let told = self.frames.reserve().await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        let _order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let ours = self.attach(stream).ok_or_else(|| io::Error::other("too many streams"))?;
        told.send(Frame::Open { stream, port });
        Ok(ours)
    }

    /// Takes up a stream that an earlier connection with the same other side has left open and idle.
    pub(crate) fn resume(&self, id: u32) -> Option<Stream> {
        self.last.fetch_max(id, Ordering::Relaxed);
        self.attach(id)
    }

    /// Streams that are open in either direction.
    pub(crate) fn open_streams(&self) -> Vec<u32> {
        self.table().keys().copied().collect()
    }

    /// Whether everything received on a stream has been passed on and credited.
    pub(crate) fn is_idle(&self, id: u32) -> bool {
        self.table().get(&id).is_some_and(|entry| {
            !entry.arriving.is_closed() && entry.receivable.load(Ordering::Acquire) == WINDOW_BYTES
        })
    }

    async fn send(&self, frame: Frame) -> io::Result<()> {
        self.frames.send(frame).await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }

    fn attach(&self, id: u32) -> Option<Stream> {
        let place = Arc::new(Arc::clone(&self.places).try_acquire_owned().ok()?);
        let mut table = self.table();
        if table.contains_key(&id) {
            return None;
        }
        let (theirs, ours) = duplex(WINDOW_BYTES as usize);
        let (read, write) = split(ours);
        let arriving = Arc::new(Arriving::default());
        let credit = Arc::new(Semaphore::new(WINDOW_BYTES as usize));
        let receivable = Arc::new(AtomicU32::new(WINDOW_BYTES));
        let broken = Arc::new(AtomicBool::new(false));
        let entry = Entry {
            arriving: Arc::clone(&arriving),
            credit: Arc::clone(&credit),
            receivable: Arc::clone(&receivable),
            sent_close: false,
            broken: Arc::clone(&broken),
        };
        table.insert(id, entry);
        tokio::spawn(self.clone().pump_out(id, read, credit, Arc::clone(&place)));
        tokio::spawn(self.clone().pump_in(id, write, (arriving, receivable), Arc::clone(&place)));
        Some(Stream::new(theirs, place, ((self.clone(), id), broken)))
    }

    /// From the application to the other side.
    async fn pump_out(
        self,
        id: u32,
        mut from: ReadHalf<DuplexStream>,
        credit: Arc<Semaphore>,
        _place: Arc<OwnedSemaphorePermit>,
    ) {
        let mut buffer = vec![0; usize::from(PAYLOAD_BYTES_MAX)];
        loop {
            let Ok(first) = credit.acquire().await else { return };
            first.forget();
            // What one frame may carry, of what is allowed right now.
            let more = credit.available_permits().min(buffer.len() - 1);
            let taken = match u32::try_from(more).map(|more| credit.try_acquire_many(more)) {
                Ok(Ok(permits)) => {
                    permits.forget();
                    more + 1
                }
                _ => 1,
            };
            let room = buffer.get_mut(..taken).unwrap_or_default();
            let count = from.read(room).await.unwrap_or(0);
            credit.add_permits(taken - count);
            if count == 0 {
                break;
            }
            let bytes = Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
            if self.send(Frame::Data { stream: id, bytes }).await.is_err() {
                return;
            }
        }
        let told = {
            let mut table = self.table();
            let Some(entry) = table.get_mut(&id) else { return };
            entry.sent_close = true;
            if entry.arriving.is_closed() {
                table.remove(&id);
            }
            Frame::Close { stream: id }
        };
        let _ = self.send(told).await;
    }

    /// From the other side to the application.
    async fn pump_in(
        self,
        id: u32,
        mut to: WriteHalf<DuplexStream>,
        (arriving, receivable): (Arc<Arriving>, Arc<AtomicU32>),
        _place: Arc<OwnedSemaphorePermit>,
    ) {
        while let Some(bytes) = arriving.all().await {
            if to.write_all(&bytes).await.is_err() {
                if self.forget(id) {
                    let _ = self.send(Frame::Reset { stream: id }).await;
                }
                return;
            }
            let count = u32::try_from(bytes.len()).unwrap_or(0);
            receivable.fetch_add(count, Ordering::AcqRel);
            if self.send(Frame::Credit { stream: id, bytes: count }).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    }

    async fn read_frames<R>(&self, mut from: R, incoming: &mpsc::Sender<Incoming>) -> io::Result<()>
    where
        R: AsyncRead + Unpin,
    {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        while let Some(frame) = Frame::read(&mut from).await? {
            match frame {
                Frame::Control(bytes) => incoming.send(Incoming::Control(bytes)).await.map_err(gone)?,
                Frame::Open { stream: id, port } => match self.accept(id)? {
                    Some(stream) => {
                        incoming.send(Incoming::Opened { id, port, stream }).await.map_err(gone)?;
                    }
                    None => self.send(Frame::Reset { stream: id }).await?,
                },
                other => self.deliver(other)?,
            }
        }
        Ok(())
    }

    /// A stream number may be used once.
    fn accept(&self, id: u32) -> io::Result<Option<Stream>> {
        if self.last.fetch_max(id, Ordering::Relaxed) >= id {
            return Err(malformed());
        }
        Ok(self.attach(id))
    }

    /// Frames of streams that have ended here may still be under way; they are dropped.
    fn deliver(&self, frame: Frame) -> io::Result<()> {
        let mut table = self.table();
        match frame {
            Frame::Data { stream, bytes } => {
                let Some(entry) = table.get(&stream) else { return Ok(()) };
                let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                let allowed = entry
                    .receivable
                    .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(count));
                // If nobody reads any more, the reset is already on its way.
                if allowed.is_err() || !entry.arriving.put(&bytes) {
                    return Err(malformed());
                }
            }
            Frame::Close { stream } => {
                if let Some(entry) = table.get(&stream) {
                    entry.arriving.close();
                    if entry.sent_close {
                        table.remove(&stream);
                    }
                }
            }
            Frame::Reset { stream } => {
                if let Some(entry) = table.remove(&stream) {
                    entry.broken.store(true, Ordering::Release);
                    entry.end();
                }
            }
            Frame::Credit { stream, bytes } => {
                let Some(entry) = table.get(&stream) else { return Ok(()) };
                let more = usize::try_from(bytes).unwrap_or(usize::MAX);
                if entry.credit.available_permits().saturating_add(more) > WINDOW_BYTES as usize {
                    return Err(malformed());
                }
                entry.credit.add_permits(more);
            }
            Frame::Control(_) | Frame::Open { .. } => {}
        }
        Ok(())
    }

    /// The other side is told as soon as there is room for it.
    pub(crate) fn break_off(&self, id: u32) {
        let told = Frame::Reset { stream: id };
        if !self.forget(id) || self.frames.try_send(told.clone()).is_ok() {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let mux = self.clone();
            runtime.spawn(async move { mux.send(told).await });
        }
    }

    fn forget(&self, id: u32) -> bool {
        let entry = self.table().remove(&id);
        entry.is_some_and(|entry| {
            entry.end();
            true
        })
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<u32, Entry>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write_frames(mut to: impl AsyncWrite + Unpin, mut frames: mpsc::Receiver<Frame>) {
    let mut buffer = BytesMut::new();
    while let Some(frame) = frames.recv().await {
        buffer.clear();
        let mut whole = frame.encode(&mut buffer);
        while buffer.len() < usize::from(PAYLOAD_BYTES_MAX) {
            let Ok(next) = frames.try_recv() else { break };
            whole &= next.encode(&mut buffer);
        }
        if !whole || to.write_all(&buffer).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

/// Streams open at once. A function has at most 1,024 descriptors; it opens far fewer connections.
pub(crate) const STREAMS_MAX: usize = 256;
/// Bytes of one stream and direction that may be under way.
pub(crate) const WINDOW_BYTES: u32 = 64 * 1024;
const FRAMES_WAITING_MAX: usize = 64;
const INCOMING_WAITING_MAX: usize = 64;

#[cfg(test)]
#[path = "mux_tests.rs"]
mod tests;
