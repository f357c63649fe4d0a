//! Firecracker through its API socket, with the user's own binary: the requests, their order, and their answers.
//!
//! ```text
//!   configuring ──InstanceStart──▶ running ⇄ paused ──snapshot/create──▶ paused
//!   new process ──snapshot/load──▶ paused ──resume──▶ running
//! ```
//! Each step is possible in its state only, here before it is refused there. The program is confined by the same launcher as
//! QEMU. It is told names within its folder and nothing else: a clone finds its own files under the names that are in its
//! snapshot. Tested against a stub of the published API, not against Firecracker itself.

use std::{
    fs::{self, File},
    io,
    os::{fd::OwnedFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{net::UnixStream, time::timeout};

use crate::{
    disk::Disk,
    driver::Image,
    error::{Error, doing},
    guest,
    process::{Files, INITRAMFS, KERNEL, OWN, Process, Start},
    protocol::{CODE_DISK, RUNTIME_DISK, VSOCK_WORD},
    state::DEVICES,
};

/// A machine before its start.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Virtual processors, 1 to 32.
    pub vcpus: u8,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// An ELF kernel.
    pub kernel: PathBuf,
    /// The first root.
    pub initramfs: PathBuf,
    /// The kernel's arguments.
    pub arguments: String,
    /// Read-only disks: name, file.
    pub disks: Vec<(String, PathBuf)>,
    /// The host's socket through which the guest's vsock is reached.
    pub vsock: PathBuf,
}

impl Machine {
    /// That of a function.
    pub(crate) fn with_disks(memory_mib: u64) -> Self {
        let disks = [RUNTIME_DISK, CODE_DISK].map(|name| (name.to_owned(), PathBuf::from(name)));
        Self { disks: disks.into(), ..Self::with(guest::BOOT, memory_mib) }
    }

    /// That in which process 1 only says that it runs.
    pub(crate) fn for_probe(memory_mib: u64) -> Self {
        Self::with(guest::PROBE, memory_mib)
    }

    fn with(agent_argument: &str, memory_mib: u64) -> Self {
        Self {
            vcpus: 1,
            memory_mib,
            kernel: KERNEL.into(),
            initramfs: INITRAMFS.into(),
            arguments: format!("{KERNEL_ARGUMENTS} {VSOCK_WORD} -- {} {agent_argument}", guest::NAME),
            disks: Vec::new(),
            vsock: Path::new(OWN).join("vsock"),
        }
    }
}

/// Where a snapshot's parts lie.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SnapshotFiles {
    /// State of the devices.
    pub devices: PathBuf,
    /// The guest's memory; clones map it privately.
    pub memory: PathBuf,
}

/// What the process is doing, as far as its client has brought it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Nothing has been started.
    Configuring,
    /// The guest runs.
    Running,
    /// The guest stands still.
    Paused,
    /// A request failed half-way: only the process's end is left.
    Failed,
}

/// A client of one Firecracker process.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    state: State,
}

impl Client {
    /// For a process that listens on this socket and has been told nothing yet.
    pub fn new(socket: PathBuf) -> Self {
        Self { socket, state: State::Configuring }
    }

    /// Where it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Configures the machine and starts it.
    pub async fn start(&mut self, machine: &Machine) -> Result<(), Error> {
        self.must_be(State::Configuring)?;
        if !VCPUS.contains(&machine.vcpus) {
            return Err(Error::Refused("a Firecracker machine has 1 to 32 processors"));
        }
        self.state = State::Failed;
        let size = json!({ "vcpu_count": machine.vcpus, "mem_size_mib": machine.memory_mib, "smt": false });
        self.put("/machine-config", &size).await?;
        let boot = json!({
            "kernel_image_path": machine.kernel,
            "initrd_path": machine.initramfs,
            "boot_args": machine.arguments,
        });
        self.put("/boot-source", &boot).await?;
        for (name, file) in &machine.disks {
            if name.is_empty() || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
            {
                return Err(Error::Refused("a disk's name has letters, digits and underscores"));
            }
            let drive = json!({
                "drive_id": name,
                "path_on_host": file,
                "is_root_device": false,
                "is_read_only": true,
            });
            self.put(&format!("/drives/{name}"), &drive).await?;
        }
        self.put("/vsock", &json!({ "guest_cid": GUEST_CID, "uds_path": machine.vsock })).await?;
        self.put("/actions", &json!({ "action_type": "InstanceStart" })).await?;
        self.state = State::Running;
        Ok(())
    }

    /// Stops the processors.
    pub async fn pause(&mut self) -> Result<(), Error> {
        self.must_be(State::Running)?;
        self.patch_vm("Paused").await?;
        self.state = State::Paused;
        Ok(())
    }

    /// Lets them run.
    pub async fn resume(&mut self) -> Result<(), Error> {
        self.must_be(State::Paused)?;
        self.patch_vm("Resumed").await?;
        self.state = State::Running;
        Ok(())
    }

    /// Writes a full snapshot of a paused machine.
    pub async fn create_snapshot(&mut self, files: &SnapshotFiles) -> Result<(), Error> {
        self.must_be(State::Paused)?;
        let body = json!({
            "snapshot_type": "Full",
            "snapshot_path": files.devices,
            "mem_file_path": files.memory,
        });
        self.put("/snapshot/create", &body).await
    }

