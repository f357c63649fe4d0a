//! Reads files out of a Debian package: an `ar` archive that holds a tar archive compressed by xz.
//!
//! Nothing is written to disk and nothing is executed. Every size is bounded before memory is taken for it.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

/// Calls `found` for each regular file `wanted` says yes to, with its path (no leading `./`) and contents. Both see
/// every path of the package in its order.
pub(crate) fn read(
    package: &Path,
    wanted: impl Fn(&str) -> bool,
    mut found: impl FnMut(&str, Vec<u8>),
) -> io::Result<()> {
    let mut file = BufReader::new(File::open(package)?);
    let mut magic = [0; 8];
    file.read_exact(&mut magic)?;
    if &magic != b"!<arch>\n" {
        return Err(malformed("not a Debian package"));
    }
    loop {
        let mut head = [0; 60];
        file.read_exact(&mut head).map_err(|_| malformed("the package has no data.tar.xz"))?;
        let name = head.get(..16).map(text).unwrap_or_default();
        let size: u64 = head.get(48..58).map(text).and_then(|size| size.parse().ok()).unwrap_or(0);
        let name = name.trim_end_matches('/');
        if name == "data.tar.xz" {
            let data = lzma_rust2::XzReader::new(file.take(size), false);
            return tar(data, &wanted, &mut found);
        }
        if name.starts_with("data.tar") {
            return Err(malformed("the package is compressed by something other than xz"));
        }
        io::copy(&mut (&mut file).take(size.saturating_add(size % 2)), &mut io::sink())?;
    }
}

fn tar(
    mut data: impl Read,
    wanted: &impl Fn(&str) -> bool,
    found: &mut impl FnMut(&str, Vec<u8>),
) -> io::Result<()> {
    let mut long_name = None;
    loop {
        let mut head = [0; BLOCK];
        data.read_exact(&mut head)?;
        let name = head.get(..100).map(text).unwrap_or_default();
        if name.is_empty() {
            return Ok(());
        }
        let prefix = head.get(345..500).map(text).unwrap_or_default();
        let gnu = head.get(257..265).is_some_and(|magic| magic == b"ustar  \0");
        let name = if prefix.is_empty() || gnu { name } else { format!("{prefix}/{name}") };
        let size = head.get(124..136).map(text).unwrap_or_default();
        let size = u64::from_str_radix(size.trim(), 8).map_err(|_| malformed("size of a tar entry"))?;
        let padded =
            size.checked_next_multiple_of(BLOCK as u64).ok_or_else(|| malformed("size of a tar entry"))?;
        let kind = head.get(156).copied().unwrap_or(0);
        let path = long_name.take().unwrap_or(name);
        let path = path.strip_prefix("./").unwrap_or(&path);
        let is_file = matches!(kind, 0 | b'0');
        if kind == LONG_NAME || (is_file && wanted(path)) {
            let limit = if kind == LONG_NAME { PATH_BYTES_MAX } else { FILE_BYTES_MAX };
            if size > limit {
                return Err(malformed("a tar entry is too large"));
            }
            let mut contents = Vec::new();
            (&mut data).take(padded).read_to_end(&mut contents)?;
            contents.truncate(usize::try_from(size).unwrap_or(0));
            if kind == LONG_NAME {
                long_name = Some(text(&contents));
            } else {
                found(path, contents);
            }
        } else {
            io::copy(&mut (&mut data).take(padded), &mut io::sink())?;
        }
    }
}

/// Bytes up to the first NUL, without trailing blanks.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).trim_end().to_owned()
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

const BLOCK: usize = 512;
const LONG_NAME: u8 = b'L';
const PATH_BYTES_MAX: u64 = 4_096;
/// A kernel has some 10 MiB, a module far less.
const FILE_BYTES_MAX: u64 = 128 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn block(name: &str, kind: u8, contents: &[u8]) -> Vec<u8> {
        let mut head = vec![0; BLOCK];
        head[..name.len()].copy_from_slice(name.as_bytes());
        head[124..135].copy_from_slice(format!("{:011o}", contents.len()).as_bytes());
        head[156] = kind;
        head.extend_from_slice(contents);
        head.resize(head.len().next_multiple_of(BLOCK), 0);
        head
    }

    fn files(archive: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut files = Vec::new();
        tar(archive, &|path: &str| path != "skip", &mut |path: &str, bytes| {
            files.push((path.to_owned(), bytes));
        })?;
        Ok(files)
    }

    #[test]
    fn wanted_files_come_with_their_whole_names() {
        let mut archive = block("./skip", b'0', &[7; 700]);
        archive.extend(block("././@LongLink", b'L', b"./long/name\0"));
        archive.extend(block("./long/n", b'0', b"contents"));
        archive.extend(block("./folder", b'5', b""));
        archive.extend(vec![0; 2 * BLOCK]);
        assert_eq!(files(&archive).unwrap(), [("long/name".to_owned(), b"contents".to_vec())]);
    }

    #[test]
    fn truncated_oversized_and_mangled_archives_are_errors() {
        let archive = block("./a", b'0', &[7; 700]);
        for cut in [0, 100, 511] {
            assert!(files(&archive[..cut]).is_err());
        }
        let mut bad = archive.clone();
        bad[124..135].copy_from_slice(b"77777777777");
        assert!(files(&bad).is_err());
        bad[124..135].copy_from_slice(b"zzzzzzzzzzz");
        assert!(files(&bad).is_err());
    }

    #[test]
    fn file_that_is_no_package_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.deb");
        std::fs::write(&path, "!<arch>\nshort").unwrap();
        assert!(read(&path, |_| true, |_, _| {}).is_err());
        std::fs::write(&path, "no archive at all").unwrap();
        assert!(read(&path, |_| true, |_, _| {}).is_err());
    }
}
