//! QEMU's command line and the guest's memory. Knows nothing of what runs in the guest.

use std::{
    ffi::OsString,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

use crate::{
    guest,
    process::{Files, INITRAMFS, KERNEL, OWN, Process, Start},
    protocol::{CODE_DISK, PORT_NAME, RUNTIME_DISK},
};

/// How the guest's processor is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Accelerator {
    Kvm,
    /// The guest's counter is the host's, which counts so many thousands a second.
    Emulation {
        counter_khz: u64,
    },
}

impl Accelerator {
    /// What the guest's kernel is told of its counter. Emulated ones hang while they measure it; with KVM they ask the hypervisor.
    fn clock(self) -> String {
        match self {
            Self::Kvm => String::new(),
            Self::Emulation { counter_khz } => {
                format!("tsc=reliable no_timer_check tsc_early_khz={counter_khz} ")
            }
        }
    }
}

/// One start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) accelerator: Accelerator,
    pub(crate) ram_mb: u64,
    /// Runtime disk, code disk.
    pub(crate) disks: Option<(&'a Path, &'a Path)>,
    pub(crate) memory: Memory,
    /// For process 1.
    pub(crate) agent_argument: &'static str,
}

/// How the guest's memory is mapped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Memory {
    /// Writes go to the file: a machine that becomes a template.
    Shared,
    /// Writes stay in the process: a clone, which waits for its device state.
    PrivateIncoming,
    /// Both: a clone with a copy of its own, which becomes another template.
    SharedIncoming,
}

impl Memory {
    fn is_shared(self) -> bool {
        matches!(self, Self::Shared | Self::SharedIncoming)
    }

    /// Goes on from what another was, and does not boot.
    fn is_incoming(self) -> bool {
        matches!(self, Self::PrivateIncoming | Self::SharedIncoming)
    }
}

/// Starts it. `ram` becomes its standard input, which is where it finds the guest's memory.
pub(crate) fn start(files: &Files, state: &Path, launch: Launch<'_>, ram: &OwnedFd) -> io::Result<Process> {
    let mut reads = vec![(KERNEL, files.kernel.as_path()), (INITRAMFS, files.initramfs.as_path())];
    if let Some((runtime, code)) = launch.disks {
        reads.extend([(RUNTIME_DISK, runtime), (CODE_DISK, code)]);
    }
    let start = Start {
        program: PathBuf::from(&files.monitor),
        arguments: arguments(launch),
        reads,
        executes: None,
        input: Some(ram),
        ram_mb: launch.ram_mb,
        file_mb: None,
        prints_console: false,
        is_emulated: matches!(launch.accelerator, Accelerator::Emulation { .. }),
    };
    Process::start(files, state, start)
}

/// Memory for a guest, in a file without a name.
pub(crate) fn memory(ram_mb: u64) -> io::Result<OwnedFd> {
    let file = memfd_create(c"casemate-guest", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&file, ram_mb << 20)?;
    Ok(file)
}

/// Makes memory unchangeable for everyone; private mappings of it stay possible. Fails while a machine still has it.
pub(crate) fn seal(memory: &OwnedFd) -> io::Result<()> {
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    Ok(fcntl_add_seals(memory, seals)?)
}

