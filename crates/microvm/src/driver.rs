//! The microVM driver: probes, prepares disks, boots machines, makes templates and clones.
//!
//! It never starts a machine in a weaker form than asked: where there is no usable hardware virtualisation, emulation
//! must have been allowed by name.

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

use casemate_sandbox::{Companions, ExecPolicy, PlannedRoot};

use crate::{
    agent::Agent,
    beside::Beside,
    disk::{self, CodeDisk, Disk},
    error::{Error, doing},
    firecracker, guest, initramfs,
    kernel::{FIRECRACKER_MODULES, Kernel, KernelSource, QEMU_MODULES},
    machine::Machine,
    monitor::{self, Control},
    probe::{self, Acceleration, Probe},
    process::{Files, Process},
    protocol::{Command, Start},
    qemu::{self, Accelerator, Launch, Memory},
    state::{Place, State, load_firecracker, load_qemu},
    template::{self, Pending, Template},
};

/// Where things are and what is allowed.
#[derive(Clone, Debug)]
pub struct Config {
    /// The program that makes machines.
    pub monitor: Monitor,
    /// The guest's kernel.
    pub kernel: KernelSource,
    /// The program that becomes process 1: its `main` begins with [`crate::enter`].
    pub agent: PathBuf,
    /// The program that confines QEMU: the same.
    pub launcher: PathBuf,
    /// A folder for machines and disks, all in one file system.
    pub state: PathBuf,
    /// Whether emulation will do.
    pub acceleration: Acceleration,
    /// The device of hardware virtualisation, [`KVM`]; a guest must boot with it all the same.
    pub device: PathBuf,
    /// Who makes control groups for machines; without, the launcher's limits stand alone.
    pub groups: Option<casemate_sandbox::Driver>,
}

/// A program that makes machines, as the operator names it. None stands in for another.
#[derive(Clone, Debug)]
pub enum Monitor {
    /// `qemu-system-x86_64`.
    Qemu(PathBuf),
    /// `firecracker`, which needs hardware virtualisation. Tested against a stub only: see [`crate::firecracker`].
    Firecracker(PathBuf),
}

/// Makes machines. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Driver {
    inner: Arc<DriverInner>,
}

#[derive(Debug)]
struct DriverInner {
    config: Config,
    files: Files,
    agent: Agent,
    accelerator: Accelerator,
    probe: Probe,
}

/// Disks of one function version. Cheap to clone; their files go with the last clone.
#[derive(Clone, Debug)]
pub struct Image {
    pub(crate) runtime: Arc<RuntimeDisk>,
    pub(crate) code: Arc<Disk>,
}

/// The disk of a root.
#[derive(Debug)]
pub struct RuntimeDisk {
    disk: Disk,
}

impl RuntimeDisk {
    pub(crate) fn bytes(&self) -> io::Result<u64> {
        self.disk.bytes()
    }

    pub(crate) fn path(&self) -> &Path {
        self.disk.path()
    }
}

/// A function as it is started.
#[derive(Clone)]
pub struct FunctionSpec {
    /// Program (a path inside) and arguments.
    pub argv: Vec<String>,
    /// Where it begins: a path inside.
    pub working_dir: PathBuf,
    /// The whole environment of the process.
    pub env: Vec<(String, String)>,
    /// Memory of the function in MB; the machine has more, for its kernel and `/tmp`.
    pub memory_mb: u64,
    /// Size of `/tmp` in MB.
    pub tmp_mb: u64,
    /// Most processes and threads.
    pub pids_max: u64,
    /// Whether programs may be executed.
    pub exec_policy: ExecPolicy,
    /// Host name inside.
    pub hostname: String,
    /// Whether it may ask for connections outside: lines for a [`casemate_sandbox::Bridgehead`].
    pub way_out: bool,
    /// What runs beside the runtime, which then begins when it is told to.
    pub companions: Companions,
}

impl FunctionSpec {
    /// Memory of the machine: few sizes, so that templates are shared. What is not touched takes no room.
    pub(crate) fn ram_mb(&self) -> u64 {
        self.memory_mb.saturating_add(self.tmp_mb).saturating_add(KERNEL_MB).next_multiple_of(RAM_STEP_MB)
    }
}

impl std::fmt::Debug for FunctionSpec {
    // Environment variables may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FunctionSpec").field("argv", &self.argv).finish_non_exhaustive()
    }
}

/// What every clone gets afresh.
#[derive(Clone)]
pub struct Fresh {
    /// The time, in nanoseconds since 1970.
    pub unix_ns: u64,
    /// Randomness from the host, never used twice.
    pub entropy: [u8; 64],
}

impl std::fmt::Debug for Fresh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fresh").field("unix_ns", &self.unix_ns).finish_non_exhaustive()
    }
}

