//! Functions in virtual machines of their own: QEMU's `microvm` or Firecracker, a small guest with one agent, and templates of it.
//!
//! ```text
//!   Driver ──prepare──▶ Image ──boot──▶ Machine ──start──▶ function asks for its first event
//!                                          └──snapshot──▶ Template ──clone_of──▶ Machine, Machine, …
//!
//!   Stock: a template per runtime and memory size, made before any function is known in it; templates of functions that have
//!          initialised, made when asked for
//!
//!   host: QEMU, confined ═ virtio-serial ═ guest: agent (process 1) ── process sandbox ── function
//!   or Firecracker       ═════ vsock ═════
//! ```
//! The guest has no network card and no way to write to the host: its disks are read-only, its one channel carries
//! streams and bounded messages. Inside, the same process sandbox applies as without a machine.
//!
//! Knows nothing of functions' configurations, invocations, AWS protocols or policies. What is in force and what is not:
//! `docs/isolation-microvm.md`.

mod agent;
mod arriving;
mod asking;
mod beside;
mod companions;
mod confine;
mod cpio;
mod disk;
mod driver;
mod error;
mod fingerprint;
pub mod firecracker;
mod frame;
mod guest;
mod heard;
mod initialised;
mod initramfs;
mod kept;
mod kernel;
mod line;
mod lz4;
mod machine;
mod monitor;
mod mux;
mod package;
mod probe;
mod process;
mod protocol;
mod qemu;
mod qmp;
mod roll;
mod state;
mod stock;
mod stream;
mod template;

use std::process::ExitCode;

pub use crate::{
    companions::Outlet,
    disk::{CodeDisk, Disk},
    driver::{Booted, Config, Driver, Fresh, FunctionSpec, Image, KVM, Monitor, NO_CREDENTIALS, RuntimeDisk},
    error::Error,
    heard::Tap,
    initialised::{Basis, Whose},
    kernel::KernelSource,
    line::Line,
    machine::{Connection, Machine},
    probe::{Acceleration, Hardware, Probe},
    roll::end_all,
    stock::{Limits, Stock},
    stream::Stream,
    template::{Aside, Pending, Template},
};

/// Begins `main` of a program that makes machines, after the spawner's: in a process that was started to be a guest's process 1
/// or to become QEMU it does that, and says how it ended.
///
/// One program is everything: the server copies itself into the guest, with the shared libraries it needs.
pub fn enter() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next()?;
    if first == guest::NAME {
        return Some(guest::main(arguments.next().as_deref().and_then(|stage| stage.to_str())));
    }
    (first == confine::NAME).then(|| confine::main(arguments))
}
