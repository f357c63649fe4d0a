//! The program that becomes process 1 of guests: a copy of what of it is loaded, and the shared libraries it needs.
//!
//! Copied once, so that a program that is replaced on disk meanwhile changes nothing.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    pub(crate) file: PathBuf,
    /// Path inside, path on the host.
    pub(crate) libraries: Vec<(PathBuf, PathBuf)>,
}

impl Agent {
    /// Copies `program` to `file`. What only debuggers and linkers read stays behind.
    pub(crate) fn copy(program: &Path, file: PathBuf) -> io::Result<Self> {
        let libraries = casemate_sandbox::shared_libraries(program)?;
        let source = File::open(program)?;
        let loaded = casemate_sandbox::loaded_bytes(&source)?;
        io::copy(&mut source.take(loaded), &mut File::create(&file)?)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o555))?;
        Ok(Self { file, libraries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_is_a_program_and_what_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let own = std::env::current_exe().unwrap();
        let agent = Agent::copy(&own, folder.path().join("agent")).unwrap();
        assert!(fs::metadata(&agent.file).unwrap().len() <= fs::metadata(&own).unwrap().len());
        let ran =
            std::process::Command::new(&agent.file).args(["--list", "--exact", "none"]).output().unwrap();
        assert!(ran.status.success());
        assert!(Agent::copy(Path::new("/etc/passwd"), folder.path().join("other")).is_err());
    }
}