impl Driver {
    /// Reads the kernel, builds the initramfs, and tries to boot it. Takes seconds.
    pub async fn new(config: Config) -> Result<Self, Error> {
        let emulates = config.acceleration == Acceleration::EmulationAllowed;
        if emulates && matches!(config.monitor, Monitor::Firecracker(_)) {
            return Err(Error::Refused("Firecracker does not emulate: it needs hardware virtualisation"));
        }
        let (kernel, files, agent) = tokio::task::spawn_blocking({
            let config = config.clone();
            move || lay_out(&config)
        })
        .await
        .map_err(|error| Error::Io { doing: "preparing", source: io::Error::other(error) })??;
        let probe = probe::run(&config, &files, &kernel).await?;
        let accelerator = probe.accelerator(config.acceleration)?;
        Ok(Self { inner: Arc::new(DriverInner { config, files, agent, accelerator, probe }) })
    }

    /// What was found of this host.
    pub fn probe(&self) -> &Probe {
        &self.inner.probe
    }

    /// Whether machines are emulated, which is slow, and no boundary.
    pub fn is_emulating(&self) -> bool {
        matches!(self.inner.accelerator, Accelerator::Emulation { .. })
    }

    /// Makes the disks of a function version, named after it. Blocks for a second or so on a thread of its own.
    pub async fn prepare(&self, name: &str, root: PlannedRoot, code: CodeDisk) -> Result<Image, Error> {
        let runtime = self.runtime_disk(name, root).await?;
        Ok(Image { runtime: Arc::new(runtime), code: self.code_disk(name, code).await? })
    }

    /// Makes the disk of a root.
    pub async fn runtime_disk(&self, name: &str, root: PlannedRoot) -> Result<RuntimeDisk, Error> {
        let path = self.disk_path(name, "runtime-disk")?;
        let agent = self.inner.agent.clone();
        let disk = blocking(move || disk::runtime(&root, &agent, path)).await?;
        Ok(RuntimeDisk { disk })
    }

    /// Makes the disk of a function version's code.
    pub async fn code_disk(&self, name: &str, code: CodeDisk) -> Result<Arc<Disk>, Error> {
        let path = self.disk_path(name, "code-disk")?;
        blocking(move || disk::code(&code, path)).await.map(Arc::new)
    }

    /// A code disk without anything.
    pub(crate) fn blank_disk(&self) -> Result<Arc<Disk>, Error> {
        let path = self.disk_path("blank", "code-disk")?;
        Disk::blank(path).map(Arc::new).map_err(doing("making disks"))
    }

