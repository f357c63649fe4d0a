//! By what it is noticed that a runtime's files on the host are others than when its disk was made.
//!
//! The files and folders a disk is named to hold are looked at, and what lies directly in those folders; not their
//! contents, and nothing deeper: an interpreter or a package that was replaced shows, a file changed deep inside need not.

use std::{
    fs, io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

use aws_lc_rs::digest::{Context, SHA256};
use casemate_sandbox::{HostFile, Runtime};

/// Of a runtime's root, and of further folders on the same disk.
pub(crate) fn of(runtime: &Runtime, mounts: &[HostFile]) -> io::Result<String> {
    let mut digest = Context::new(&SHA256);
    digest.update(runtime.version.as_bytes());
    let (files, hidden) = runtime.host_files()?;
    for path in hidden {
        name(&mut digest, &path);
    }
    for file in files.iter().chain(mounts) {
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
        let runtime = table.find("provided.al2023").unwrap();
        let mounts = [HostFile { host: folder.path().to_owned(), at: "/opt/sdk".into() }];
        let mut seen = vec![of(runtime, &[]).unwrap()];
        let changed = |seen: &mut Vec<String>| {
            let now = of(runtime, &mounts).unwrap();
            assert_eq!(now, of(runtime, &mounts).unwrap());
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
        assert!(of(runtime, &mounts).is_err());
    }
}
