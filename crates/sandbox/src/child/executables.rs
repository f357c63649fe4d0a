//! Which files must be executable so that listed programs run: themselves and what the kernel executes on their behalf.
//!
//! A script is executed by the interpreter its first line names, a dynamically linked program by its loader. Paths are
//! those inside, after the root has been entered. What is not there, or is neither, gets no right.

use std::{
    ffi::OsStr,
    fs::File,
    io::Read,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use crate::elf;

/// The runtime's program, the listed ones, and their interpreters and loaders.
pub(super) fn with_interpreters(runtime: &Path, listed: &[String]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for program in std::iter::once(runtime).chain(listed.iter().map(Path::new)) {
        let mut next = Some(program.to_path_buf());
        for _ in 0..=INTERPRETERS_MAX {
            let Some(file) = next.filter(|file| file.is_file()) else { break };
            next = interpreter(&file);
            found.push(file);
        }
    }
    found.sort();
    found.dedup();
    found
}

fn interpreter(file: &Path) -> Option<PathBuf> {
    let mut head = [0; FIRST_LINE_BYTES_MAX];
    let length = File::open(file).and_then(|mut file| file.read(&mut head)).ok()?;
    if let Some(line) = head.get(..length)?.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next()?;
        let name = line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty())?;
        return Some(PathBuf::from(OsStr::from_bytes(name)));
    }
    elf::needs(file).ok()?.loader
}

/// The kernel's BINPRM_BUF_SIZE: what it reads of a script's first line.
const FIRST_LINE_BYTES_MAX: usize = 256;
/// How many interpreters deep the kernel goes, and the last one's loader.
const INTERPRETERS_MAX: usize = 6;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn interpreters_of_scripts_and_loaders_of_programs_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let program = std::env::current_exe().unwrap();
        fs::write(at("script"), format!("#! {} -x\n", program.display())).unwrap();
        fs::write(at("outer"), format!("#!{}", at("script").display())).unwrap();
        let listed = [at("outer").display().to_string(), "/not/there".to_owned()];
        let found = with_interpreters(&at("none"), &listed);
        let loader = elf::needs(&program).unwrap().loader.unwrap();
        assert!([at("outer"), at("script"), program, loader].iter().all(|file| found.contains(file)));
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn a_script_that_names_itself_comes_to_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("loop");
        fs::write(&file, format!("#!{}\n", file.display())).unwrap();
        assert_eq!(with_interpreters(&file, &[]), [file]);
    }
}
