//! What of virtual machines this host gives, found by starting some.
//!
//! A `/dev/kvm` that opens proves nothing: inside other virtual machines it may create a machine that never gets
//! anywhere. So the same kernel and agent that functions get must boot, within a time limit.

use std::{
    fmt, fs, io,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use casemate_sandbox::counter_khz;
use tokio::time::timeout;

use crate::{
    driver::{Config, Monitor},
    error::{Error, doing},
    firecracker, guest,
    kernel::Kernel,
    monitor,
    process::{Files, OWN},
    qemu::{self, Accelerator, Launch, Memory},
};

/// Whether emulation will do where there is no hardware virtualisation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Acceleration {
    /// No: without it nothing is started.
    HardwareOnly,
    /// Yes. Slow, and no boundary its makers vouch for: for tests and for trying things out.
    EmulationAllowed,
}

/// What was found of hardware virtualisation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Hardware {
    /// The guest booted.
    Usable {
        /// Until its agent ran.
        boot_ms: u64,
    },
    /// There is a `/dev/kvm`, but the guest did not boot.
    PresentButUnusable {
        /// What happened instead.
        why: String,
    },
    /// There is no `/dev/kvm`, or it may not be opened.
    Absent {
        /// The system's words.
        why: String,
    },
}

/// What was found of this host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Probe {
    /// The program that makes machines, and its version.
    pub monitor: String,
    /// The kernel's version.
    pub kernel: String,
    /// SHA-256 of the kernel's image.
    pub kernel_sha256: String,
    /// Hardware virtualisation.
    pub hardware: Hardware,
}

impl Probe {
    pub(crate) fn accelerator(&self, wanted: Acceleration) -> Result<Accelerator, Error> {
        match (&self.hardware, wanted) {
            (Hardware::Usable { .. }, _) => Ok(Accelerator::Kvm),
            (_, Acceleration::EmulationAllowed) => {
                let absent = |error: io::Error| Error::Absent { what: "emulation", why: error.to_string() };
                Ok(Accelerator::Emulation { counter_khz: counter_khz().map_err(absent)? })
            }
            (Hardware::PresentButUnusable { why } | Hardware::Absent { why }, Acceleration::HardwareOnly) => {
                Err(Error::Absent { what: "hardware virtualisation", why: why.clone() })
            }
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "monitor           {}", self.monitor)?;
        writeln!(f, "guest kernel      {} (SHA-256 {})", self.kernel, self.kernel_sha256)?;
        match &self.hardware {
            Hardware::Usable { boot_ms } => writeln!(f, "kvm               usable, booted in {boot_ms} ms"),
            Hardware::PresentButUnusable { why } => {
                writeln!(f, "kvm               present but unusable: {why}")
            }
            Hardware::Absent { why } => writeln!(f, "kvm               ABSENT: {why}"),
        }
    }
}

pub(crate) async fn run(config: &Config, files: &Files, kernel: &Kernel) -> Result<Probe, Error> {
    let monitor = match &config.monitor {
        Monitor::Qemu(program) => version(program, "QEMU", "QEMU emulator version ")?,
        Monitor::Firecracker(_) => {
            let version = version(&files.monitor, "Firecracker", "Firecracker ")?;
            let program = fs::read(&files.monitor).map_err(doing("reading Firecracker"))?;
            format!("{version} (SHA-256 {})", hex::encode(digest(&SHA256, &program)))
        }
    };
    let hardware = match fs::File::options().read(true).write(true).open(&config.device) {
        Err(error) => Hardware::Absent { why: format!("{}: {error}", config.device.display()) },
        Ok(_) => match boot(config, files, KVM_BOOT_TIMEOUT).await? {
            Ok(boot_ms) => Hardware::Usable { boot_ms },
            Err(why) => Hardware::PresentButUnusable { why },
        },
    };
    Ok(Probe { monitor, kernel: kernel.version.clone(), kernel_sha256: kernel.sha256.clone(), hardware })
}

/// Boots the agent, which says its line and ends the machine. The inner `Err` says what happened instead.
async fn boot(config: &Config, files: &Files, limit: Duration) -> Result<Result<u64, String>, Error> {
    let began = tokio::time::Instant::now();
    let process = match &config.monitor {
        Monitor::Qemu(_) => {
            let ram = qemu::memory(PROBE_MB).map_err(doing("memory for the probe"))?;
            let launch = Launch {
                accelerator: Accelerator::Kvm,
                ram_mb: PROBE_MB,
                disks: None,
                memory: Memory::Shared,
                agent_argument: guest::PROBE,
            };
            qemu::start(files, &config.state, launch, &ram).map_err(doing("starting QEMU"))?
        }
        Monitor::Firecracker(_) => {
            let process = firecracker::boot((files, &config.state), None, PROBE_MB)
                .map_err(doing("starting Firecracker"))?;
            let started = timeout(limit, async {
                let mut client = monitor::firecracker(&process).await?;
                client.start(&firecracker::Machine::for_probe(PROBE_MB)).await
            });
            if let Ok(Err(error)) = started.await {
                return Ok(Err(format!("the machine was not made: {error}")));
            }
            process
        }
    };
    let in_time = timeout(limit.saturating_sub(began.elapsed()), process.ended()).await.is_ok();
    let boot_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let console = fs::read_to_string(process.folder.join(OWN).join("console")).unwrap_or_default();
    if console.contains(guest::PROBE_LINE) {
        return Ok(Ok(boot_ms));
    }
    if in_time {
        return Ok(Err(format!("the machine ended without booting: {}", process.last_words().trim())));
    }
    Ok(Err(format!("the guest made no progress in {} s", limit.as_secs())))
}

/// What the program says of itself; another program says something else.
fn version(program: &Path, what: &'static str, says: &str) -> Result<String, Error> {
    let absent = |why: String| Error::Absent { what, why };
    let output = Command::new(program).arg("--version").env_clear().stdin(Stdio::null()).output();
    let output = output.map_err(|error| absent(format!("{}: {error}", program.display())))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.lines().next().and_then(|line| line.strip_prefix(says));
    let found = found.ok_or_else(|| absent(format!("{} is not {what}", program.display())))?;
    Ok(format!("{what} {}", found.trim()))
}

const PROBE_MB: u64 = 512;
/// A boot with hardware virtualisation takes well under a second; a machine that is stuck never gets further. The server's
/// start waits for it.
pub(crate) const KVM_BOOT_TIMEOUT: Duration = Duration::from_secs(5);
