//! The plan of a root that lies in a folder of its own: an operator's runtime, or an unpacked container image.
//!
//! What the folder holds is shown at its place, read-only; a symbolic link is made again and never followed here, so it can
//! lead only to what is inside. Devices, `/proc`, `/sys` and `/tmp` are the environment's own, as are the files that say who
//! the machine is. The host's files are not in it. Who may write to the folder, the caller has looked at.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    runtime_root::{Bind, BindKind, ETC, RootPlan},
    spec::Mount,
};

/// Plans the root. `keeps_runtime`: `/var/runtime` is the folder's, not a bootstrap's.
pub(crate) fn plan(folder: &Path, keeps_runtime: bool) -> io::Result<RootPlan> {
    let mut plan = RootPlan::devices();
    for (name, path) in entries(folder)? {
        let at = Path::new("/").join(&name);
        if OWN.iter().any(|own| name == *own) {
            continue;
        }
        if !SHARED.iter().any(|shared| name == *shared) {
            show(&mut plan, path, at)?;
            continue;
        }
        if !fs::symlink_metadata(&path)?.is_dir() {
            let why = format!("/{name} must be a folder in a runtime's root");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        for (name, path) in entries(&path)? {
            let at = at.join(name);
            let own = at == Path::new("/var/task") || (at == Path::new("/var/runtime") && !keeps_runtime);
            if !own && !ALWAYS_OURS.iter().any(|ours| at == Path::new(ours)) {
                show(&mut plan, path, at)?;
            }
        }
    }
    for (path, text) in ETC {
        let path = PathBuf::from(path);
        let taken = plan.binds.iter().any(|bind| bind.mount.at == path)
            || plan.links.iter().any(|(link, _)| *link == path);
        if !taken {
            plan.files.push((path, text.as_bytes().to_vec()));
        }
    }
    if plan.binds.len() > BINDS_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "too many files at the top of the root"));
    }
    Ok(plan)
}

fn show(plan: &mut RootPlan, host: PathBuf, at: PathBuf) -> io::Result<()> {
    let kind = fs::symlink_metadata(&host)?.file_type();
    let kind = if kind.is_symlink() {
        plan.links.push((at, fs::read_link(&host)?));
        return Ok(());
    } else if kind.is_dir() {
        BindKind::Directory
    } else if kind.is_file() {
        BindKind::File
    } else {
        // Sockets, pipes and devices are nobody's here.
        return Ok(());
    };
    plan.binds.push(Bind { mount: Mount { host, at }, kind });
    Ok(())
}

/// What a folder holds, by name; names that are not UTF-8 are an error, since plans travel as text.
fn entries(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string();
        let name = name.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a name is not UTF-8"))?;
        all.push((name, entry.path()));
    }
    all.sort();
    Ok(all)
}

/// Folders that every environment makes itself.
const OWN: [&str; 4] = ["dev", "proc", "sys", "tmp"];
/// Folders that hold both files of the root and files of the environment.
const SHARED: [&str; 2] = ["etc", "var"];
/// Files that say which machine this is and where names are looked up.
const ALWAYS_OURS: [&str; 2] = ["/etc/hosts", "/etc/resolv.conf"];
/// Mounts of one root. Ours: a distribution has some 150 files in `/etc`.
const BINDS_MAX: usize = 2_000;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn paths(plan: &RootPlan) -> Vec<String> {
        plan.binds.iter().map(|bind| bind.mount.at.display().to_string()).collect()
    }

    #[test]
    fn a_root_shows_its_own_files_and_none_of_the_hosts() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["usr/bin", "etc/ssl", "var/lib", "var/task", "var/runtime", "proc/1", "dev", "tmp"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for name in ["etc/passwd", "etc/resolv.conf", "etc/hosts", "dev/sda"] {
            fs::write(at(name), "x").unwrap();
        }
        symlink("/etc/shadow", at("etc/shadow")).unwrap();
        symlink("usr/bin", at("bin")).unwrap();
        let plan = plan(folder.path(), true).unwrap();
        let shown: Vec<String> = paths(&plan).into_iter().filter(|path| !path.starts_with("/dev/")).collect();
        assert_eq!(shown, ["/etc/passwd", "/etc/ssl", "/usr", "/var/lib", "/var/runtime"]);
        assert!(!paths(&plan).contains(&"/dev/sda".to_owned()));
        let links: Vec<_> = plan.links.iter().filter(|(at, _)| !at.starts_with("/dev")).cloned().collect();
        let link = |at: &str, to: &str| (PathBuf::from(at), PathBuf::from(to));
        assert_eq!(links, [link("/bin", "usr/bin"), link("/etc/shadow", "/etc/shadow")]);
        // Every file of the host that is bound lies in the folder, or is a harmless device.
        assert!(
            plan.binds
                .iter()
                .all(|bind| { bind.kind == BindKind::Device || bind.mount.host.starts_with(folder.path()) })
        );
        let written: Vec<_> = plan.files.iter().map(|(path, _)| path.display().to_string()).collect();
        assert_eq!(written, ["/etc/group", "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf"]);
    }

    #[test]
    fn a_bootstrap_of_ours_replaces_the_roots_runtime_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("var/runtime")).unwrap();
        assert!(!paths(&plan(folder.path(), false).unwrap()).contains(&"/var/runtime".to_owned()));
    }

    #[test]
    fn a_root_whose_etc_is_a_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        symlink("/etc", folder.path().join("etc")).unwrap();
        assert!(plan(folder.path(), true).is_err());
        let folder = tempfile::tempdir().unwrap();
        symlink("/var", folder.path().join("var")).unwrap();
        assert!(plan(folder.path(), true).is_err());
    }
}
