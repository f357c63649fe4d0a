//! What a machine was when it stopped: its memory and the state of its devices, taken from whatever made it, and given to
//! another of the same kind.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    },
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rustix::fs::{OFlags, SeekFrom};
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
    /// Our own copies of the files that a process has left which may still have others: the memory sealed as well.
    Firecracker { ram: OwnedFd, devices: Disk },
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

    /// Memory that can be written and begins as this one, where a machine writes to memory that is not its program's own.
    pub(crate) fn copied(&self, ram_mb: u64) -> io::Result<Option<OwnedFd>> {
        let Self::Qemu { .. } = self else { return Ok(None) };
        let copy = qemu::memory(ram_mb)?;
        copy_touched(&self.memory()?, &copy)?;
        Ok(Some(copy))
    }

    /// The memory from its beginning, for reading.
    pub(crate) fn memory(&self) -> io::Result<File> {
        let (Self::Qemu { ram, .. } | Self::Firecracker { ram, .. }) = self;
        File::open(format!("/proc/self/fd/{}", ram.as_raw_fd()))
    }
}

/// Stops a machine, takes its state and ends it.
pub(crate) async fn save(machine: &Machine, ram: Option<OwnedFd>, place: &Place<'_>) -> Result<State, Error> {
    machine.freeze().await?;
    match (&machine.control, ram) {
        (Control::Qemu(qmp), Some(ram)) => {
            let saved = qemu_devices(qmp, &machine.process).await;
            let devices = saved.map_err(doing("saving the machine's state"))?;
            machine.end().await;
            qemu::seal(&ram).map_err(doing("sealing the template's memory"))?;
            Ok(State::Qemu { ram, devices })
        }
        (Control::Firecracker(client), None) => {
            // By names within its folder, where a clone finds its own.
            let files =
                SnapshotFiles { devices: Path::new(OWN).join(DEVICES), memory: Path::new(OWN).join(MEMORY) };
            client.lock().await.create_snapshot(&files).await?;
            let ram_mb = machine.ram_mb;
            machine.end().await;
            let (folder, place) = (machine.process.folder.clone(), place.0.to_owned());
            let taken = tokio::task::spawn_blocking(move || taken(&folder, ram_mb, &place));
            let taken = taken.await.map_err(io::Error::other).and_then(|taken| taken);
            taken.map_err(doing("saving the machine's state"))
        }
        _ => Err(Error::Refused("the machine's memory is not where its kind keeps it")),
    }
}

/// Copies the files of a process that has ended. It may have been taken over by its guest: what it left is looked at first, and
/// whoever still has it open changes nothing.
fn taken(folder: &Path, ram_mb: u64, place: &Path) -> io::Result<State> {
    let left = |name: &str, sized: &dyn Fn(u64) -> bool| {
        let nofollow = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
        let path = folder.join(OWN).join(name);
        let file = File::options().read(true).custom_flags(nofollow).open(path)?;
        let found = file.metadata()?;
        if !found.is_file() || !sized(found.len()) {
            return Err(io::Error::other("the snapshot is not what it should be"));
        }
        Ok(file)
    };
    let memory = left(MEMORY, &|bytes| bytes == ram_mb << 20)?;
    let ram = qemu::memory(ram_mb)?;
    copy_touched(&memory, &ram)?;
    qemu::seal(&ram)?;
    let mut state = Vec::new();
    let devices = left(DEVICES, &|bytes| (1..=DEVICE_BYTES_MAX).contains(&bytes))?;
    devices.take(DEVICE_BYTES_MAX).read_to_end(&mut state)?;
    let number = TAKEN.fetch_add(1, Ordering::Relaxed);
    let devices = Disk::of(place.join(format!("template-{number}.{DEVICES}")));
    fs::write(devices.path(), state)?;
    disk::readable(devices.path())?;
    Ok(State::Firecracker { ram, devices })
}

/// Copies all but pages of zeros, which take no room where nothing is written. Of a file that grows no more is taken.
fn copy_touched(from: &File, to: &OwnedFd) -> io::Result<()> {
    let (zeros, mut page) = ([0; PAGE_BYTES], [0; PAGE_BYTES]);
    let end = rustix::fs::fstat(to)?.st_size;
    let mut at = 0;
    while let Ok(next) = rustix::fs::seek(from, SeekFrom::Data(at)) {
        // Pages are copied from their beginning.
        let begin = next - next % PAGE_BYTES as u64;
        at = begin + PAGE_BYTES as u64;
        if i64::try_from(at).is_ok_and(|at| at > end) {
            break;
        }
        from.read_exact_at(&mut page, begin)?;
        if page != zeros && rustix::io::pwrite(to, &page, begin)? != PAGE_BYTES {
            return Err(io::Error::from(io::ErrorKind::WriteZero));
        }
    }
    Ok(())
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

/// The same for a Firecracker that has been told nothing yet; the memory is its standard input.
pub(crate) async fn load_firecracker(client: &mut Client) -> Result<(), Error> {
    client.load_snapshot(&SnapshotFiles { devices: DEVICES.into(), memory: INPUT.into() }).await
}

async fn ignore_shared(qmp: &Qmp) -> io::Result<()> {
    let capability = json!({ "capability": "x-ignore-shared", "state": true });
    qmp.execute("migrate-set-capabilities", json!({ "capabilities": [capability] })).await.map(drop)
}

/// Names in a machine's folder.
pub(crate) const DEVICES: &str = "devices";
pub(crate) const MEMORY: &str = "memory";
const INPUT: &str = "/proc/self/fd/0";
const PAGE_BYTES: usize = 4_096;
static TAKEN: AtomicU64 = AtomicU64::new(0);
/// What `stat` counts in.
const BLOCK_BYTES: u64 = 512;
/// Device state is some 50 KB, without memory.
const DEVICE_BYTES_MAX: u64 = 16 << 20;
const STATE_TIMEOUT: Duration = Duration::from_secs(30);
const LOAD_LOOKS_MAX: u32 = 15_000;
const LOAD_PAUSE: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_is_the_same_and_takes_no_room_for_zeros() {
        let source = tempfile::tempfile().unwrap();
        source.set_len(4 << 20).unwrap();
        let page = u64::try_from(PAGE_BYTES).unwrap();
        for (at, bytes) in
            [(0, &b"first"[..]), (5 * page + 7, b"within"), (9 * page, &[0; 9_000]), ((4 << 20) - 1, b"l")]
        {
            source.write_all_at(bytes, at).unwrap();
        }
        let copy = qemu::memory(4).unwrap();
        copy_touched(&source, &copy).unwrap();
        let all = |file: &File| {
            let mut bytes = vec![0; 4 << 20];
            file.read_exact_at(&mut bytes, 0).unwrap();
            bytes
        };
        let copy = File::from(copy);
        assert_eq!(all(&source), all(&copy));
        assert!(copy.metadata().unwrap().blocks() * BLOCK_BYTES <= 8 * page);
    }
}
