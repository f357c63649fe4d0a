//! scratch
pub mod confine;
mod cpio;
mod disk;
mod driver;
mod error;
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
