//! Ruby as distributions install it: an interpreter and its standard library in two folders beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Family, Runtime, walk};
use crate::{
    elf,
    runtime_root::{BindKind, RootPlan},
};

/// The interpreter of a folder of the search path.
// AWS: identifiers are `ruby3.2` and later. What the host has is called by what it says itself, also where AWS has no such.
pub(super) fn found(folder: &Path) -> Option<Runtime> {
    let interpreter = folder.join("ruby").canonicalize().ok().filter(|path| elf::is_elf(path))?;
    let prefix = interpreter.parent()?.parent()?.to_path_buf();
    if !prefix.join("lib/ruby").is_dir() {
        return None;
    }
    let version = version(&interpreter)?;
    let mut parts = version.split('.');
    let id = format!("ruby{}.{}", parts.next()?, parts.next()?);
    Some(Runtime {
        id,
        family: Family::Ruby,
        version,
        interpreter: Some(interpreter),
        own: None,
        prefix: Some(prefix),
    })
}

fn version(interpreter: &Path) -> Option<String> {
    let output = Command::new(interpreter).arg("--version").env_clear().output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    version_in(&text)
}

/// `3.1.2` of `ruby 3.1.2p20 (2022-04-12 revision 4491bb740a) [x86_64-linux-gnu]`.
fn version_in(text: &str) -> Option<String> {
    let word = text.strip_prefix("ruby ")?.split(' ').next()?;
    let numbers = word.split(|c: char| c != '.' && !c.is_ascii_digit()).next()?;
    let fine = numbers.split('.').count() == 3 && numbers.split('.').all(|part| !part.is_empty());
    fine.then(|| numbers.to_owned())
}

/// Its libraries, and the compiled ones among them.
pub(super) fn add(plan: &mut RootPlan, prefix: Option<&Path>, objects: &mut Vec<PathBuf>) {
    let Some(prefix) = prefix else { return };
    let by_platform = fs::read_dir(prefix.join("lib")).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = by_platform.map(|entry| entry.path().join("ruby")).collect();
    folders.sort();
    folders.extend([prefix.join("lib/ruby"), prefix.join("share/rubygems-integration")]);
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        plan.bind(folder, BindKind::Directory);
        let compiled = walk::all(folder, DEPTH_MAX)
            .into_iter()
            .filter(|(path, kind)| kind.is_file() && path.extension().is_some_and(|end| end == "so"));
        objects.extend(compiled.map(|(path, _)| path));
    }
}

const DEPTH_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_the_interpreter_says() {
        assert_eq!(version_in("ruby 3.1.2p20 (2022-04-12 revision 4491bb740a)").as_deref(), Some("3.1.2"));
        assert_eq!(version_in("ruby 3.4.1 (2024-12-25) +PRISM [x86_64-linux]").as_deref(), Some("3.4.1"));
        for other in ["", "jruby 9.4", "ruby three", "ruby 3.1", "ruby 3..1"] {
            assert_eq!(version_in(other), None, "{other}");
        }
    }

    #[test]
    fn script_named_ruby_is_not_an_interpreter() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ruby"), "#!/bin/sh\n").unwrap();
        assert!(found(folder.path()).is_none());
    }
}