    fn disk_path(&self, name: &str, kind: &str) -> Result<PathBuf, Error> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_');
        if name.is_empty() || name.starts_with('.') || name.len() > NAME_BYTES_MAX || !name.chars().all(plain)
        {
            return Err(Error::Refused(
                "a disk's name has 1 to 100 letters, digits, dots, hyphens and underscores",
            ));
        }
        Ok(self.inner.config.state.join(format!("{name}.{kind}")))
    }

    /// Boots a machine and returns when its agent has said hello. Its memory comes along for [`Driver::snapshot`].
    pub async fn boot(&self, image: &Image, spec: &FunctionSpec, fresh: &Fresh) -> Result<Booted, Error> {
        self.boot_with(image, spec.ram_mb(), fresh).await
    }

    /// The same for any function that needs no more memory.
    pub(crate) async fn boot_with(&self, image: &Image, ram_mb: u64, fresh: &Fresh) -> Result<Booted, Error> {
        let (process, control, ram) = match &self.inner.config.monitor {
            Monitor::Qemu(_) => {
                let ram = qemu::memory(ram_mb).map_err(doing("memory for the guest"))?;
                let process = self.qemu(image, (ram_mb, &ram), Memory::Shared)?;
                let control = monitor::qemu(&process).await?;
                (process, control, Some(ram))
            }
            Monitor::Firecracker(_) => {
                let process = firecracker::boot(self.place(), Some(image), ram_mb)
                    .map_err(doing("starting Firecracker"))?;
                let mut client = monitor::firecracker(&process).await?;
                client.start(&firecracker::Machine::with_disks(ram_mb)).await?;
                (process, Control::Firecracker(client.into()), None)
            }
        };
        let machine = Machine::greet(process, control, ram_mb).await?;
        refresh(&machine, fresh).await?;
        Ok(Booted { machine, ram, image: image.clone() })
    }

    /// Starts the function in a machine that has none yet.
    pub async fn start(&self, machine: &mut Machine, spec: FunctionSpec) -> Result<(), Error> {
        if spec.ram_mb() > machine.ram_mb {
            return Err(Error::Refused("the machine was made for a smaller function"));
        }
        let mut variables = spec.env.iter().chain(&spec.companions.env);
        if variables.any(|(name, value)| is_credential(name, value)) {
            machine.holds_credentials = true;
        }
        let FunctionSpec { argv, working_dir, env, memory_mb, tmp_mb, pids_max, .. } = spec;
        let FunctionSpec { exec_policy, hostname, way_out, companions, .. } = spec;
        let beside = Beside::of(companions, &env);
        let start = Start {
            argv,
            working_dir,
            env,
            memory_mb,
            tmp_mb,
            pids_max,
            exec_policy,
            hostname,
            way_out,
            beside,
        };
        machine.start(start).await
    }

    /// Ends a machine and keeps its state as a template. `pending` are its open connections, none of which has been
    /// answered since it last asked.
    pub async fn snapshot(&self, booted: Booted, pending: Vec<Pending>) -> Result<Template, Error> {
        // The machine goes with this, whatever the outcome.
        let Booted { machine, ram, image } = booted;
        self.snapshot_of(&machine, (ram, image), pending).await
    }

    /// The same of a machine that somebody else ends where it cannot be kept. Its memory and disks come along.
    pub(crate) async fn snapshot_of(
        &self,
        machine: &Machine,
        of: (Option<OwnedFd>, Image),
        pending: Vec<Pending>,
    ) -> Result<Template, Error> {
        template::take(machine, of, pending, &Place(&self.inner.config.state)).await
    }

    /// A machine that goes on where the template stopped. Its function stands still until the kernel has fresh randomness and
    /// the right time; where it cannot be let go on then, there is no machine.
    pub async fn clone_of(&self, template: &Template, fresh: &Fresh) -> Result<Machine, Error> {
        self.go_on(template, (&template.inner.image, End::Clone), fresh).await
    }

    /// The same with the code of a function that the template does not know yet.
    pub(crate) async fn clone_with(
        &self,
        template: &Template,
        code: Arc<Disk>,
        fresh: &Fresh,
    ) -> Result<Machine, Error> {
        let image = with_code(template, code)?;
        self.go_on(template, (&image, End::Clone), fresh).await
    }

    /// The same in a machine that can become a template itself.
    pub(crate) async fn copy_with(
        &self,
        template: &Template,
        code: Arc<Disk>,
        fresh: &Fresh,
    ) -> Result<Booted, Error> {
        let (image, copied) = (with_code(template, code)?, template.clone());
        let ram = blocking(move || copied.inner.state.copied(copied.inner.ram_mb)).await?;
        let machine = self.go_on(template, (&image, End::Template(ram.as_ref())), fresh).await?;
        Ok(Booted { machine, ram, image })
    }

    async fn go_on(
        &self,
        template: &Template,
        (image, end): (&Image, End<'_>),
        fresh: &Fresh,
    ) -> Result<Machine, Error> {
        let inner = &template.inner;
        let (process, control) = match &inner.state {
            State::Qemu { ram, devices } => {
                let memory = match end {
                    End::Template(Some(own)) => (own, Memory::SharedIncoming),
                    End::Template(None) | End::Clone => (ram, Memory::PrivateIncoming),
                };
                self.restored_qemu(image, (inner.ram_mb, memory), devices).await?
            }
            State::Firecracker { ram, devices } => {
                let size = (inner.ram_mb, matches!(end, End::Template(_)));
                let process = firecracker::restore(self.place(), image, size, (ram, devices))
                    .map_err(doing("starting Firecracker"))?;
                let mut client = monitor::firecracker(&process).await?;
                load_firecracker(&mut client).await.map_err(|error| in_its_words(&process, &error))?;
                (process, Control::Firecracker(client.into()))
            }
        };
        // By vsock only a guest that runs can be spoken to. A serial port is there before, and a guest that runs finds us at it.
        let runs_first = matches!(control, Control::Firecracker(_));
        if runs_first {
            control.go_on().await?;
        }
        let mut machine = Machine::restored(process, control, inner.ram_mb, &inner.open).await?;
        if !runs_first {
            machine.control.go_on().await?;
        }
        machine.started = inner.started;
        machine.continue_numbers(inner.next_number);
        refresh(&machine, fresh).await?;
        Ok(machine)
    }

    async fn restored_qemu(
        &self,
        image: &Image,
        (ram_mb, (ram, memory)): (u64, (&OwnedFd, Memory)),
        devices: &[u8],
    ) -> Result<(Process, Control), Error> {
        let process = self.qemu(image, (ram_mb, ram), memory)?;
        let control = monitor::qemu(&process).await?;
        if let Control::Qemu(qmp) = &control {
            let loaded = load_qemu(qmp, &process, devices).await;
            loaded.map_err(|source| in_its_words(&process, &Error::Io { doing: "restoring", source }))?;
        }
        Ok((process, control))
    }

    fn qemu(&self, image: &Image, (ram_mb, ram): (u64, &OwnedFd), memory: Memory) -> Result<Process, Error> {
        let launch = Launch {
            accelerator: self.inner.accelerator,
            ram_mb,
            disks: Some((image.runtime.path(), image.code.path())),
            memory,
            agent_argument: guest::BOOT,
        };
        qemu::start(&self.inner.files, &self.inner.config.state, launch, ram).map_err(doing("starting QEMU"))
    }

    fn place(&self) -> (&Files, &Path) {
        (&self.inner.files, &self.inner.config.state)
    }
}