    /// Loads a snapshot into a process that has been told nothing yet; the machine is paused afterwards.
    pub async fn load_snapshot(&mut self, files: &SnapshotFiles) -> Result<(), Error> {
        self.must_be(State::Configuring)?;
        self.state = State::Failed;
        let body = json!({
            "snapshot_path": files.devices,
            "mem_backend": { "backend_type": "File", "backend_path": files.memory },
            "resume_vm": false,
        });
        self.put("/snapshot/load", &body).await?;
        self.state = State::Paused;
        Ok(())
    }

    fn must_be(&self, state: State) -> Result<(), Error> {
        if self.state == state {
            return Ok(());
        }
        Err(Error::Refused("the Firecracker machine is not in the state this step needs"))
    }

    async fn patch_vm(&mut self, state: &str) -> Result<(), Error> {
        self.request(Method::PATCH, "/vm", &json!({ "state": state })).await
    }

    async fn put(&mut self, path: &str, body: &impl Serialize) -> Result<(), Error> {
        self.request(Method::PUT, path, body).await
    }

    async fn request(&self, method: Method, path: &str, body: &impl Serialize) -> Result<(), Error> {
        let body = serde_json::to_vec(body).map_err(io::Error::other).map_err(doing("Firecracker's API"))?;
        let exchanged = timeout(ANSWER_TIMEOUT, self.exchange(method, path, body)).await;
        let exchanged = exchanged.map_err(|_| Error::TimedOut("Firecracker does not answer".to_owned()))?;
        let (status, answer) = exchanged.map_err(doing("Firecracker's API"))?;
        if status == StatusCode::NO_CONTENT {
            return Ok(());
        }
        let fault = serde_json::from_slice::<Value>(&answer).ok();
        let fault = fault.as_ref().and_then(|fault| fault.get("fault_message")).and_then(Value::as_str);
        Err(Error::Guest(format!("Firecracker answers {status}: {}", fault.unwrap_or("no reason given"))))
    }

    async fn exchange(&self, method: Method, path: &str, body: Vec<u8>) -> io::Result<(StatusCode, Bytes)> {
        let stream = UnixStream::connect(&self.socket).await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let connection = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(io::Error::other)?;
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status();
        let answer = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let answer = answer.map_err(io::Error::other)?.to_bytes();
        drop(sender);
        connection.abort();
        Ok((status, answer))
    }
}

/// Copies the program to where machines are made, so that it stays the one that was tried.
pub(crate) fn copy(program: &Path, state: &Path) -> io::Result<PathBuf> {
    let to = state.join(PROGRAM);
    io::copy(&mut File::open(program)?, &mut File::create(&to)?)?;
    fs::set_permissions(&to, fs::Permissions::from_mode(0o555))?;
    Ok(to)
}

/// Starts the program for a machine that boots; without an image it has no disks.
pub(crate) fn boot(
    (files, state): (&Files, &Path),
    image: Option<&Image>,
    ram_mb: u64,
) -> io::Result<Process> {
    let mut reads = vec![(KERNEL, files.kernel.as_path()), (INITRAMFS, files.initramfs.as_path())];
    reads.extend(image.into_iter().flat_map(disks));
    // Its memory is written to a file when it becomes a template.
    Process::start(files, state, start(files, reads, ram_mb, Some(ram_mb + 1)))
}

/// Starts the program for a machine that goes on from a snapshot, whose memory becomes its standard input. `is_kept`: it
/// will become a template itself, and its memory is written to a file then.
pub(crate) fn restore(
    (files, state): (&Files, &Path),
    image: &Image,
    (ram_mb, is_kept): (u64, bool),
    (ram, devices): (&OwnedFd, &Disk),
) -> io::Result<Process> {
    let mut reads = vec![(DEVICES, devices.path())];
    reads.extend(disks(image));
    let file_mb = is_kept.then_some(ram_mb + 1);
    Process::start(files, state, Start { input: Some(ram), ..start(files, reads, ram_mb, file_mb) })
}

fn disks(image: &Image) -> [(&'static str, &Path); 2] {
    [(RUNTIME_DISK, image.runtime.path()), (CODE_DISK, image.code.path())]
}

fn start<'a>(
    files: &'a Files,
    mut reads: Vec<(&'static str, &'a Path)>,
    ram_mb: u64,
    file_mb: Option<u64>,
) -> Start<'a> {
    reads.push((PROGRAM, &files.monitor));
    Start {
        program: Path::new(".").join(PROGRAM),
        arguments: ["--api-sock", API_SOCKET, "--id", "casemate"].map(Into::into).into(),
        reads,
        executes: Some(PROGRAM),
        input: None,
        ram_mb,
        file_mb,
        prints_console: true,
        is_emulated: false,
    }
}

/// The program's name in a machine's folder.
const PROGRAM: &str = "firecracker";
const API_SOCKET: &str = "own/api";
/// As its own documentation has them; the guest's generator gets the host's randomness from us.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 quiet reboot=k panic=-1 random.trust_cpu=off";
/// Firecracker's limit (`vcpu_count` in its API description).
const VCPUS: std::ops::RangeInclusive<u8> = 1..=32;
/// The first number a guest may have; 0 to 2 are reserved.
const GUEST_CID: u32 = 3;
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Writing the memory of a large machine takes seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
