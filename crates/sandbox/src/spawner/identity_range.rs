//! Which host user ids environments get: a reserved range as root, what the host delegates otherwise.

use std::{fs, io, process::Command};

use crate::{
    layer::{Layer, LayerReport, Status},
    sys,
};

/// Ids for environments, as seen from the spawner's user namespace.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdentityRange {
    user: u32,
    group: u32,
    count: u32,
}

impl IdentityRange {
    /// User and group of the environment in this slot.
    pub(super) fn slot(&self, slot: u32) -> (u32, u32) {
        let offset = slot.checked_rem(self.count).unwrap_or(0);
        (self.user.saturating_add(offset), self.group.saturating_add(offset))
    }

    /// What this is worth.
    pub(super) fn report(&self) -> LayerReport {
        let status = if self.count > 1 {
            Status::InForce(format!("{} ids from {}", self.count, self.user))
        } else {
            Status::Degraded(
                "no subordinate ids (newuidmap, /etc/subuid): all environments share the server's".into(),
            )
        };
        LayerReport { layer: Layer::DistinctUser, status }
    }

    /// As root: a range far above those of people and of container engines, apart from other servers'.
    fn reserved() -> Self {
        let block = sys::own_pid().cast_unsigned() % BLOCKS;
        let first = FIRST_ID + block * IDS_PER_SERVER;
        Self { user: first, group: first, count: IDS_PER_SERVER }
    }
}

/// Prepares the spawner to make environments. Without root: enters a user namespace in which it may.
pub(super) fn establish() -> io::Result<IdentityRange> {
    // SAFETY: no pointers, cannot fail.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    if user == 0 {
        // Supplementary groups of the server must not follow into environments.
        // SAFETY: an empty list.
        sys::check(libc::c_long::from(unsafe { libc::setgroups(0, std::ptr::null()) }))?;
        return Ok(IdentityRange::reserved());
    }
    enter_user_namespace(user, group)
}

fn enter_user_namespace(user: u32, group: u32) -> io::Result<IdentityRange> {
    let pid = sys::own_pid();
    let subordinate = subordinate_range("/etc/subuid", user).zip(subordinate_range("/etc/subgid", user));
    let (ready_read, ready_write) = sys::pipe()?;
    let helper = match sys::fork()? {
        // The maps must be written from outside the new namespace, by set-uid helpers.
        0 => {
            drop(ready_write);
            let mut byte = [0];
            let told = io::Read::read_exact(&mut fs::File::from(ready_read), &mut byte).is_ok();
            let mapped = told && subordinate.is_some_and(|ranges| map_by_helpers(pid, (user, group), ranges));
            sys::exit_now(i32::from(!mapped))
        }
        helper => helper,
    };
    sys::unshare(libc::CLONE_NEWUSER)?;
    io::Write::write_all(&mut fs::File::from(ready_write), b"g")?;
    let mut status = 0;
    // SAFETY: the integer outlives the call.
    sys::check(libc::c_long::from(unsafe { libc::waitpid(helper, &raw mut status, 0) }))?;
    if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 {
        let count = subordinate.map_or(1, |(users, groups)| users.1.min(groups.1));
        return Ok(IdentityRange { user: 1, group: 1, count });
    }
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))?;
    Ok(IdentityRange { user: 0, group: 0, count: 1 })
}

/// A line `user:first:count` of the table, by number (names need the user database, which we leave alone).
fn subordinate_range(table: &str, user: u32) -> Option<(u32, u32)> {
    let own_name = fs::read_to_string("/etc/passwd").ok().and_then(|passwd| {
        let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let own = user.to_string();
        lines
            .find(|parts| parts.get(2) == Some(&own.as_str()))
            .and_then(|parts| parts.first().map(ToString::to_string))
    });
    fs::read_to_string(table).ok()?.lines().find_map(|line| {
        let mut parts = line.split(':');
        let owner = parts.next()?;
        let matches = owner == user.to_string() || own_name.as_deref() == Some(owner);
        let (first, count) = (parts.next()?.parse().ok()?, parts.next()?.trim().parse().ok()?);
        (matches && count > 1).then_some((first, count))
    })
}

fn map_by_helpers(pid: libc::pid_t, own: (u32, u32), ranges: ((u32, u32), (u32, u32))) -> bool {
    let map = |program: &str, own: u32, (first, count): (u32, u32)| {
        let arguments = [pid.to_string(), "0".into(), own.to_string(), "1".into(), "1".into()];
        let rest = [first.to_string(), count.to_string()];
        Command::new(program).args(arguments).args(rest).status().is_ok_and(|status| status.success())
    };
    map("newuidmap", own.0, ranges.0) && map("newgidmap", own.1, ranges.1)
}

const FIRST_ID: u32 = 2_000_000;
const IDS_PER_SERVER: u32 = 65_536;
const BLOCKS: u32 = 1_024;
