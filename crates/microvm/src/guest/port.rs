//! The virtio-serial port as a byte stream. While the host is away (a snapshot is being taken or has just been
//! restored) reads find nothing and are repeated. Where the host said so, the channel is vsock instead: see [`super::vsock`].

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    thread,
    time::Duration,
};

use tokio::io::{DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio_bridge::{from_thread, into_thread};

use super::{boot::wait_for, vsock};
use crate::protocol::{PORT_NAME, VSOCK_WORD};

/// Opens the port of our name. Two threads carry its bytes: the device knows no readiness that survives a restore.
pub(super) fn open() -> io::Result<(ReadHalf<DuplexStream>, WriteHalf<DuplexStream>)> {
    let words = fs::read_to_string("/proc/cmdline")?;
    if words.split_whitespace().any(|word| word == VSOCK_WORD) {
        return vsock::open();
    }
    let device = wait_for("virtio-serial port", || {
        let ports = fs::read_dir("/sys/class/virtio-ports").ok()?.flatten();
        let is_it = |folder: &fs::DirEntry| {
            fs::read_to_string(folder.path().join("name")).is_ok_and(|name| name.trim() == PORT_NAME)
        };
        ports.into_iter().find(is_it).map(|folder| std::path::Path::new("/dev").join(folder.file_name()))
    })?;
    let port = File::options().read(true).write(true).open(device)?;
    let (ours, theirs) = duplex(BUFFER_BYTES);
    let (read, write) = split(theirs);
    let device = port.try_clone()?;
    let runtime = tokio::runtime::Handle::current();
    let to_agent = runtime.clone();
    thread::Builder::new().name("port-read".into()).spawn(move || from_thread(&to_agent, device, write))?;
    thread::Builder::new().name("port-write".into()).spawn(move || into_thread(&runtime, read, port))?;
    Ok(split(ours))
}

mod tokio_bridge {
    //! Blocking copies between a device and an asynchronous pipe.

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::{BUFFER_BYTES, DuplexStream, File, Read, ReadHalf, Write, WriteHalf, pause};

    pub(super) fn from_thread(
        runtime: &tokio::runtime::Handle,
        mut device: File,
        mut to: WriteHalf<DuplexStream>,
    ) {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match device.read(&mut buffer) {
                Ok(0) => pause(),
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    if runtime.block_on(to.write_all(bytes)).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    pub(super) fn into_thread(
        runtime: &tokio::runtime::Handle,
        mut from: ReadHalf<DuplexStream>,
        mut device: File,
    ) {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = runtime.block_on(from.read(&mut buffer)).unwrap_or(0);
            let bytes = buffer.get(..count).unwrap_or_default();
            if count == 0 || device.write_all(bytes).is_err() {
                return;
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a thread of its own, and the device tells of no return")]
fn pause() {
    thread::sleep(HOST_AWAY_PAUSE);
}

pub(super) const BUFFER_BYTES: usize = 32 * 1024;
const HOST_AWAY_PAUSE: Duration = Duration::from_millis(2);
