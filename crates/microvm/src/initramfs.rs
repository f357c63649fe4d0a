//! The guest's first root: the agent as `/init`, the shared libraries it needs, and the kernel's modules.
//!
//! The same agent and kernel give the same bytes.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{cpio::Archive, kernel::Kernel};

/// Folder of the modules; their names begin with a number that orders them.
pub(crate) const MODULES_FOLDER: &str = "/modules";

/// Builds it. `agent` is the program that becomes process 1.
pub(crate) fn build(agent: &Path, kernel: &Kernel) -> io::Result<Vec<u8>> {
    let libraries = casemate_sandbox::shared_libraries(agent)?;
    let mut folders: BTreeSet<PathBuf> =
        ["/dev", "/proc", "/sys", "/root", MODULES_FOLDER].iter().map(PathBuf::from).collect();
    for (inside, _) in &libraries {
        folders.extend(inside.ancestors().skip(1).map(Path::to_path_buf));
    }
    let mut archive = Archive::default();
    for folder in folders.iter().filter(|folder| folder.as_os_str() != "/") {
        archive.directory(folder);
    }
    archive.character_device(Path::new("/dev/console"), 5, 1);
    archive.file(Path::new("/init"), &fs::read(agent)?);
    for (inside, host) in &libraries {
        archive.file(inside, &fs::read(host)?);
    }
    for (number, (name, contents)) in kernel.modules.iter().enumerate() {
        let path = Path::new(MODULES_FOLDER).join(format!("{number:02}-{name}.ko"));
        archive.file(&path, contents);
    }
    Ok(archive.finish())
}