/// What is to become of a machine that goes on.
#[derive(Clone, Copy)]
enum End<'a> {
    /// It serves.
    Clone,
    /// Another template. Where memory is not its program's own it has this, which begins as the template's.
    Template(Option<&'a OwnedFd>),
}

/// A template's disks with the code of a function that it does not know yet.
fn with_code(template: &Template, code: Arc<Disk>) -> Result<Image, Error> {
    if template.inner.started {
        return Err(Error::Refused("a template with a function goes on with that function's code"));
    }
    Ok(Image { code, ..template.inner.image.clone() })
}

/// With what the program has printed, for the operator.
fn in_its_words(process: &Process, error: &Error) -> Error {
    let words = process.last_words();
    Error::Io { doing: "restoring", source: io::Error::other(format!("{error}; {words}")) }
}

/// A machine that has booted, with its memory.
#[derive(Debug)]
pub struct Booted {
    /// The machine.
    pub machine: Machine,
    /// Where it is not the program's own.
    pub(crate) ram: Option<OwnedFd>,
    pub(crate) image: Image,
}

/// On a thread that may wait for disks and programs.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other).and_then(|done| done).map_err(doing("making disks"))
}

/// The time and randomness; a function that was stopped for the copy goes on after that.
async fn refresh(machine: &Machine, fresh: &Fresh) -> Result<(), Error> {
    machine.command(Command::Refresh { unix_ns: fresh.unix_ns, entropy: hex::encode(fresh.entropy) }).await
}

/// Writes kernel and initramfs where machines find them.
fn lay_out(config: &Config) -> Result<(Kernel, Files, Agent), Error> {
    let absent = |what: &'static str| move |error: io::Error| Error::Absent { what, why: error.to_string() };
    let (kernel, monitor) = match &config.monitor {
        Monitor::Qemu(program) => {
            let kernel = Kernel::read(&config.kernel, &QEMU_MODULES).map_err(absent("guest kernel"))?;
            (kernel, program.clone())
        }
        Monitor::Firecracker(program) => {
            let kernel = Kernel::read(&config.kernel, &FIRECRACKER_MODULES).and_then(Kernel::uncompressed);
            let copied = firecracker::copy(program, &config.state).map_err(absent("Firecracker"))?;
            (kernel.map_err(absent("guest kernel"))?, copied)
        }
    };
    let agent = Agent::copy(&config.agent, config.state.join("agent")).map_err(absent("guest agent"))?;
    let first_root = initramfs::build(&agent, &kernel).map_err(absent("guest agent"))?;
    let files = Files {
        monitor,
        launcher: config.launcher.clone(),
        kernel: config.state.join("kernel"),
        initramfs: config.state.join("initramfs"),
        device: config.device.clone(),
        groups: config.groups.clone(),
    };
    let write = |path: &Path, bytes: &[u8]| {
        let written = fs::write(path, bytes).and_then(|()| disk::readable(path));
        written.map_err(doing("writing the guest's files"))
    };
    write(&files.kernel, &kernel.image)?;
    write(&files.initramfs, &first_root)?;
    Ok((kernel, files, agent))
}

fn is_credential(name: &str, value: &str) -> bool {
    CREDENTIALS.contains(&name) && !value.is_empty() && value != NO_CREDENTIALS
}

/// The device of hardware virtualisation on Linux.
pub const KVM: &str = "/dev/kvm";
/// What a function may be given in place of credentials, for libraries that look whether there are some.
pub const NO_CREDENTIALS: &str = "none-before-the-request";
/// Variables that hold credentials; a template made of a function that has one would give all clones the same. A token with which
/// a function asks the host for its credentials is none: it says nothing of whose they are, and whoever is at the other end of
/// the connection is this machine, with that token and without it.
const CREDENTIALS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
/// What the guest's kernel, agent and spawner need beside the function. While it boots, the first root is there twice: with a
/// server that was built without optimisation some 180 MB.
const KERNEL_MB: u64 = 256;
const RAM_STEP_MB: u64 = 1_024;
const NAME_BYTES_MAX: usize = 100;
