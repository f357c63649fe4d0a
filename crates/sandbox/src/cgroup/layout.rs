//! Where this host has which controller, the server's own folder in each, and what dead servers left behind.

use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    cgroup::{Freezing, Group, Limits, Place, Refused, Version, put},
    layer::{Layer, LayerReport, Status},
    sys,
};

/// The server's folders, below the control group it was started in, so that limits set on the server hold.
#[derive(Debug)]
pub(crate) struct Cgroups {
    /// Controller (or `""` for the unified tree itself) → the server's folder.
    bases: BTreeMap<&'static str, Place>,
}

impl Cgroups {
    /// Looks around, sweeps, and makes the server's folders where it may.
    pub(crate) fn discover() -> io::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let mut bases = BTreeMap::new();
        let name = format!("{BASE_PREFIX}{}-{}", sys::own_pid(), DRIVERS.fetch_add(1, Ordering::Relaxed));
        for (controller, place) in locate(&mounts, &own) {
            sweep(&place.path);
            if let Some(base) = make_base(controller, &place, &name) {
                bases.insert(controller, base);
            }
        }
        // Memory, processes and cpu may be the unified tree's if the old interface has none of them.
        if let Some(unified) = bases.get(UNIFIED).cloned() {
            for controller in enabled(&unified.path) {
                bases.entry(controller).or_insert_with(|| unified.clone());
            }
        }
        Ok(Self { bases })
    }

    /// Makes the groups of one environment. What was made is removed again if a limit cannot be set.
    pub(crate) fn create(&self, name: &str, limits: Limits) -> Result<Group, Refused> {
        let group = self.plan(name, limits)?;
        let made = group.folders.iter().try_for_each(|place| match fs::create_dir(&place.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err((Layer::MemoryLimit, error)),
            _ => Ok(()),
        });
        if let Err(refused) = made.and_then(|()| group.set_limits()) {
            let _ = group.remove();
            return Err(refused);
        }
        Ok(group)
    }

    fn plan(&self, name: &str, limits: Limits) -> Result<Group, Refused> {
        let place = |controller: &str, layer| {
            let base = self.bases.get(controller);
            let base = base
                .ok_or_else(|| (layer, io::Error::other(format!("no writable `{controller}` controller"))))?;
            Ok(Place { path: base.path.join(name), version: base.version })
        };
        let unified = self.bases.get(UNIFIED).map(|base| base.path.join(name));
        let memory = place("memory", Layer::MemoryLimit)?;
        let pids = place("pids", Layer::ProcessLimit)?;
        let cpu = place("cpu", Layer::CpuLimit)?;
        let old_freezer = place("freezer", Layer::Freezer).ok();
        let freezing = match (&unified, &old_freezer) {
            (Some(folder), _) => Freezing::Two(folder.clone()),
            (None, Some(old)) => Freezing::One(old.path.clone()),
            (None, None) => Freezing::Signals,
        };
        let mut folders = vec![memory.clone(), pids.clone(), cpu.clone()];
        folders.extend(unified.iter().map(|path| Place { path: path.clone(), version: Version::Two }));
        if unified.is_none() {
            folders.extend(old_freezer);
        }
        folders.sort_by(|one, other| one.path.cmp(&other.path));
        folders.dedup_by(|one, other| one.path == other.path);
        Ok(Group { folders, memory, pids, cpu, freezing, unified, limits })
    }

    /// Tries it out with an empty group.
    pub(crate) fn probe(&self) -> Vec<LayerReport> {
        let limits = Limits { memory_mb: 128, tmp_mb: 1, pids_max: 16 };
        let tried = self.create("probe", limits);
        let mut refused = None;
        let mut freezer = Status::Absent("no control groups".into());
        match &tried {
            Ok(group) => {
                freezer = match &group.freezing {
                    Freezing::Two(_) => Status::InForce("cgroup v2".into()),
                    Freezing::One(_) => Status::Degraded("only the old freezer controller".into()),
                    Freezing::Signals => Status::Degraded("no freezer: SIGSTOP".into()),
                };
                let _ = group.remove();
            }
            Err((layer, error)) => refused = Some((*layer, error.to_string())),
        }
        let limit = |layer, controller: &str| {
            let status = match (&refused, self.bases.get(controller)) {
                (Some((culprit, why)), _) if *culprit == layer => Status::Absent(why.clone()),
                (_, Some(base)) => Status::InForce(match base.version {
                    Version::One => "cgroup v1".into(),
                    Version::Two => "cgroup v2".into(),
                }),
                (_, None) => Status::Absent(format!("no writable `{controller}` controller")),
            };
            LayerReport { layer, status }
        };
        vec![
            limit(Layer::MemoryLimit, "memory"),
            limit(Layer::ProcessLimit, "pids"),
            limit(Layer::CpuLimit, "cpu"),
            LayerReport { layer: Layer::Freezer, status: freezer },
        ]
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for base in self.bases.values() {
            let _ = fs::remove_dir(&base.path);
        }
    }
}

/// The group this process is in, for each controller we use: mount point plus path below the mount's root.
fn locate(mounts: &str, own: &str) -> Vec<(&'static str, Place)> {
    let own: Vec<(&str, &str)> =
        own.lines().filter_map(|line| line.split_once(':')?.1.split_once(':')).collect();
    let mut found = Vec::new();
    for line in mounts.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let mut fields = before.split(' ').skip(3);
        let (Some(root), Some(point)) = (fields.next(), fields.next()) else { continue };
        let mut fields = after.split(' ');
        let (kind, options) = (fields.next().unwrap_or(""), fields.nth(1).unwrap_or(""));
        for controller in CONTROLLERS {
            let (version, matches) = match kind {
                "cgroup2" => (Version::Two, controller == UNIFIED),
                "cgroup" => (Version::One, options.split(',').any(|option| option == controller)),
                _ => continue,
            };
            let in_group = |(names, _): &&(&str, &str)| names.split(',').any(|name| name == controller);
            if let (true, Some((_, path))) = (matches, own.iter().find(in_group)) {
                let below = path.strip_prefix(root).unwrap_or(path).trim_start_matches('/');
                found.push((controller, Place { path: Path::new(point).join(below), version }));
            }
        }
    }
    found
}

