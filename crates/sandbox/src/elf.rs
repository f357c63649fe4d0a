//! Reads from an ELF file what its loader would read: the loader's path, the libraries needed, the search path.
//!
//! Files are looked at, never run. 64-bit little-endian only, which is every platform this crate supports.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// What an ELF file asks of its loader.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Needs {
    /// Path of the loader; `None` for static programs and libraries.
    pub(crate) loader: Option<PathBuf>,
    /// Names of libraries.
    pub(crate) libraries: Vec<String>,
    /// Directories to look in first, `$ORIGIN` resolved.
    pub(crate) search: Vec<PathBuf>,
}

/// Whether the file starts as an ELF file does (and is not, say, a script).
pub(crate) fn is_elf(path: &Path) -> bool {
    let mut magic = [0_u8; 4];
    File::open(path).is_ok_and(|file| file.read_exact_at(&mut magic, 0).is_ok()) && magic == *b"\x7fELF"
}

/// How much of a program's file is loaded when it is executed; what follows is for debuggers and linkers. `InvalidData` if it
/// is not a well-formed ELF file.
pub fn loaded_bytes(file: &File) -> io::Result<u64> {
    let head = bytes(file, 0, HEADER_BYTES)?;
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return Err(malformed());
    }
    let (table, count) = (word(&head, 32)?, u64::from(half(&head, 56)?.min(PROGRAM_HEADERS_MAX)));
    let end = |at: u64, size: u64| at.checked_add(size).ok_or_else(malformed);
    let mut loaded = end(table, count * ENTRY_BYTES as u64)?;
    for index in 0..count {
        let entry = bytes(file, end(table, index * ENTRY_BYTES as u64)?, ENTRY_BYTES)?;
        // Whatever its kind: the loader's name and notes lie within what is loaded, and if not, they are wanted, too.
        loaded = loaded.max(end(word(&entry, 8)?, word(&entry, 32)?)?);
    }
    Ok(loaded)
}

/// Reads what a program or library needs. `InvalidData` if it is not a well-formed ELF file.
pub(crate) fn needs(path: &Path) -> io::Result<Needs> {
    let file = File::open(path)?;
    let head = bytes(&file, 0, HEADER_BYTES)?;
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return Err(malformed());
    }
    let (table, count) = (word(&head, 32)?, half(&head, 56)?);
    let mut needs = Needs::default();
    let mut loads = Vec::new();
    let mut dynamic = None;
    for index in 0..u64::from(count.min(PROGRAM_HEADERS_MAX)) {
        let offset = index.checked_mul(ENTRY_BYTES as u64).and_then(|at| at.checked_add(table));
        let entry = bytes(&file, offset.ok_or_else(malformed)?, ENTRY_BYTES)?;
        let (offset, address, size) = (word(&entry, 8)?, word(&entry, 16)?, word(&entry, 32)?);
        match int(&entry, 0)? {
            PT_LOAD => loads.push((address, offset, size)),
            PT_DYNAMIC => dynamic = Some((offset, size)),
            PT_INTERP => {
                let name = bytes(&file, offset, usize::try_from(size.min(4096)).unwrap_or(0))?;
                needs.loader = Some(PathBuf::from(text(&name, 0)?));
            }
            _ => {}
        }
    }
    if let Some((offset, size)) = dynamic {
        read_dynamic(&file, &bytes(&file, offset, bounded(size))?, &loads, path, &mut needs)?;
    }
    Ok(needs)
}

fn read_dynamic(
    file: &File,
    table: &[u8],
    loads: &[(u64, u64, u64)],
    path: &Path,
    needs: &mut Needs,
) -> io::Result<()> {
    let (mut strings, mut strings_size) = (0, 0);
    let (mut names, mut paths) = (Vec::new(), Vec::new());
    for entry in table.chunks_exact(16) {
        let value = word(entry, 8)?;
        match word(entry, 0)? {
            DT_NULL => break,
            DT_NEEDED => names.push(value),
            DT_STRTAB => strings = value,
            DT_STRSZ => strings_size = value,
            DT_RPATH | DT_RUNPATH => paths.push(value),
            _ => {}
        }
    }
    if names.is_empty() && paths.is_empty() {
        return Ok(());
    }
    let inside = |(address, _, size): &&(u64, u64, u64)| {
        strings >= *address && strings.checked_sub(*address).is_some_and(|at| at < *size)
    };
    let (address, offset, _) = loads.iter().find(inside).ok_or_else(malformed)?;
    let at = (strings - address).checked_add(*offset).ok_or_else(malformed)?;
    let strings = bytes(file, at, bounded(strings_size))?;
    for name in names {
        needs.libraries.push(text(&strings, name)?);
    }
    let origin = path.canonicalize()?.parent().map(Path::to_path_buf).unwrap_or_default();
    for value in paths {
        for part in text(&strings, value)?.split(':').filter(|part| !part.is_empty()) {
            let part = part.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", &origin.to_string_lossy());
            needs.search.push(PathBuf::from(part));
        }
    }
    Ok(())
}

fn bytes(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; length];
    file.read_exact_at(&mut buffer, offset)?;
    Ok(buffer)
}

fn word(bytes: &[u8], at: usize) -> io::Result<u64> {
    let part = bytes.get(at..at.saturating_add(8)).and_then(|part| part.try_into().ok());
    part.map(u64::from_le_bytes).ok_or_else(malformed)
}

fn int(bytes: &[u8], at: usize) -> io::Result<u32> {
    let part = bytes.get(at..at.saturating_add(4)).and_then(|part| part.try_into().ok());
    part.map(u32::from_le_bytes).ok_or_else(malformed)
}

fn half(bytes: &[u8], at: usize) -> io::Result<u16> {
    let part = bytes.get(at..at.saturating_add(2)).and_then(|part| part.try_into().ok());
    part.map(u16::from_le_bytes).ok_or_else(malformed)
}

fn text(bytes: &[u8], at: u64) -> io::Result<String> {
    let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).ok_or_else(malformed)?;
    let end = rest.iter().position(|byte| *byte == 0).ok_or_else(malformed)?;
    Ok(String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned())
}

/// Tables are at most this long, so that a hostile size cannot make us allocate.
fn bounded(size: u64) -> usize {
    usize::try_from(size.min(1 << 22)).unwrap_or(0)
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a well-formed ELF file")
}

const HEADER_BYTES: usize = 64;
const ENTRY_BYTES: usize = 56;
const PROGRAM_HEADERS_MAX: u16 = 64;
const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_test_binary_needs_a_loader_and_libc() {
        let needs = needs(Path::new("/proc/self/exe")).unwrap();
        assert!(needs.loader.is_some());
        assert!(needs.libraries.iter().any(|name| name.starts_with("libc.so")), "{needs:?}");
    }

    #[test]
    fn script_is_not_an_elf_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script");
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        assert!(!is_elf(&path));
        assert!(needs(&path).is_err());
    }

    #[test]
    fn truncated_and_mangled_files_are_errors_and_not_panics() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("elf");
        let mut whole = std::fs::read("/proc/self/exe").unwrap();
        whole.truncate(4096);
        for cut in [4, 40, 63, 64, 100, 300, 4096] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let _ = needs(&path);
        }
        for at in (0..1024).step_by(3) {
            let mut bad = whole.clone();
            bad[at] ^= 0xff;
            std::fs::write(&path, &bad).unwrap();
            let _ = needs(&path);
        }
    }
}
