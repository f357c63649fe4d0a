//! A Java virtual machine: one folder with everything, and the settings that distributions keep in `/etc` instead.
//!
//! Nothing is executed: the file `release` says which version it is.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Family, Runtime, walk};
use crate::{
    elf,
    runtime_root::{BindKind, RootPlan},
};

/// The machine of a folder of the search path, and those installed beside it.
pub(super) fn found(folder: &Path) -> Vec<Runtime> {
    let Ok(program) = folder.join("java").canonicalize() else { return Vec::new() };
    let Some(home) = program.parent().and_then(Path::parent) else { return Vec::new() };
    let mut homes = vec![home.to_path_buf()];
    // Distributions install several beside each other, and one of them is on the search path.
    if let Some(all) = home.parent().filter(|all| all.ends_with("jvm")) {
        let mut beside: Vec<PathBuf> =
            fs::read_dir(all).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        beside.sort();
        homes.extend(beside.into_iter().filter(|path| !path.is_symlink()));
    }
    homes.iter().filter_map(|home| machine(home)).collect()
}

fn machine(home: &Path) -> Option<Runtime> {
    let interpreter = home.join("bin/java");
    if !elf::is_elf(&interpreter) || !home.join("lib/modules").is_file() {
        return None;
    }
    let version = version_in(&fs::read_to_string(home.join("release")).ok()?)?;
    Some(Runtime {
        id: format!("java{}", version.split('.').next()?),
        family: Family::Java,
        version,
        interpreter: Some(interpreter),
        own: None,
        prefix: Some(home.to_path_buf()),
    })
}

/// `17.0.15` of a line `JAVA_VERSION="17.0.15"`.
fn version_in(release: &str) -> Option<String> {
    let value = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?.trim_matches('"');
    let numbers = value.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    // Version 8 and before, which have another layout, call themselves 1.8.
    (numbers && !value.starts_with("1.")).then(|| value.to_owned())
}

/// The folder, what links in it lead to, and the system's libraries that its own need.
pub(super) fn add(plan: &mut RootPlan, home: Option<&Path>, objects: &mut Vec<PathBuf>) {
    let Some(home) = home else { return };
    plan.bind(home, BindKind::Directory);
    for part in ["conf", "lib"] {
        outside(&home.join(part), home, plan);
    }
    let libraries = walk::all(&home.join("lib"), 0).into_iter().map(|(path, _)| path);
    let wanted = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        path.extension().is_some_and(|end| end == "so")
            && !GRAPHICAL.iter().any(|part| name.starts_with(part))
    };
    objects.extend(libraries.filter(wanted));
    objects.push(home.join("lib/server/libjvm.so"));
}

/// Files of the host that links inside lead to, at their own places.
fn outside(folder: &Path, home: &Path, plan: &mut RootPlan) {
    for (path, _) in walk::all(folder, DEPTH_MAX).iter().filter(|(_, kind)| kind.is_symlink()) {
        if let Ok(target) = path.canonicalize()
            && target.is_file()
            && SETTINGS.iter().any(|folder| target.starts_with(folder))
            && !target.starts_with(home)
            && !plan.binds.iter().any(|bind| bind.mount.at == target)
        {
            plan.bind(&target, BindKind::File);
        }
    }
}

/// Where distributions keep a machine's settings and certificates.
const SETTINGS: [&str; 2] = ["/etc", "/usr/share"];
const DEPTH_MAX: usize = 6;

/// Libraries for screens, sound and debuggers: they would bring the host's graphical libraries along.
const GRAPHICAL: [&str; 10] = [
    "libawt",
    "libjawt",
    "libsplash",
    "libfontmanager",
    "libfreetype",
    "libjsound",
    "libjavajpeg",
    "liblcms",
    "libmlib",
    "libatk",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_release_file() {
        assert_eq!(version_in("A=1\nJAVA_VERSION=\"17.0.15\"\n").as_deref(), Some("17.0.15"));
        assert_eq!(version_in("JAVA_VERSION=\"25\"").as_deref(), Some("25"));
        for other in ["", "JAVA_VERSION=\"1.8.0_392\"", "JAVA_VERSION=\"21-ea\"", "JAVA_VERSION=\"1.8\""] {
            assert_eq!(version_in(other), None, "{other}");
        }
    }

    #[test]
    fn a_folder_without_a_machine_has_none() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("home/bin")).unwrap();
        fs::write(folder.path().join("home/bin/java"), "#!/bin/sh\n").unwrap();
        fs::write(folder.path().join("home/release"), "JAVA_VERSION=\"17.0.1\"\n").unwrap();
        assert!(found(&folder.path().join("home/bin")).is_empty());
    }
}