fn make_base(controller: &'static str, parent: &Place, name: &str) -> Option<Place> {
    let base = Place { path: parent.path.join(name), version: parent.version };
    match fs::create_dir(&base.path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return None,
        _ => {}
    }
    if controller == UNIFIED {
        delegate(&parent.path);
        let _ = enable(&base.path);
    }
    Some(base)
}

/// Hands the unified tree's controllers down. Only groups without processes may, so the server steps aside first.
fn delegate(parent: &Path) {
    let busy = enable(parent).is_err_and(|error| error.raw_os_error() == Some(libc::EBUSY));
    if busy {
        let aside = parent.join("casemate-server");
        if fs::create_dir(&aside).is_ok_and(|()| put(&aside, "cgroup.procs", "0").is_ok()) {
            let _ = enable(parent);
        }
    }
}

fn enable(folder: &Path) -> io::Result<()> {
    for controller in enabled(folder) {
        put(folder, "cgroup.subtree_control", &format!("+{controller}"))?;
    }
    Ok(())
}

/// Controllers of the unified tree that we use and this folder has.
fn enabled(folder: &Path) -> Vec<&'static str> {
    let there = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
    LIMITS.into_iter().filter(|name| there.split_whitespace().any(|word| word == *name)).collect()
}

/// Kills and removes what servers left that no longer live.
fn sweep(parent: &Path) {
    for base in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = base.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.strip_prefix(BASE_PREFIX)) else { continue };
        let Some(Ok(pid)) = pid.split('-').next().map(str::parse::<u32>) else { continue };
        if Path::new("/proc").join(pid.to_string()).exists() {
            continue;
        }
        for group in fs::read_dir(base.path()).into_iter().flatten().flatten() {
            clear(&group.path());
        }
        clear(&base.path());
    }
}

fn clear(folder: &Path) {
    if !folder.is_dir() {
        return;
    }
    let _ = put(folder, "cgroup.kill", "1");
    let _ = put(folder, "freezer.state", "THAWED");
    for pid in fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default().lines() {
        if let Ok(pid) = pid.parse() {
            let _ = sys::kill(pid, libc::SIGKILL);
        }
    }
    // If a process is still leaving, the next start removes the folder.
    let _ = fs::remove_dir(folder);
}

/// Drivers made in this process: each has folders of its own.
static DRIVERS: AtomicU32 = AtomicU32::new(0);
const BASE_PREFIX: &str = "casemate-";
/// `/proc/self/cgroup` gives the unified tree no name.
const UNIFIED: &str = "";
const CONTROLLERS: [&str; 5] = ["memory", "pids", "cpu", "freezer", UNIFIED];
const LIMITS: [&str; 3] = ["memory", "pids", "cpu"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_are_found_where_mountinfo_and_membership_agree() {
        let mounts = "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let own = "4:memory:/a/b\n2:cpu,cpuacct:/\n0::/x\n";
        let found: Vec<(&str, String)> = locate(mounts, own)
            .into_iter()
            .map(|(name, place)| (name, place.path.display().to_string()))
            .collect();
        assert_eq!(
            found,
            [
                ("memory", "/sys/fs/cgroup/memory/a/b".to_owned()),
                ("cpu", "/sys/fs/cgroup/cpu,cpuacct/".to_owned()),
                ("", "/sys/fs/cgroup/unified/x".to_owned()),
            ]
        );
    }

    #[test]
    fn container_paths_are_taken_relative_to_the_mounts_root() {
        let mounts = "32 25 0:28 /docker/c1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let found = locate(mounts, "0::/docker/c1/app\n");
        assert_eq!(found.first().unwrap().1.path, Path::new("/sys/fs/cgroup/app"));
    }

    /// A host as of old: the freezer controller, and nothing unified; or no freezer at all.
    fn without_unified(freezer: &str) -> Cgroups {
        let mut cgroups = Cgroups::discover().unwrap();
        cgroups.bases.remove(UNIFIED);
        if freezer.is_empty() {
            cgroups.bases.remove("freezer");
        }
        cgroups
    }

    fn state(pid: u32) -> char {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit(") ").next().unwrap().chars().next().unwrap()
    }

    #[test]
    fn old_freezer_and_signals_stop_and_continue_processes() {
        for freezer in ["freezer", ""] {
            let cgroups = without_unified(freezer);
            let group = cgroups.create("env-1", Limits { memory_mb: 128, tmp_mb: 1, pids_max: 16 }).unwrap();
            let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
            for place in &group.folders {
                put(&place.path, "cgroup.procs", &child.id().to_string()).unwrap();
            }
            group.begin_freeze().unwrap();
            while !group.is_frozen().unwrap() {
                std::thread::yield_now();
            }
            assert_eq!(group.members().unwrap(), [child.id().cast_signed()]);
            while freezer.is_empty() && state(child.id()) != 'T' {
                std::thread::yield_now();
            }
            group.thaw().unwrap();
            while state(child.id()) != 'S' {
                std::thread::yield_now();
            }
            group.begin_freeze().unwrap();
            child.kill().unwrap();
            group.kill();
            child.wait().unwrap();
            while group.remove().is_err() {
                std::thread::yield_now();
            }
            assert!(group.usage().memory_peak_bytes == 0);
        }
    }
}
