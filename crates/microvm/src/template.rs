//! A machine's state, from which clones go on: sealed memory, device state, and the streams that were open.
//!
//! The memory cannot be changed any more by anyone, a clone that has been taken over included: it is a sealed file that
//! clones map privately. A template is made before the first event and of a function that was given no credentials.

use std::{io, os::fd::OwnedFd, sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::{UnixListener, UnixStream},
    time::timeout,
};

use crate::{
    driver::{Booted, Image},
    error::{Error, doing},
    machine::{Connection, Machine},
    mux::{Stream, WINDOW_BYTES},
    qemu::{self, OWN, Process},
    qmp::Qmp,
};

/// A connection that waits for its first answer when the snapshot is taken: the runtime's question for the first event.
#[derive(Debug)]
pub struct Pending {
    /// The connection.
    pub connection: Connection,
    /// What has been read from it since the last answer. Every clone's caller reads it again.
    pub read: Vec<u8>,
}

/// What clones are made of. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Template {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) ram: OwnedFd,
    pub(crate) ram_mb: u64,
    /// Its disks; the memory is worth nothing with others.
    pub(crate) image: Image,
    pub(crate) devices: Vec<u8>,
    pub(crate) open: Vec<Open>,
    pub(crate) started: bool,
    pub(crate) next_number: u64,
    /// What its sandbox reported at boot.
    pub(crate) layers: String,
}

impl Template {
    /// What the process sandbox inside reported of its layers at boot.
    pub fn layers(&self) -> &str {
        &self.inner.layers
    }

    /// Bytes that the guest's memory takes; what was never touched takes none.
    pub(crate) fn bytes(&self) -> Result<u64, Error> {
        let found = rustix::fs::fstat(&self.inner.ram).map_err(io::Error::from);
        let blocks = found.map_err(doing("measuring the template"))?.st_blocks;
        Ok(u64::try_from(blocks).unwrap_or(0).saturating_mul(BLOCK_BYTES))
    }

    /// Bytes of device state, for measuring.
    pub fn device_bytes(&self) -> usize {
        self.inner.devices.len()
    }

    /// The memory as it was when the machine stopped, from the beginning; for proving what it does not hold.
    pub fn memory(&self) -> io::Result<std::fs::File> {
        std::fs::File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&self.inner.ram)))
    }
}

/// A stream that was open.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) id: u32,
    pub(crate) port: u16,
    pub(crate) read: Vec<u8>,
}

impl Open {
    /// The stream with the bytes that were read before in front.
    pub(crate) fn replay(&self, mut from: Stream) -> Stream {
        if self.read.is_empty() {
            return from;
        }
        let (ours, mut theirs) = duplex(WINDOW_BYTES as usize);
        let (read, ours) = (self.read.clone(), Stream::by_way_of(ours, &from));
        tokio::spawn(async move {
            if theirs.write_all(&read).await.is_ok() {
                let _ = tokio::io::copy_bidirectional(&mut from, &mut theirs).await;
            }
        });
        ours
    }
}

/// Stops a machine and keeps its state. Whatever the outcome, the machine has ended.
pub(crate) async fn take(booted: Booted, pending: Vec<Pending>) -> Result<Template, Error> {
    let Booted { machine, ram, image } = booted;
    if machine.holds_credentials {
        return Err(Error::Refused("a template must not hold credentials"));
    }
    let mut open: Vec<Open> =
        machine.output_ids.iter().map(|(port, id)| Open { id: *id, port: *port, read: Vec::new() }).collect();
    for waiting in &pending {
        let Connection { port, id, .. } = waiting.connection;
        open.push(Open { id, port, read: waiting.read.clone() });
    }
    // After this round trip everything the host has sent has been taken in.
    machine.ping().await?;
    settle(&machine, &open).await?;
    let next_number = machine.next_number();
    let devices = save(&machine).await.map_err(doing("saving the machine's state"))?;
    let (ram_mb, started, layers) = (machine.ram_mb, machine.started, machine.layers.clone());
    machine.stop().await;
    drop(pending);
    qemu::seal(&ram).map_err(doing("sealing the template's memory"))?;
    let inner = Inner { ram, ram_mb, image, devices, open, started, next_number, layers };
    Ok(Template { inner: Arc::new(inner) })
}

/// The streams known must be idle, and there must be no others.
async fn settle(machine: &Machine, open: &[Open]) -> Result<(), Error> {
    for _ in 0..SETTLE_LOOKS_MAX {
        let present = machine.mux.open_streams();
        let known = |id: &u32| open.iter().any(|stream| stream.id == *id);
        if present.iter().all(known) && open.iter().all(|stream| machine.mux.is_idle(stream.id)) {
            // The credits this took are in the guest before it stops.
            return machine.ping().await;
        }
        machine.ping().await?;
    }
    Err(Error::Refused("a connection is open that waits for nothing"))
}

async fn save(machine: &Machine) -> io::Result<Vec<u8>> {
    let socket = machine.process.socket("state");
    let listener = UnixListener::bind(&socket)?;
    // QEMU may run as another user.
    std::fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
    ignore_shared(&machine.qmp).await?;
    machine.qmp.execute("stop", json!({})).await?;
    machine.qmp.execute("migrate", json!({ "uri": format!("unix:{OWN}/state") })).await?;
    let saved = timeout(STATE_TIMEOUT, async {
        let (stream, _) = listener.accept().await?;
        let mut bytes = Vec::new();
        stream.take(DEVICE_BYTES_MAX).read_to_end(&mut bytes).await?;
        Ok::<_, io::Error>(bytes)
    });
    let bytes = saved.await??;
    let status = machine.qmp.execute("query-migrate", json!({})).await?;
    match status.get("status").and_then(serde_json::Value::as_str) {
        Some("completed" | "active" | "device") => Ok(bytes),
        other => Err(io::Error::other(format!("migration ended as {other:?}"))),
    }
}

/// Gives a waiting machine the device state and lets it go on.
pub(crate) async fn load(qmp: &Qmp, process: &Process, devices: &[u8]) -> io::Result<()> {
    ignore_shared(qmp).await?;
    qmp.execute("migrate-incoming", json!({ "uri": format!("unix:{OWN}/state") })).await?;
    let mut stream = UnixStream::connect(process.socket("state")).await?;
    stream.write_all(devices).await?;
    stream.shutdown().await?;
    for _ in 0..LOAD_LOOKS_MAX {
        let status = qmp.execute("query-migrate", json!({})).await?;
        match status.get("status").and_then(serde_json::Value::as_str) {
            Some("completed") => return Ok(()),
            Some("failed") => return Err(io::Error::other("the device state was refused")),
            _ => tokio::time::sleep(LOAD_PAUSE).await,
        }
    }
    Err(io::Error::from(io::ErrorKind::TimedOut))
}

async fn ignore_shared(qmp: &Qmp) -> io::Result<()> {
    let capability = json!({ "capability": "x-ignore-shared", "state": true });
    qmp.execute("migrate-set-capabilities", json!({ "capabilities": [capability] })).await.map(drop)
}

/// What `stat` counts in.
const BLOCK_BYTES: u64 = 512;
/// Device state is some 50 KB, without memory.
const DEVICE_BYTES_MAX: u64 = 16 << 20;
const STATE_TIMEOUT: Duration = Duration::from_secs(30);
const SETTLE_LOOKS_MAX: u32 = 50;
const LOAD_LOOKS_MAX: u32 = 15_000;
const LOAD_PAUSE: Duration = Duration::from_millis(2);
