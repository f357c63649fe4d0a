//! The guest's first root: the agent as `/init`, the shared libraries it needs, and the kernel's modules.
//!
//! The same agent and kernel give the same bytes.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{agent::Agent, cpio::Archive, kernel::Kernel};

/// Folder of the modules; their names begin with a number that orders them.
pub(crate) const MODULES_FOLDER: &str = "/modules";

/// Builds it.
pub(crate) fn build(agent: &Agent, kernel: &Kernel) -> io::Result<Vec<u8>> {
    let mut folders: BTreeSet<PathBuf> =
        ["/dev", "/proc", "/sys", "/root", MODULES_FOLDER].iter().map(PathBuf::from).collect();
    for (inside, _) in &agent.libraries {
        folders.extend(inside.ancestors().skip(1).map(Path::to_path_buf));
    }
    let mut archive = Archive::default();
    for folder in folders.iter().filter(|folder| folder.as_os_str() != "/") {
        archive.directory(folder);
    }
    archive.character_device(Path::new("/dev/console"), 5, 1);
    archive.file(Path::new("/init"), &fs::read(&agent.file)?);
    for (inside, host) in &agent.libraries {
        archive.file(inside, &fs::read(host)?);
    }
    for (number, (name, contents)) in kernel.modules.iter().enumerate() {
        let path = Path::new(MODULES_FOLDER).join(format!("{number:02}-{name}.ko"));
        archive.file(&path, contents);
    }
    Ok(archive.finish())
}
