//! What a machine was when it stopped: its memory and the state of its devices, taken from whatever made it, and given to
//! another of the same kind.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rustix::fs::OFlags;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    time::{sleep, timeout},
};

use crate::{
    disk::{self, Disk},
    error::{Error, doing},
    firecracker::{Client, SnapshotFiles},
    machine::Machine,
    monitor::Control,
    process::{OWN, Process},
    qemu,
    qmp::Qmp,
};

/// See the module.
#[derive(Debug)]
pub(crate) enum State {
    /// Memory nobody can write any more, and the devices as QEMU told them.
    Qemu { ram: OwnedFd, devices: Vec<u8> },
    /// Files, made by a process that has ended, which no machine may write.
    Firecracker { memory: Disk, devices: Disk },
}

/// Where files of templates may lie: the folder of the machines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a>(pub(crate) &'a Path);

impl State {
    /// Bytes that the memory takes.
    pub(crate) fn bytes(&self) -> io::Result<u64> {
        Ok(self.memory()?.metadata()?.blocks().saturating_mul(BLOCK_BYTES))
    }

    pub(crate) fn device_bytes(&self) -> usize {
        match self {
            Self::Qemu { devices, .. } => devices.len(),
            Self::Firecracker { devices, .. } => {
                fs::metadata(devices.path()).map_or(0, |found| usize::try_from(found.len()).unwrap_or(0))
            }
        }
    }

    /// The memory from its beginning, for reading.
    pub(crate) fn memory(&self) -> io::Result<File> {
        match self {
            Self::Qemu { ram, .. } => File::open(format!("/proc/self/fd/{}", ram.as_raw_fd())),
            Self::Firecracker { memory, .. } => File::open(memory.path()),
        }
    }
}

/// Stops a machine, takes its state and ends it.
pub(crate) async fn save(machine: Machine, ram: Option<OwnedFd>, place: &Place<'_>) -> Result<State, Error> {
    machine.freeze().await?;
    match (&machine.control, ram) {
        (Control::Qemu(qmp), Some(ram)) => {
            let saved = qemu_devices(qmp, &machine.process).await;
            let devices = saved.map_err(doing("saving the machine's state"))?;
            machine.stop().await;
            qemu::seal(&ram).map_err(doing("sealing the template's memory"))?;
            Ok(State::Qemu { ram, devices })
        }
        (Control::Firecracker(client), None) => {
            // By names within its folder, where a clone finds its own.
            let files =
                SnapshotFiles { devices: Path::new(OWN).join(DEVICES), memory: Path::new(OWN).join(MEMORY) };
            client.lock().await.create_snapshot(&files).await?;
            let ram_mb = machine.ram_mb;
            let process = machine.ended().await;
            taken(&process, ram_mb, place).map_err(doing("saving the machine's state"))
        }
        _ => Err(Error::Refused("the machine's memory is not where its kind keeps it")),
    }
}

/// Takes the files of a process that has ended. It may have been taken over by its guest: what it left is looked at first.
fn taken(process: &Process, ram_mb: u64, place: &Place<'_>) -> io::Result<State> {
    let number = TAKEN.fetch_add(1, Ordering::Relaxed);
    let take = |name: &str, sized: &dyn Fn(u64) -> bool| {
        let path = process.folder.join(OWN).join(name);
        let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let found = File::options().read(true).custom_flags(nofollow).open(&path)?;
        let about = found.metadata()?;
        if !about.is_file() || about.nlink() != 1 || !sized(about.len()) {
            return Err(io::Error::other("the snapshot is not what it should be"));
        }
        let to: PathBuf = place.0.join(format!("template-{number}.{name}"));
        fs::rename(&path, &to)?;
        let disk = Disk::of(to);
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(disk.path(), Some(0), Some(0))?;
        }
        disk::readable(disk.path())?;
        Ok(disk)
    };
    let memory = take(MEMORY, &|bytes| bytes == ram_mb << 20)?;
    let devices = take(DEVICES, &|bytes| (1..=DEVICE_BYTES_MAX).contains(&bytes))?;
    Ok(State::Firecracker { memory, devices })
}

async fn qemu_devices(qmp: &Qmp, process: &Process) -> io::Result<Vec<u8>> {
    let socket = process.socket("state");
    let listener = UnixListener::bind(&socket)?;
    // QEMU may run as another user.
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666))?;
    ignore_shared(qmp).await?;
    qmp.execute("migrate", json!({ "uri": format!("unix:{OWN}/state") })).await?;
    let saved = timeout(STATE_TIMEOUT, async {
        let (stream, _) = listener.accept().await?;
        let mut bytes = Vec::new();
        stream.take(DEVICE_BYTES_MAX).read_to_end(&mut bytes).await?;
        Ok::<_, io::Error>(bytes)
    });
    let bytes = saved.await??;
    let status = qmp.execute("query-migrate", json!({})).await?;
    match status.get("status").and_then(serde_json::Value::as_str) {
        Some("completed" | "active" | "device") => Ok(bytes),
        other => Err(io::Error::other(format!("migration ended as {other:?}"))),
    }
}

/// Gives a waiting QEMU the devices; its processors stand still.
pub(crate) async fn load_qemu(qmp: &Qmp, process: &Process, devices: &[u8]) -> io::Result<()> {
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
            _ => sleep(LOAD_PAUSE).await,
        }
    }
    Err(io::Error::from(io::ErrorKind::TimedOut))
}

/// The same for a Firecracker that has been told nothing yet and reads both under these names.
pub(crate) async fn load_firecracker(client: &mut Client) -> Result<(), Error> {
    client.load_snapshot(&SnapshotFiles { devices: DEVICES.into(), memory: MEMORY.into() }).await
}

async fn ignore_shared(qmp: &Qmp) -> io::Result<()> {
    let capability = json!({ "capability": "x-ignore-shared", "state": true });
    qmp.execute("migrate-set-capabilities", json!({ "capabilities": [capability] })).await.map(drop)
}

/// Names in a machine's folder.
pub(crate) const DEVICES: &str = "devices";
pub(crate) const MEMORY: &str = "memory";
static TAKEN: AtomicU64 = AtomicU64::new(0);
/// What `stat` counts in.
const BLOCK_BYTES: u64 = 512;
/// Device state is some 50 KB, without memory.
const DEVICE_BYTES_MAX: u64 = 16 << 20;
const STATE_TIMEOUT: Duration = Duration::from_secs(30);
const LOAD_LOOKS_MAX: u32 = 15_000;
const LOAD_PAUSE: Duration = Duration::from_millis(2);
