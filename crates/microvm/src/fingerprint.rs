//! By what it is noticed that a root's files on the host are others than when its disk was made.
//!
//! The files and folders a disk is named to hold are looked at, and what lies directly in those folders; not their
//! contents, and nothing deeper: an interpreter or a package that was replaced shows, a file changed deep inside need not.
//! Whoever starts functions looks deeper, and lets none begin whose root is not what it was.

use std::{
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

use aws_lc_rs::digest::{Context, SHA256};
use casemate_sandbox::PlannedRoot;

/// Of a root.
pub(crate) fn of(root: &PlannedRoot) -> io::Result<String> {
    let mut digest = Context::new(&SHA256);
    for path in root.hidden() {
        name(&mut digest, path);
    }
    for (path, contents) in root.written() {
        name(&mut digest, path);
        digest.update(&contents.len().to_be_bytes());
        digest.update(contents);
    }
    for (path, target) in root.links() {
        name(&mut digest, path);
        name(&mut digest, target);
    }
    for file in &root.shown() {
        name(&mut digest, &file.at);
        name(&mut digest, &file.host);
        // What is named is followed, as it is when the disk is made.
        let found = fs::metadata(&file.host)?;
        state(&mut digest, &found);
        if !found.is_dir() {
            continue;
        }
        let mut inside = fs::read_dir(&file.host)?.collect::<io::Result<Vec<_>>>()?;
        inside.sort_by_key(fs::DirEntry::file_name);
        for entry in inside {
            name(&mut digest, Path::new(&entry.file_name()));
            state(&mut digest, &entry.metadata()?);
        }
    }
    Ok(hex::encode(digest.finish()))
}

fn name(digest: &mut Context, path: &Path) {
    digest.update(path.as_os_str().as_bytes());
    digest.update(&[0]);
}

fn state(digest: &mut Context, found: &fs::Metadata) {
    for number in [found.dev(), found.ino(), found.size()] {
        digest.update(&number.to_be_bytes());
    }
    for number in [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()] {
        digest.update(&number.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use casemate_sandbox::RuntimeTable;

    use super::*;

    #[test]
    fn a_file_that_is_replaced_or_added_shows() {
        let folder = tempfile::tempdir().unwrap();
        let table = RuntimeTable::discover(OsStr::new(""));
        let plain = table.find("provided.al2023").unwrap().planned().unwrap();
        let mut seen = vec![of(&plain).unwrap()];
        let root = plain.with_task(folder.path().to_owned());
        let changed = |seen: &mut Vec<String>| {
            let now = of(&root).unwrap();
            assert_eq!(now, of(&root).unwrap());
            assert!(!seen.contains(&now));
            seen.push(now);
        };
        changed(&mut seen);
        fs::write(folder.path().join("module"), "one").unwrap();
        changed(&mut seen);
        fs::write(folder.path().join("other"), "two").unwrap();
        fs::rename(folder.path().join("other"), folder.path().join("module")).unwrap();
        changed(&mut seen);
        fs::remove_dir_all(folder.path()).unwrap();
        assert!(of(&root).is_err());
    }
}
