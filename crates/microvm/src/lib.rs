//! Functions in virtual machines of their own: QEMU's `microvm`, a small guest with one agent, and templates of it.
//!
//! ```text
//!   Driver ──prepare──▶ Image ──boot──▶ Machine ──start──▶ function asks for its first event
//!                                          └──snapshot──▶ Template ──clone_of──▶ Machine, Machine, …
//!
//!   host: QEMU, confined ═ virtio-serial ═ guest: agent (process 1) ── process sandbox ── function
//! ```
//! The guest has no network card and no way to write to the host: its disks are read-only, its one channel carries
//! streams and bounded messages. Inside, the same process sandbox applies as without a machine.
//!
//! Knows nothing of functions' configurations, invocations, AWS protocols or policies. What is in force and what is not:
//! `docs/isolation-microvm.md`.

pub mod confine;
mod cpio;
mod disk;
mod driver;
mod error;
pub mod firecracker;
mod frame;
pub mod guest;
mod initramfs;
mod kernel;
mod machine;
mod mux;
mod package;
mod probe;
mod protocol;
mod qemu;
mod qmp;
mod template;

pub use crate::{
    disk::CodeDisk,
    driver::{Booted, Config, Driver, Fresh, FunctionSpec, Image},
    error::Error,
    kernel::{Kernel, KernelSource},
    machine::{Connection, Machine},
    mux::Stream,
    probe::{Acceleration, Hardware, Probe},
    template::{Pending, Template},
};
