//! Where this host has which controller, the server's own folder in each, and what dead servers left behind.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    cgroup::{
        Freezing, Group, Held, Limits, Place, Refused, Version, put, signals,
        unified::{Tree, offered},
    },
    layer::{Layer, LayerReport, Status},
    supervision::{Roles, Supervision, Watchman},
    sys,
};

/// The server's folders, below the control group it was started in, so that limits set on the server hold.
#[derive(Debug)]
pub(crate) struct Cgroups {
    /// Controller (or `""` for the unified tree itself) → the server's folder.
    bases: BTreeMap<&'static str, Place>,
    /// Looks at the environments whose limits are in none of them.
    watchman: Watchman,
}

impl Cgroups {
    /// Looks around, sweeps, and makes the server's folders where it may.
    ///
    /// The processes named are the server's own and may be moved between its groups.
    pub(crate) fn discover(movable: &[u32]) -> io::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let mut bases = BTreeMap::new();
        let name = format!("{BASE_PREFIX}{}-{}", sys::own_pid(), DRIVERS.fetch_add(1, Ordering::Relaxed));
        for Located { controller, top, own, version } in locate(&mounts, &own) {
            let base = if controller == UNIFIED {
                let tree = Tree { top, own };
                tree.parents().iter().for_each(|parent| sweep(parent));
                tree.make_base(&name, &LIMITS, movable)
            } else {
                sweep(&own);
                make_base(&own, &name, version)
            };
            bases.extend(base.map(|base| (controller, base)));
        }
        // Memory, processes and cpu may be the unified tree's if the old interface has none of them.
        if let Some(unified) = bases.get(UNIFIED).cloned() {
            for controller in offered(&unified.path, &LIMITS) {
                bases.entry(controller).or_insert_with(|| unified.clone());
            }
        }
        if let Some(base) = bases.get("cpu") {
            weigh(base);
        }
        Ok(Self { bases, watchman: Watchman::default() })
    }

    /// Makes the groups of one environment. What was made is removed again if a limit cannot be set.
    pub(crate) fn create(&self, name: &str, limits: Limits) -> Result<Group, Refused> {
        let group = self.plan(name, limits);
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

    /// Whether the kernel holds all limits; else the first that it does not, and why.
    pub(crate) fn hold_all(&self) -> Result<(), (Layer, String)> {
        let limits =
            [("memory", Layer::MemoryLimit), ("pids", Layer::ProcessLimit), ("cpu", Layer::CpuLimit)];
        let missing = limits.into_iter().find(|(controller, _)| !self.bases.contains_key(controller));
        missing.map_or(Ok(()), |(controller, layer)| Err((layer, no_controller(controller))))
    }

    fn plan(&self, name: &str, limits: Limits) -> Group {
        let place = |controller: &str| {
            let base = self.bases.get(controller)?;
            Some(Place { path: base.path.join(name), version: base.version })
        };
        let unified = self.bases.get(UNIFIED).map(|base| base.path.join(name));
        let (memory, pids, cpu) = (place("memory"), place("pids"), place("cpu"));
        let roles = Roles { memory: memory.is_none(), processes: pids.is_none(), cpu: cpu.is_none() };
        let allowed = (limits.memory_mb << 20, limits.pids_max);
        let supervision = roles.any().then(|| Supervision::new(roles, allowed, &self.watchman).into());
        let old_freezer = place("freezer");
        let freezing = match (&unified, &old_freezer) {
            (Some(folder), _) => Freezing::Two(folder.clone()),
            (None, Some(old)) => Freezing::One(old.path.clone()),
            (None, None) => Freezing::Signals,
        };
        let mut folders: Vec<Place> = [&memory, &pids, &cpu].into_iter().flatten().cloned().collect();
        folders.extend(unified.iter().map(|path| Place { path: path.clone(), version: Version::Two }));
        if unified.is_none() {
            folders.extend(old_freezer);
        }
        folders.sort_by(|one, other| one.path.cmp(&other.path));
        folders.dedup_by(|one, other| one.path == other.path);
        Group {
            folders,
            memory,
            pids,
            cpu,
            supervision,
            freezing,
            unified,
            limits: limits.into(),
            held: Held::default(),
        }
    }

    /// Tries it out with an empty group. What no control group holds is reported as what holds it instead; of the number of
    /// processes the spawner knows whether that works.
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
                (_, None) => match Supervision::probe() {
                    Ok(()) => Status::Degraded(format!("{}: {}", no_controller(controller), instead(layer))),
                    Err(error) => Status::Absent(format!("{}; {error}", no_controller(controller))),
                },
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

/// What holds a limit without a control group.
fn instead(layer: Layer) -> &'static str {
    match layer {
        Layer::MemoryLimit => "processes are looked at every 20 ms, and ended when they hold too much",
        Layer::CpuLimit => "processes are looked at every 20 ms, and stopped and continued by signals",
        _ => "each process's own limit on processes, of which refusals are not counted",
    }
}

