//! The channel over vsock: the host asks for it, and asks again after a restore, when its earlier connection has ended.
//!
//! ```text
//!   listening ──host──▶ ready said ──▶ bytes both ways ──ends──▶ listening
//! ```
//! What is above sees one stream of bytes all the time. What had been given to a connection that ended is not given to the
//! next: the host takes a snapshot only when all is quiet. Whoever the host's kernel lets in is the host.

use std::{
    io::{self, Read, Write},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split},
    runtime::Handle,
};

use super::port::BUFFER_BYTES;
use crate::protocol::{PORT_READY, VSOCK_PORT};

/// Listens. Two threads carry the bytes, as for the serial port.
pub(super) fn open() -> io::Result<(ReadHalf<DuplexStream>, WriteHalf<DuplexStream>)> {
    let listener = casemate_sandbox::vsock_listener(VSOCK_PORT)?;
    let (ours, theirs) = duplex(BUFFER_BYTES);
    let (read, write) = split(theirs);
    let line = Arc::new(Line::default());
    let (runtime, taken) = (Handle::current(), Arc::clone(&line));
    let accept = move || rustix::net::accept(&listener).map_err(io::Error::from).map(std::fs::File::from);
    thread::Builder::new()
        .name("port-read".into())
        .spawn(move || arriving(&runtime, accept, &taken, write))?;
    let runtime = Handle::current();
    thread::Builder::new().name("port-write".into()).spawn(move || leaving(&runtime, &line, read))?;
    Ok(split(ours))
}

/// The connection now, for whoever writes.
#[derive(Debug)]
struct Line<C> {
    now: Mutex<Now<C>>,
    changed: Condvar,
}

#[derive(Debug)]
struct Now<C> {
    connection: Option<Arc<C>>,
    /// The process ends with its listener.
    is_over: bool,
}

impl<C> Default for Line<C> {
    fn default() -> Self {
        Self { now: Mutex::new(Now { connection: None, is_over: false }), changed: Condvar::new() }
    }
}

impl<C> Line<C> {
    fn set(&self, connection: Option<Arc<C>>, is_over: bool) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        (now.connection, now.is_over) = (connection, is_over);
        self.changed.notify_all();
    }

    /// The connection, when there is another than the one that failed.
    fn other_than(&self, failed: Option<&Arc<C>>) -> Option<Arc<C>> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let other = now.connection.as_ref();
            let other = other.filter(|one| failed.is_none_or(|failed| !Arc::ptr_eq(one, failed)));
            if now.is_over || other.is_some() {
                return other.cloned();
            }
            now = self.changed.wait(now).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What has both directions by a shared reference, as files and sockets do.
trait Both: Send + Sync {
    fn take_in(&self, buffer: &mut [u8]) -> io::Result<usize>;
    fn give(&self, bytes: &[u8]) -> io::Result<usize>;
}

impl Both for std::fs::File {
    fn take_in(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(buffer)
    }

    fn give(&self, bytes: &[u8]) -> io::Result<usize> {
        (&mut &*self).write(bytes)
    }
}

fn arriving<C: Both>(
    runtime: &Handle,
    accept: impl Fn() -> io::Result<C>,
    line: &Line<C>,
    mut to: WriteHalf<DuplexStream>,
) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(connection) = accept() {
        let connection = Arc::new(connection);
        if !matches!(connection.give(&[PORT_READY]), Ok(1)) {
            continue;
        }
        line.set(Some(Arc::clone(&connection)), false);
        loop {
            match connection.take_in(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    if runtime.block_on(to.write_all(bytes)).is_err() {
                        return line.set(None, true);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The host has gone on elsewhere.
                Err(_) => break,
            }
        }
        line.set(None, false);
    }
    line.set(None, true);
}

fn leaving<C: Both>(runtime: &Handle, line: &Line<C>, mut from: ReadHalf<DuplexStream>) {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut connection = None;
    loop {
        let count = runtime.block_on(from.read(&mut buffer)).unwrap_or(0);
        if count == 0 {
            return;
        }
        let mut rest = buffer.get(..count).unwrap_or_default();
        while !rest.is_empty() {
            let Some(now) = connection.clone().or_else(|| line.other_than(None)) else { return };
            match now.give(rest) {
                Ok(given) => {
                    rest = rest.get(given..).unwrap_or_default();
                    connection = Some(now);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => match line.other_than(Some(&now)) {
                    Some(other) => connection = Some(other),
                    None => return,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Shutdown, os::unix::net::UnixStream, sync::mpsc};

    use super::*;

    impl Both for UnixStream {
        fn take_in(&self, buffer: &mut [u8]) -> io::Result<usize> {
            (&mut &*self).read(buffer)
        }

        fn give(&self, bytes: &[u8]) -> io::Result<usize> {
            (&mut &*self).write(bytes)
        }
    }

    fn ready(connection: &mut UnixStream) {
        let mut ready = [0; 1];
        connection.read_exact(&mut ready).unwrap();
        assert_eq!(ready, [PORT_READY]);
    }

    #[test]
    fn one_stream_of_bytes_goes_on_over_connections_that_end() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (ours, theirs) = duplex(BUFFER_BYTES);
        let (read, write) = split(theirs);
        let (come, waiting) = mpsc::channel::<UnixStream>();
        let line = Arc::new(Line::default());
        let (handle, taken) = (runtime.handle().clone(), Arc::clone(&line));
        let accept = move || waiting.recv().map_err(io::Error::other);
        let reader = thread::spawn(move || arriving(&handle, accept, &taken, write));
        let handle = runtime.handle().clone();
        let writer = thread::spawn(move || leaving(&handle, &line, read));
        let (mut agent_read, mut agent_write) = split(ours);

        let mut bytes = [0; 5];
        for text in [b"first", b"later"] {
            let (mut host, guest) = UnixStream::pair().unwrap();
            come.send(guest).unwrap();
            ready(&mut host);
            host.write_all(text).unwrap();
            runtime.block_on(agent_read.read_exact(&mut bytes)).unwrap();
            assert_eq!(&bytes, text);
            runtime.block_on(agent_write.write_all(text)).unwrap();
            host.read_exact(&mut bytes).unwrap();
            assert_eq!(&bytes, text);
            host.shutdown(Shutdown::Both).unwrap();
        }
        // Nobody is there: what is written waits for the next.
        runtime.block_on(agent_write.write_all(b"await")).unwrap();
        let (mut host, guest) = UnixStream::pair().unwrap();
        come.send(guest).unwrap();
        ready(&mut host);
        host.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"await");
        drop((host, come));
        reader.join().unwrap();
        drop((agent_read, agent_write));
        writer.join().unwrap();
    }
}
