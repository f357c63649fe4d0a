//! Control groups for a process that is not an environment: a virtual machine that holds one.
//!
//! The process enters by itself, before it becomes what it is to be. Knows nothing of machines.

use std::{path::PathBuf, thread, time::Duration};

use crate::{
    Driver,
    cgroup::{Group, Limits, Version},
    error::StartError,
    spec::Usage,
};

/// What such a process may use.
#[derive(Clone, Copy, Debug)]
pub struct OuterLimits {
    /// Memory in MB; at least one processor's time, more by memory size.
    pub memory_mb: u64,
    /// Processes and threads.
    pub pids_max: u64,
}

/// See the module. Dropping it ends what is inside, and may wait a moment for that: not for asynchronous code.
#[derive(Debug)]
pub struct OuterGroup(Group);

impl Driver {
    /// Makes one.
    pub fn outer_group(&self, limits: OuterLimits) -> Result<OuterGroup, StartError> {
        let OuterLimits { memory_mb, pids_max } = limits;
        // It is in no pid namespace, by which it could be looked at instead.
        self.cgroups().hold_all().map_err(|(layer, why)| StartError::Layer { layer, why })?;
        let name = format!("outer-{}", self.number());
        let made = self.cgroups().create(&name, Limits { memory_mb, tmp_mb: 0, pids_max });
        made.map(OuterGroup).map_err(|(layer, error)| StartError::Layer { layer, why: error.to_string() })
    }
}

impl OuterGroup {
    /// Files into which the process, while it has one thread, writes `0` to enter.
    pub fn entrances(&self) -> Vec<PathBuf> {
        let entrance = |version| match version {
            Version::One => "tasks",
            Version::Two => "cgroup.procs",
        };
        self.0.folders.iter().map(|place| place.path.join(entrance(place.version))).collect()
    }

    /// What it has used.
    pub fn usage(&self) -> Usage {
        self.0.usage()
    }
}

impl Drop for OuterGroup {
    #[expect(
        clippy::disallowed_methods,
        reason = "the kernel tells nobody when the last process has left a group"
    )]
    fn drop(&mut self) {
        self.0.kill();
        for _ in 0..REMOVE_TRIES_MAX {
            if self.0.remove().is_ok() {
                return;
            }
            thread::sleep(REMOVE_PAUSE);
        }
        // The next server sweeps it.
    }
}

const REMOVE_TRIES_MAX: u32 = 200;
const REMOVE_PAUSE: Duration = Duration::from_millis(5);
