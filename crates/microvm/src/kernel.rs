//! The guest's kernel and the modules it needs to see its devices, from a distribution's package or from files.
//!
//! What is booted is recorded by its SHA-256. Nothing is downloaded here and nothing is installed.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, digest};

use crate::{lz4, package};

/// A kernel image with its modules, in memory.
#[derive(Clone)]
pub(crate) struct Kernel {
    /// Version as the package's paths say, or `file`.
    pub(crate) version: String,
    /// SHA-256 of the image, in hexadecimal digits.
    pub(crate) sha256: String,
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
    /// Reads it, with those of the `wanted` modules that it has. Takes about a second for a package; blocks.
    pub(crate) fn read(source: &KernelSource, wanted: &[&'static str]) -> io::Result<Self> {
        match source {
            KernelSource::Package(path) => Self::from_package(path, wanted),
            KernelSource::Image(path) => Self::new("file".to_owned(), fs::read(path)?, Vec::new()),
        }
    }

    fn from_package(path: &Path, modules: &[&'static str]) -> io::Result<Self> {
        let mut image = None;
        let mut found = BTreeMap::new();
        let wanted = |path: &str| image_version(path).is_some() || module_name(path, modules).is_some();
        package::read(path, wanted, |path, bytes| match image_version(path) {
            Some(version) => image = Some((version.to_owned(), bytes)),
            None => found.extend(module_name(path, modules).map(|name| (name, bytes))),
        })?;
        let (version, image) = image.ok_or_else(|| invalid("the package holds no boot/vmlinuz"))?;
        // A module that is not there is built in, or its absence shows when the guest finds no device.
        let modules = modules.iter().filter_map(|name| found.remove_entry(name));
        let modules = modules.map(|(name, bytes)| (name.to_owned(), bytes)).collect();
        Self::new(version, image, modules)
    }

    fn new(version: String, image: Vec<u8>, modules: Vec<(String, Vec<u8>)>) -> io::Result<Self> {
        // The boot protocol's magic number ("HdrS"), or an ELF file for PVH.
        let bz_image = image.get(0x202..0x206) == Some(b"HdrS");
        if !bz_image && !image.starts_with(ELF) {
            return Err(invalid("the kernel is neither a bzImage nor an ELF file"));
        }
        let sha256 = hex::encode(digest(&SHA256, &image));
        Ok(Self { version, sha256, image, modules })
    }

    /// The same kernel as the ELF file in it, which is all that Firecracker boots.
    pub(crate) fn uncompressed(self) -> io::Result<Self> {
        if self.image.starts_with(ELF) {
            return Ok(self);
        }
        let number = |at: usize| {
            let bytes = self.image.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.and_then(|bytes| usize::try_from(u32::from_le_bytes(bytes)).ok())
        };
        let not_whole = || invalid("the kernel's image is not whole");
        // The boot protocol's head: sectors of set-up code, of which none means four, then where in the rest the kernel lies.
        let sectors = self.image.get(SETUP_SECTORS).copied().map(usize::from).ok_or_else(not_whole)?;
        let setup = (if sectors == 0 { 4 } else { sectors } + 1) * 512;
        let payload = number(PAYLOAD_OFFSET).zip(number(PAYLOAD_LENGTH)).and_then(|(offset, length)| {
            let begin = setup.checked_add(offset)?;
            self.image.get(begin..begin.checked_add(length)?)
        });
        let payload = payload.ok_or_else(not_whole)?;
        let image = unpacked(payload)?;
        if !image.starts_with(ELF) {
            return Err(invalid("the kernel in its image is no ELF file"));
        }
        Self::new(self.version, image, self.modules)
    }
}

/// By the two ways that Debian's and Ubuntu's kernels are compressed in.
fn unpacked(payload: &[u8]) -> io::Result<Vec<u8>> {
    if payload.starts_with(lz4::MAGIC) {
        let unpacked = lz4::unpack(payload, IMAGE_BYTES_MAX);
        return unpacked.ok_or_else(|| invalid("the kernel's compressed image is not whole"));
    }
    if !payload.starts_with(XZ) {
        let why = "the kernel is compressed by something other than xz or lz4: give an ELF file (vmlinux)";
        return Err(invalid(why));
    }
    let mut image = Vec::new();
    let most = u64::try_from(IMAGE_BYTES_MAX).unwrap_or(0);
    lzma_rust2::XzReader::new(payload, false).take(most).read_to_end(&mut image)?;
    Ok(image)
}

fn image_version(path: &str) -> Option<&str> {
    path.strip_prefix("boot/vmlinuz-")
}

fn module_name(path: &str, wanted: &[&'static str]) -> Option<&'static str> {
    let file = path.rsplit_once('/').filter(|(folder, _)| folder.contains("lib/modules/"))?.1;
    let name = file.strip_suffix(".ko")?;
    wanted.iter().find(|module| **module == name).copied()
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

const ELF: &[u8] = b"\x7fELF";
const XZ: &[u8] = b"\xfd7zXZ\0";
/// Where things are in the head of Linux's boot protocol.
const SETUP_SECTORS: usize = 0x1f1;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
/// A distribution's kernel has some 50 MB.
const IMAGE_BYTES_MAX: usize = 512 << 20;
/// What the guest's devices need, each after those it depends on: `virtio` depends on `virtio_ring` in newer kernels (Debian's
/// 6.1.192), neither on the other in older ones.
pub(crate) const QEMU_MODULES: [&str; 5] =
    ["virtio_ring", "virtio", "virtio_mmio", "virtio_console", "virtio_blk"];
/// The same with Firecracker's channel.
pub(crate) const FIRECRACKER_MODULES: [&str; 7] = [
    "virtio_ring",
    "virtio",
    "virtio_mmio",
    "virtio_blk",
    "vsock",
    "vmw_vsock_virtio_transport_common",
    "vmw_vsock_virtio_transport",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_that_is_no_kernel_is_refused() {
        assert!(Kernel::new(String::new(), b"#!/bin/sh\n".to_vec(), Vec::new()).is_err());
        assert!(Kernel::new(String::new(), vec![0; 1024], Vec::new()).is_err());
    }

    #[test]
    fn elf_file_is_taken_out_of_a_whole_image_only() {
        let payload = [
            // `\x7fELF and more`, compressed by `xz`.
            0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46,
        ];
        let image = |offset: u32, length: u32, payload: &[u8]| {
            let mut image = vec![0; 5 * 512];
            image[SETUP_SECTORS] = 4;
            image[0x202..0x206].copy_from_slice(b"HdrS");
            image[PAYLOAD_OFFSET..PAYLOAD_OFFSET + 4].copy_from_slice(&offset.to_le_bytes());
            image[PAYLOAD_LENGTH..PAYLOAD_LENGTH + 4].copy_from_slice(&length.to_le_bytes());
            image.extend_from_slice(payload);
            Kernel::new("v".into(), image, Vec::new()).unwrap().uncompressed()
        };
        let length = u32::try_from(payload.len()).unwrap();
        for (refused, why) in [
            (image(0, length + 1, &payload), "not whole"),
            (image(u32::MAX, u32::MAX, &payload), "not whole"),
            (image(0, 2, b"\x1f\x8b"), "other than xz"),
            (image(0, 8, b"\x02\x21\x4c\x18\xff\xff\xff\xff"), "no ELF file"),
            (image(0, 9, b"\x02\x21\x4c\x18\xff\xff\xff\xff\0"), "not whole"),
            (image(0, length, &payload), ""),
        ] {
            assert!(refused.unwrap_err().to_string().contains(why));
        }
        let elf = Kernel::new("v".into(), b"\x7fELF".to_vec(), Vec::new()).unwrap();
        assert_eq!(elf.uncompressed().unwrap().image, b"\x7fELF");
    }

    #[test]
    fn only_the_modules_on_the_list_are_taken() {
        let named = |path| module_name(path, &QEMU_MODULES);
        assert_eq!(named("lib/modules/6.1/kernel/drivers/virtio/virtio.ko"), Some("virtio"));
        assert_eq!(named("lib/modules/6.1/kernel/drivers/net/virtio_net.ko"), None);
        assert_eq!(named("lib/modules/6.1/kernel/net/vmw_vsock/vsock.ko"), None);
        assert_eq!(named("usr/share/virtio.ko"), None);
        assert_eq!(image_version("boot/vmlinuz-6.1.0-48-cloud-amd64"), Some("6.1.0-48-cloud-amd64"));
    }
}
