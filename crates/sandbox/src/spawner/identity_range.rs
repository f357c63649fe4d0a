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

    /// As root: a range far above those of people and of container engines, apart from other servers'. Inside a
    /// container, where that range is not mapped, what is.
    fn reserved() -> io::Result<Self> {
        let users = mapped_extents("/proc/self/uid_map")?;
        let groups = mapped_extents("/proc/self/gid_map")?;
        let block = sys::own_pid().cast_unsigned() % BLOCKS;
        let first = FIRST_ID + block * IDS_PER_SERVER;
        let holds = |extents: &[(u32, u32)]| {
            extents.iter().any(|(from, count)| *from <= first && first - from + IDS_PER_SERVER <= *count)
        };
        if holds(&users) && holds(&groups) {
            return Ok(Self { user: first, group: first, count: IDS_PER_SERVER });
        }
        let (user, users) = widest(&users);
        let (group, groups) = widest(&groups);
        Ok(Self { user, group, count: users.min(groups).clamp(1, IDS_PER_SERVER) })
    }
}

/// The ids that exist in this user namespace: (first, how many).
fn mapped_extents(file: &str) -> io::Result<Vec<(u32, u32)>> {
    let text = fs::read_to_string(file)?;
    let extent = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let (first, _, count) = (numbers.next()?.ok()?, numbers.next()?, numbers.next()?.ok()?);
        Some((first, count))
    };
    Ok(text.lines().filter_map(extent).collect())
}

/// The largest extent, without id 0 if it has others.
fn widest(extents: &[(u32, u32)]) -> (u32, u32) {
    match extents.iter().max_by_key(|(_, count)| *count) {
        Some((0, count)) if *count > 1 => (1, count - 1),
        Some(extent) => *extent,
        None => (0, 1),
    }
}

/// Prepares the spawner to make environments. Without root: enters a user namespace in which it may.
pub(super) fn establish() -> io::Result<IdentityRange> {
    // SAFETY: no pointers, cannot fail.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    if user == 0 {
        // Supplementary groups of the server must not follow into environments.
        // SAFETY: an empty list.
        let dropped = sys::check(libc::c_long::from(unsafe { libc::setgroups(0, std::ptr::null()) }));
        // A container may forbid the call altogether; then there are no groups but the container's.
        if fs::read_to_string("/proc/self/setgroups").is_ok_and(|text| text.trim() != "deny") {
            dropped?;
        }
        return IdentityRange::reserved();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_from_the_widest_extent_but_never_id_zero_if_there_are_others() {
        assert_eq!(widest(&[(0, 1), (1, 65_536)]), (1, 65_536));
        assert_eq!(widest(&[(0, 65_536)]), (1, 65_535));
        assert_eq!(widest(&[(0, 1)]), (0, 1));
        assert_eq!(widest(&[]), (0, 1));
    }

    #[test]
    fn slots_stay_inside_the_range() {
        let range = IdentityRange { user: 10, group: 20, count: 4 };
        assert_eq!((range.slot(0), range.slot(3), range.slot(4)), ((10, 20), (13, 23), (10, 20)));
        assert!(matches!(range.report().status, Status::InForce(_)));
        let single = IdentityRange { user: 0, group: 0, count: 1 };
        assert!(matches!(single.report().status, Status::Degraded(_)));
    }
}
