//! What an operator says of virtual machines for functions, and what is in force of it.

use std::{
    fmt, fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use casemate_lambda::{Isolation, Machines};
use casemate_microvm::{Acceleration, Config, Driver, KVM, KernelSource, Monitor, Stock};
use casemate_names::{SystemEntropy, hex_id};
use casemate_sandbox::Driver as Sandbox;
use clap::{Args, ValueEnum};

/// Whether functions run in virtual machines, and how those are made.
#[derive(Debug, Clone, Args)]
pub(crate) struct MicrovmOptions {
    /// The least that every function runs in
    #[arg(long, env = "CASEMATE_ISOLATION_FLOOR", value_enum, default_value_t = Floor::Process)]
    isolation_floor: Floor,
    /// Kernel of virtual machines: a linux-image-…-cloud-amd64 package, or an image with virtio-mmio and ext4 built in
    /// [default: none, functions cannot ask for a machine]
    #[arg(long, env = "CASEMATE_MICROVM_KERNEL")]
    microvm_kernel: Option<PathBuf>,
    /// QEMU, for virtual machines
    #[arg(long, env = "CASEMATE_MICROVM_QEMU", default_value = "/usr/bin/qemu-system-x86_64")]
    microvm_qemu: PathBuf,
    /// Firecracker, for virtual machines instead of QEMU: hardware virtualisation only, tried against a stub of its API only
    /// [default: none]
    #[arg(long, env = "CASEMATE_MICROVM_FIRECRACKER")]
    microvm_firecracker: Option<PathBuf>,
    /// Emulate virtual machines where the host has no usable hardware virtualisation: slow, and not a boundary
    #[arg(long, env = "CASEMATE_MICROVM_EMULATION")]
    microvm_emulation: bool,
}

/// See [`Isolation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Floor {
    /// A process sandbox
    Process,
    /// A virtual machine
    Microvm,
}

/// Machines, or why there are none.
pub(crate) type Made = Result<Arc<Stock>, Why>;

/// Why there are no machines.
#[derive(Debug)]
pub(crate) struct Why {
    /// For the operator, with the host's paths and the guest's last words.
    whole: String,
    /// For those whose functions do not run.
    for_callers: String,
}

impl Why {
    /// Something that whoever calls may know as a whole.
    fn plain(why: &str) -> Self {
        Self { whole: why.to_owned(), for_callers: why.to_owned() }
    }

    /// Something of this host's.
    fn of_host(for_callers: &str, whole: impl fmt::Display) -> Self {
        Self { whole: whole.to_string(), for_callers: for_callers.to_owned() }
    }
}

impl From<casemate_microvm::Error> for Why {
    fn from(error: casemate_microvm::Error) -> Self {
        Self::of_host(&error.for_callers(), &error)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.whole)
    }
}

impl MicrovmOptions {
    /// Looks what there is. Takes seconds where a kernel is given: a guest must really boot. What an earlier server left in
    /// `state` goes.
    /// `sandbox` makes their control groups; a function in a machine needs the process sandbox of this server as well.
    pub(crate) async fn machines(&self, state: &Path, sandbox: &Result<Sandbox, String>) -> Made {
        self.kernel()?;
        let groups =
            sandbox.clone().map_err(|why| Why::of_host("this host has no usable process sandbox", why))?;
        emptied(state).map_err(|error| folder(state, &error))?;
        self.machines_in(state, groups).await
    }

    fn kernel(&self) -> Result<&Path, Why> {
        let given = self.microvm_kernel.as_deref();
        given.ok_or_else(|| Why::plain("no kernel was given (--microvm-kernel)"))
    }

    /// The same in a folder that is there and empty.
    async fn machines_in(&self, state: &Path, groups: Sandbox) -> Made {
        let kernel = self.kernel()?;
        let config = Config {
            monitor: match &self.microvm_firecracker {
                Some(program) => Monitor::Firecracker(program.clone()),
                None => Monitor::Qemu(self.microvm_qemu.clone()),
            },
            device: PathBuf::from(KVM),
            kernel: KernelSource::from_path(kernel),
            agent: std::env::current_exe()
                .map_err(|error| Why::of_host("the server's own program was not found", error))?,
            // Whatever lies at its path by then.
            launcher: PathBuf::from("/proc/self/exe"),
            state: state.to_owned(),
            acceleration: if self.microvm_emulation {
                Acceleration::EmulationAllowed
            } else {
                Acceleration::HardwareOnly
            },
            groups: Some(groups),
        };
        let driver = Driver::new(config).await?;
        Ok(Arc::new(Stock::new(driver)?))
    }

    /// What functions are given of it.
    pub(crate) fn for_functions(&self, made: Made) -> Machines {
        let floor = match self.isolation_floor {
            Floor::Process => Isolation::Process,
            Floor::Microvm => Isolation::Machine,
        };
        Machines::new(made.map_err(|why| why.for_callers), floor)
    }

    /// What is in force, where anything was asked for.
    pub(crate) fn line(&self, made: &Made) -> Option<String> {
        if self.microvm_kernel.is_none() && self.isolation_floor == Floor::Process {
            return None;
        }
        let machines = match made {
            Ok(stock) if stock.driver().is_emulating() => {
                "virtual machines by software emulation, which is slow and NOT a boundary".to_owned()
            }
            Ok(_) => "virtual machines by hardware virtualisation".to_owned(),
            Err(why) => format!("NO virtual machines ({why})"),
        };
        Some(match (self.isolation_floor, made) {
            (Floor::Process, _) => format!("isolation: process sandbox; for functions that ask: {machines}"),
            (Floor::Microvm, Ok(_)) => format!("isolation: every function in {machines}"),
            (Floor::Microvm, Err(_)) => format!("isolation: {machines}: no function will run"),
        })
    }

    /// The same for `doctor`, with what was found.
    pub(crate) async fn report(&self, sandbox: &Sandbox) -> String {
        let name = hex_id(&SystemEntropy::default(), "doctor", 32);
        let state = std::env::temp_dir().join(format!("casemate-doctor-{name}"));
        // Everybody may make files beside it: of a name nobody foresees, by us and nobody else, closed to others.
        let made = match fs::DirBuilder::new().mode(0o700).create(&state) {
            Ok(()) => self.machines_in(&state, sandbox.clone()).await,
            Err(error) => Err(folder(&state, &error)),
        };
        let found = made.as_ref().map(|stock| stock.driver().probe().to_string()).unwrap_or_default();
        let line = self.line(&made);
        let why = made.err().map(|why| why.to_string()).unwrap_or_default();
        drop(fs::remove_dir_all(&state));
        let line = line.unwrap_or_else(|| format!("isolation: process sandbox; no virtual machines: {why}"));
        format!("{line}\n{found}")
    }
}

fn folder(state: &Path, error: &io::Error) -> Why {
    Why::of_host("the folder of virtual machines cannot be used", format!("`{}`: {error}", state.display()))
}

/// A folder of the server's own, empty: disks hold functions' code.
fn emptied(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_owners_are_told_nothing_of_the_host() {
        let error =
            || casemate_microvm::Error::Absent { what: "guest kernel", why: "/root/kernel: gone".into() };
        let why = Why::from(error());
        assert!(why.to_string().contains("/root/kernel"), "the operator is told");
        assert_eq!(why.for_callers, "this host has no usable guest kernel");
        let why = folder(Path::new("/root/state"), &io::Error::other("full"));
        assert!(why.to_string().contains("/root/state") && !why.for_callers.contains('/'));
    }
}