fn arguments(launch: Launch<'_>) -> Vec<OsString> {
    let mut all: Vec<OsString> = Vec::new();
    let mut add = |name: &str, value: &str| all.extend([name.into(), value.into()]);
    add("-M", "microvm,acpi=on,pit=on,pic=on,rtc=on,isa-serial=on,x-option-roms=off,memory-backend=m");
    let (accelerator, processor) = match launch.accelerator {
        Accelerator::Kvm => ("kvm", "host,-arch-capabilities"),
        Accelerator::Emulation { .. } => ("tcg,tb-size=64", "qemu64"),
    };
    add("-accel", accelerator);
    add("-cpu", processor);
    add("-m", &launch.ram_mb.to_string());
    let share = if launch.memory.is_shared() { "on" } else { "off" };
    let size = launch.ram_mb;
    add(
        "-object",
        &format!("memory-backend-file,id=m,size={size}M,mem-path=/proc/self/fd/0,share={share},prealloc=off"),
    );
    if !launch.memory.is_incoming() {
        let (clock, argument) = (launch.accelerator.clock(), launch.agent_argument);
        add("-append", &format!("{KERNEL_ARGUMENTS} {clock}-- {} {argument}", guest::NAME));
    }
    for flag in ["-nodefaults", "-no-user-config", "-no-reboot"] {
        all.push(flag.into());
    }
    let mut add = |name: &str, value: &str| all.extend([name.into(), value.into()]);
    add("-display", "none");
    add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    add("-global", "virtio-mmio.force-legacy=false");
    add("-serial", &format!("file:{OWN}/console"));
    add("-qmp", &format!("unix:{OWN}/qmp,server=on,wait=off"));
    if launch.memory.is_incoming() {
        add("-incoming", "defer");
    } else {
        add("-kernel", KERNEL);
        add("-initrd", INITRAMFS);
    }
    if launch.disks.is_some() {
        for serial in [RUNTIME_DISK, CODE_DISK] {
            // A clone that has taken up its devices would drop the disk from the host's page cache, for the sake of files that
            // somebody else has changed: 0.15 s for Python's, and every block read from the host's disk again. Nobody changes ours.
            add(
                "-drive",
                &format!("file={serial},if=none,id={serial},format=raw,readonly=on,file.drop-cache=off"),
            );
            add("-device", &format!("virtio-blk-device,drive={serial},serial={serial}"));
        }
        add("-chardev", &format!("socket,id=port,path={OWN}/port,server=on,wait=off"));
        add("-device", "virtio-serial-device");
        add("-device", &format!("virtserialport,chardev=port,name={PORT_NAME}"));
    }
    all
}

const KERNEL_ARGUMENTS: &str = "console=ttyS0 quiet panic=-1 reboot=t random.trust_cpu=off";

#[cfg(test)]
mod tests {
    use super::*;

    const EMULATION: Accelerator = Accelerator::Emulation { counter_khz: 2_445_000 };

    #[test]
    fn emulated_kernels_are_told_how_fast_their_counter_is_and_others_ask_the_hypervisor() {
        let told = |accelerator| {
            let memory = Memory::Shared;
            let launch = Launch { accelerator, ram_mb: 256, disks: None, memory, agent_argument: "boot" };
            let all = arguments(launch);
            let at = all.iter().position(|text| text == "-append").unwrap();
            all[at + 1].clone().into_string().unwrap()
        };
        assert!(told(EMULATION).contains(" tsc_early_khz=2445000 -- "), "{}", told(EMULATION));
        assert!(!told(Accelerator::Kvm).contains("tsc"), "{}", told(Accelerator::Kvm));
    }

    #[test]
    fn machine_has_no_network_card_and_no_defaults() {
        let path = PathBuf::from("/f");
        let launch = Launch {
            accelerator: EMULATION,
            ram_mb: 256,
            disks: Some((&path, &path)),
            memory: Memory::Shared,
            agent_argument: "boot",
        };
        let all: Vec<String> =
            arguments(launch).into_iter().map(|text| text.into_string().unwrap()).collect();
        assert!(all.iter().any(|text| text == "-nodefaults"));
        assert!(all.iter().any(|text| text == "-no-user-config"));
        let card = |text: &String| {
            ["-net", "-nic", "-netdev"].contains(&text.as_str()) || text.contains("virtio-net")
        };
        assert!(!all.iter().any(card), "{all:?}");
        let disk = |text: &&String| text.contains("readonly=on") && text.contains("drop-cache=off");
        assert_eq!(all.iter().filter(disk).count(), 2);
    }

    #[test]
    fn only_what_boots_or_becomes_a_template_writes_to_the_memory_it_is_given() {
        for (memory, share, boots) in [
            (Memory::Shared, "share=on", true),
            (Memory::SharedIncoming, "share=on", false),
            (Memory::PrivateIncoming, "share=off", false),
        ] {
            let accelerator = EMULATION;
            let launch = Launch { accelerator, ram_mb: 256, disks: None, memory, agent_argument: "boot" };
            let all: Vec<String> =
                arguments(launch).into_iter().map(|text| text.into_string().unwrap()).collect();
            assert!(all.iter().any(|text| text.contains(share)), "{all:?}");
            assert_eq!(all.iter().any(|text| text == "-kernel"), boots);
            assert_eq!(all.iter().any(|text| text == "-incoming"), !boots);
        }
    }

    #[test]
    fn sealed_memory_cannot_be_written() {
        let file = memory(1).unwrap();
        assert_eq!(rustix::io::pwrite(&file, b"x", 0).unwrap(), 1);
        seal(&file).unwrap();
        assert!(rustix::io::pwrite(&file, b"y", 0).is_err());
    }
}
