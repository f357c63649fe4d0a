//! Writes the archive a Linux kernel unpacks as its first root: "newc" cpio, byte for byte the same for the same input.
//!
//! Knows nothing of what the entries are for.

use std::path::Path;

/// An archive being written. Parents must be added before children.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    pub(crate) fn directory(&mut self, path: &Path) {
        self.entry(path, DIRECTORY, 2, &[], None);
    }

    /// A file that everyone may read and execute.
    pub(crate) fn file(&mut self, path: &Path, contents: &[u8]) {
        self.entry(path, FILE, 1, contents, None);
    }

    pub(crate) fn character_device(&mut self, path: &Path, major: u32, minor: u32) {
        self.entry(path, CHARACTER_DEVICE, 1, &[], Some((major, minor)));
    }

    /// The whole archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entries = 0;
        self.raw("TRAILER!!!", 0, 1, &[], None);
        self.bytes
    }

    fn entry(&mut self, path: &Path, mode: u32, links: u32, contents: &[u8], device: Option<(u32, u32)>) {
        self.entries += 1;
        let name = path.to_string_lossy();
        self.raw(name.trim_start_matches('/'), mode, links, contents, device);
    }

    fn raw(&mut self, name: &str, mode: u32, links: u32, contents: &[u8], device: Option<(u32, u32)>) {
        let (major, minor) = device.unwrap_or_default();
        let size = u32::try_from(contents.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(name.len()).unwrap_or(u32::MAX).saturating_add(1);
        let fields = [self.entries, mode, 0, 0, links, 0, size, 0, 0, major, minor, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_555;
const CHARACTER_DEVICE: u32 = 0o020_600;

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Vec<u8> {
        let mut archive = Archive::default();
        archive.directory(Path::new("/dev"));
        archive.character_device(Path::new("/dev/console"), 5, 1);
        archive.file(Path::new("/init"), b"hello");
        archive.finish()
    }

    #[test]
    fn same_entries_give_the_same_bytes() {
        assert_eq!(archive(), archive());
    }

    #[test]
    fn entries_are_aligned_and_named_without_the_leading_slash() {
        let bytes = archive();
        assert_eq!(bytes.len() % 4, 0);
        assert!(bytes.starts_with(b"070701"));
        let starts = bytes.windows(6).enumerate().filter(|(_, part)| part == b"070701").map(|(at, _)| at);
        let starts: Vec<usize> = starts.collect();
        assert_eq!(starts.len(), 4);
        assert!(starts.iter().all(|at| at % 4 == 0), "{starts:?}");
        let name = &bytes[starts[2] + 110..starts[2] + 115];
        assert_eq!(name, b"init\0");
        assert!(bytes.windows(10).any(|part| part == b"TRAILER!!!"));
    }
}
