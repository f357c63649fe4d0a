//! The guest's kernel and the modules it needs to see its devices, from a distribution's package or from files.
//!
//! What is booted is recorded by its SHA-256. Nothing is downloaded here and nothing is installed.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};

use crate::package;

/// A kernel image with its modules, in memory.
#[derive(Clone)]
pub struct Kernel {
    /// Version as the package's paths say, or `file`.
    pub version: String,
    /// SHA-256 of the image, in hexadecimal digits.
    pub sha256: String,
    pub(crate) image: Vec<u8>,
    /// In the order in which they must be loaded.
    pub(crate) modules: Vec<(String, Vec<u8>)>,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel")
            .field("version", &self.version)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

/// Where a kernel comes from.
#[derive(Clone, Debug)]
pub enum KernelSource {
    /// A Debian or Ubuntu kernel package, `linux-image-…-cloud-amd64_….deb`.
    Package(PathBuf),
    /// A kernel image that has everything built in (`virtio_mmio`, `virtio_blk`, `virtio_console`, ext4).
    Image(PathBuf),
}

impl KernelSource {
    /// By the file's name: what ends in `.deb` is a package.
    pub fn from_path(path: &Path) -> Self {
        if path.extension().is_some_and(|end| end == "deb") {
            Self::Package(path.to_path_buf())
        } else {
            Self::Image(path.to_path_buf())
        }
    }
}

impl Kernel {
    /// Reads it. Takes about a second for a package; blocks.
    pub fn read(source: &KernelSource) -> io::Result<Self> {
        match source {
            KernelSource::Package(path) => Self::from_package(path),
            KernelSource::Image(path) => Self::new("file".to_owned(), fs::read(path)?, Vec::new()),
        }
    }

    fn from_package(path: &Path) -> io::Result<Self> {
        let mut image = None;
        let mut found = BTreeMap::new();
        let wanted = |path: &str| image_version(path).is_some() || module_name(path).is_some();
        package::read(path, wanted, |path, bytes| match image_version(path) {
            Some(version) => image = Some((version.to_owned(), bytes)),
            None => found.extend(module_name(path).map(|name| (name, bytes))),
        })?;
        let (version, image) = image.ok_or_else(|| invalid("the package holds no boot/vmlinuz"))?;
        // A module that is not there is built in, or its absence shows when the guest finds no device.
        let modules = MODULES.iter().filter_map(|name| found.remove_entry(name));
        let modules = modules.map(|(name, bytes)| (name.to_owned(), bytes)).collect();
        Self::new(version, image, modules)
    }

    fn new(version: String, image: Vec<u8>, modules: Vec<(String, Vec<u8>)>) -> io::Result<Self> {
        // The boot protocol's magic number ("HdrS"), or an ELF file for PVH.
        let bz_image = image.get(0x202..0x206) == Some(b"HdrS");
        if !bz_image && !image.starts_with(b"\x7fELF") {
            return Err(invalid("the kernel is neither a bzImage nor an ELF file"));
        }
        let sha256 = hex::encode(digest(&SHA256, &image));
        Ok(Self { version, sha256, image, modules })
    }

    /// Names of the modules that are loaded, in order.
    pub fn modules(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().map(|(name, _)| name.as_str())
    }
}

fn image_version(path: &str) -> Option<&str> {
    path.strip_prefix("boot/vmlinuz-")
}

fn module_name(path: &str) -> Option<&'static str> {
    let file = path.rsplit_once('/').filter(|(folder, _)| folder.contains("lib/modules/"))?.1;
    let name = file.strip_suffix(".ko")?;
    MODULES.iter().find(|module| **module == name).copied()
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// What the guest's devices need, each after those it depends on: `virtio` depends on `virtio_ring` in newer kernels (Debian's
/// 6.1.192), neither on the other in older ones.
const MODULES: [&str; 5] = ["virtio_ring", "virtio", "virtio_mmio", "virtio_console", "virtio_blk"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_that_is_no_kernel_is_refused() {
        assert!(Kernel::new(String::new(), b"#!/bin/sh\n".to_vec(), Vec::new()).is_err());
        assert!(Kernel::new(String::new(), vec![0; 1024], Vec::new()).is_err());
    }

    #[test]
    fn only_the_modules_on_the_list_are_taken() {
        assert_eq!(module_name("lib/modules/6.1/kernel/drivers/virtio/virtio.ko"), Some("virtio"));
        assert_eq!(module_name("lib/modules/6.1/kernel/drivers/net/virtio_net.ko"), None);
        assert_eq!(module_name("usr/share/virtio.ko"), None);
        assert_eq!(image_version("boot/vmlinuz-6.1.0-48-cloud-amd64"), Some("6.1.0-48-cloud-amd64"));
    }
}
