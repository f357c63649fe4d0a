//! Whatever makes a machine, spoken to in one way: QEMU by its control socket, Firecracker by its API.
//!
//! ```text
//!              QEMU                                     Firecracker
//!   memory     a sealed file without a name             its own; a template's is a sealed copy of what it wrote
//!   channel    virtio-serial, a socket of QEMU's        vsock, asked for by `CONNECT` on Firecracker's socket
//!   snapshot   device state through a socket            device state and memory written to files, and copied
//! ```
//! Which of them it is, the operator has said; nothing here chooses, and none stands in for the other. Knows nothing of what
//! the guest says.

use std::{io, path::Path, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::Mutex,
    time::{sleep, timeout},
};

use crate::{
    error::{Error, doing},
    firecracker::Client,
    process::Process,
    protocol::{PORT_READY, VSOCK_PORT},
    qmp::Qmp,
};

/// See the module.
#[derive(Debug)]
pub(crate) enum Control {
    Qemu(Qmp),
    Firecracker(Mutex<Client>),
}

impl Control {
    /// Stops the processors; returns when they have stopped.
    pub(crate) async fn stop(&self) -> Result<(), Error> {
        match self {
            Self::Qemu(qmp) => qmp.execute("stop", json!({})).await.map(drop).map_err(doing("freeze")),
            Self::Firecracker(client) => client.lock().await.pause().await,
        }
    }

    /// Lets them run.
    pub(crate) async fn go_on(&self) -> Result<(), Error> {
        match self {
            Self::Qemu(qmp) => qmp.execute("cont", json!({})).await.map(drop).map_err(doing("resuming")),
            Self::Firecracker(client) => client.lock().await.resume().await,
        }
    }

    /// The connection to the agent. Firecracker's is there when the agent has taken it up.
    pub(crate) async fn channel(&self, process: &Process, limit: Duration) -> Result<UnixStream, Error> {
        match self {
            Self::Qemu(_) => {
                UnixStream::connect(process.socket("port")).await.map_err(doing("the machine's port"))
            }
            Self::Firecracker(_) => {
                let taken_up = async {
                    loop {
                        // The guest may not be as far yet, or may still be told that its old connections have ended.
                        match timeout(ATTEMPT_LIMIT, vsock(process)).await {
                            Ok(Ok(stream)) => return Ok(stream),
                            _ if process.has_ended() => return Err(Error::TimedOut(process.last_words())),
                            _ => sleep(PAUSE).await,
                        }
                    }
                };
                let taken_up = timeout(limit, taken_up).await;
                taken_up.unwrap_or_else(|_| Err(Error::TimedOut(process.last_words())))
            }
        }
    }
}

/// The control socket appears when QEMU has made the machine.
pub(crate) async fn qemu(process: &Process) -> Result<Control, Error> {
    let socket = process.socket("qmp");
    appeared(process, || connected(&socket)).await
}

async fn connected(socket: &Path) -> Option<Control> {
    Qmp::connect(socket).await.ok().map(Control::Qemu)
}

/// The API's socket appears when Firecracker can be told what to make.
pub(crate) async fn firecracker(process: &Process) -> Result<Client, Error> {
    let socket = process.socket("api");
    appeared(process, || is_there(&socket)).await?;
    Ok(Client::new(socket))
}

async fn is_there(socket: &Path) -> Option<()> {
    UnixStream::connect(socket).await.ok().map(drop)
}

async fn appeared<T, F: Future<Output = Option<T>>>(
    process: &Process,
    mut look: impl FnMut() -> F,
) -> Result<T, Error> {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return Ok(found);
            }
            if process.has_ended() {
                return Err(Error::TimedOut(process.last_words()));
            }
            sleep(PAUSE).await;
        }
    };
    let looked = timeout(SOCKET_TIMEOUT, looking).await;
    looked.unwrap_or_else(|_| Err(Error::TimedOut(process.last_words())))
}

/// Asks for the agent's port, and waits for the agent's word that it has taken this connection up: a guest that has just been
/// restored may still be about to end whatever was accepted for it.
async fn vsock(process: &Process) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(process.socket("vsock")).await?;
    stream.write_all(format!("CONNECT {VSOCK_PORT}\n").as_bytes()).await?;
    let mut said = Vec::new();
    // Not a byte further: what follows is the agent's.
    while said.last() != Some(&b'\n') {
        if said.len() >= OK_BYTES_MAX {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        said.push(stream.read_u8().await?);
    }
    if !said.starts_with(b"OK ") || stream.read_u8().await? != PORT_READY {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    Ok(stream)
}

const SOCKET_TIMEOUT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(2);
/// Firecracker gives up a connection that the guest does not answer after two seconds.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(3);
/// `OK ` and the number of a port.
const OK_BYTES_MAX: usize = 32;