fn no_controller(controller: &str) -> String {
    format!(
        "no `{controller}` cgroup controller that this server may use (without root, start it with \
         `systemd-run --user --scope -p Delegate=yes`)"
    )
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for base in self.bases.values() {
            let _ = fs::remove_dir(&base.path);
        }
    }
}

/// One controller's tree (or the unified one).
struct Located {
    controller: &'static str,
    /// The mount point.
    top: PathBuf,
    /// The group this process is in: mount point plus path below the mount's root.
    own: PathBuf,
    version: Version,
}

/// Finds the trees of the controllers we use.
fn locate(mounts: &str, own: &str) -> Vec<Located> {
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
                let top = PathBuf::from(point);
                found.push(Located { controller, own: top.join(below), top, version });
            }
        }
    }
    found
}

fn make_base(parent: &Path, name: &str, version: Version) -> Option<Place> {
    let path = parent.join(name);
    match fs::create_dir(&path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => None,
        _ => Some(Place { path, version }),
    }
}

/// All environments together are one group, to which the kernel, where others want the processors too, would give as much as
/// to one process. They get as much as one process for each processor. Nothing but time depends on it.
fn weigh(base: &Place) {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (file, of_one, most) = match base.version {
        Version::One => ("cpu.shares", 1_024, 262_144),
        Version::Two => ("cpu.weight", 100, 10_000),
    };
    let _ = put(&base.path, file, &processors.saturating_mul(of_one).min(most).to_string());
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
    let members = || {
        let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<_>>()
    };
    let _ = signals::send(libc::SIGKILL, &members(), || Ok(members()));
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
            .map(|tree| (tree.controller, tree.own.display().to_string()))
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
        let found = found.first().unwrap();
        assert_eq!(
            (&*found.own, &*found.top),
            (Path::new("/sys/fs/cgroup/app"), Path::new("/sys/fs/cgroup"))
        );
    }

    #[test]
    fn environments_together_weigh_as_much_as_a_process_for_each_processor() {
        let cgroups = Cgroups::discover(&[]).unwrap();
        let base = cgroups.bases.get("cpu").unwrap();
        let (file, of_one) = match base.version {
            Version::One => ("cpu.shares", 1_024),
            Version::Two => ("cpu.weight", 100),
        };
        let weight: usize = fs::read_to_string(base.path.join(file)).unwrap().trim().parse().unwrap();
        assert_eq!(weight, std::thread::available_parallelism().unwrap().get() * of_one);
    }

    /// A host as of old: the freezer controller, and nothing unified; or no freezer at all.
    fn without_unified(freezer: &str) -> Cgroups {
        let mut cgroups = Cgroups::discover(&[]).unwrap();
        cgroups.bases.remove(UNIFIED);
        if freezer.is_empty() {
            cgroups.bases.remove("freezer");
        }
        cgroups
    }

    fn state(pid: u32) -> char {
        sys::state(format!("/proc/{pid}/stat")).unwrap()
    }

    /// A process that forks and ends again and again, so that no list of members is right for long.
    #[test]
    fn signals_stop_also_what_forks_while_it_is_looked_at() {
        let cgroups = without_unified("");
        let group = cgroups.create("env-2", Limits { memory_mb: 128, tmp_mb: 1, pids_max: 16 }).unwrap();
        // Ends that nobody has taken yet count as processes.
        let chain = "import os, sys\nsys.stdin.read()\nwhile True:\n  try:\n    if os.fork(): os._exit(0)\n  except OSError: pass";
        let mut python = std::process::Command::new("python3");
        let mut first = python.args(["-c", chain]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        for place in &group.folders {
            put(&place.path, "cgroup.procs", &first.id().to_string()).unwrap();
        }
        drop(first.stdin.take());
        first.wait().unwrap();
        for _ in 0..20 {
            group.begin_freeze().unwrap();
            while !group.is_frozen().unwrap() {
                std::thread::yield_now();
            }
            let stopped = group.members().unwrap();
            assert!(!stopped.is_empty());
            for _ in 0..1_000 {
                std::thread::yield_now();
            }
            assert_eq!(group.members().unwrap(), stopped, "something still forked");
            group.thaw().unwrap();
            while group.members().unwrap() == stopped {
                std::thread::yield_now();
            }
        }
        while !group.is_frozen().unwrap() {
            std::thread::yield_now();
        }
        signals::send(libc::SIGKILL, &group.members().unwrap(), || group.members()).unwrap();
        while group.remove().is_err() {
            std::thread::yield_now();
        }
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
