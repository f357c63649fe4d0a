//! Which processes are part of an environment rather than left over in it.
//!
//! A runtime may be a script that begins a program for each call it makes. Then the process that asks for the next request is a
//! new one each time, and so is every incarnation of something that forks and ends again and again. They are told apart by what
//! neither can have from before: the connection over which it is waited for the request, and their parents.
//!
//! ```text
//!   runtime ─┬─ subshell ─┬─ curl      holds the connection
//!            │            └─ jq        both stay: they descend from what the runtime began for this
//!            └─ daemon                 does not, whenever it has begun: whoever loses his parent becomes the first process's child
//! ```
//!
//! Knows nothing of requests, nor how processes are ended.

use std::{collections::BTreeMap, fmt, fs, io, net::SocketAddr};

use crate::sys::{self, socket};

/// Processes that are part of an environment rather than left over in it: those it had when its start was over.
#[derive(Clone, Debug, Default)]
pub struct Residents {
    known: Vec<Process>,
    asking: Option<Asking>,
}

/// Who may have begun since.
#[derive(Clone, Debug)]
struct Asking {
    since: Tick,
    connections: Vec<Vec<SocketAddr>>,
}

/// A moment, as the kernel tells when a process was started: hundredths of a second since the machine's start.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Tick(u64);

impl Tick {
    /// This moment.
    pub fn now() -> io::Result<Self> {
        let text = fs::read_to_string("/proc/uptime")?;
        Self::of(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    }

    /// The first of the two numbers, with its two decimals.
    fn of(uptime: &str) -> Option<Self> {
        let (seconds, hundredths) = uptime.split_ascii_whitespace().next()?.split_once('.')?;
        let (seconds, hundredths): (u64, u64) = (seconds.parse().ok()?, hundredths.get(..2)?.parse().ok()?);
        seconds.checked_mul(100)?.checked_add(hundredths).map(Self)
    }
}

/// Why it cannot be told which processes are left over: inside an [`io::Error`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unclear {
    /// A connection over which somebody waits is held by nobody.
    NobodyAsks,
    /// Two connections, which were made for the same, are held by processes that have begun since.
    SeveralAsk,
    /// There are too many processes to look at.
    TooMany,
}

impl fmt::Display for Unclear {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NobodyAsks => "no process holds the connection that waits",
            Self::SeveralAsk => "several new processes wait for the same",
            Self::TooMany => "there are too many new processes",
        })
    }
}

impl std::error::Error for Unclear {}

impl From<Unclear> for io::Error {
    fn from(why: Unclear) -> Self {
        Self::other(why)
    }
}

/// A process by number and start: numbers are used again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Process {
    pid: libc::pid_t,
    started: u64,
}

impl Process {
    /// The one that has this number now; `None`: there is none.
    pub(crate) fn find(pid: libc::pid_t) -> Option<Self> {
        Seen::find(pid).map(|seen| seen.process)
    }

    /// The same, and who has forked it, or has taken it over since.
    pub(crate) fn with_parent(pid: libc::pid_t) -> Option<(Self, libc::pid_t)> {
        Seen::find(pid).map(|seen| (seen.process, seen.parent))
    }
}

/// A process as it was found.
#[derive(Clone, Copy, Debug)]
struct Seen {
    process: Process,
    parent: libc::pid_t,
    /// Has it ended, and nobody has taken its end yet? Then it holds nothing.
    ended: bool,
}

impl Seen {
    fn find(pid: libc::pid_t) -> Option<Self> {
        let stat = sys::process_table(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything; the fields after it are numbers.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let ended = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        let started = fields.nth(START_FIELD - PARENT_FIELD - 1)?.parse().ok()?;
        Some(Self { process: Process { pid, started }, parent, ended })
    }
}

/// Fields 4 and 22 of `/proc/PID/stat`, counted from the third.
const PARENT_FIELD: usize = 1;
const START_FIELD: usize = 19;

impl Residents {
    /// These, and nobody who comes later.
    pub(crate) fn known(known: Vec<Process>) -> Self {
        Self { known, asking: None }
    }

    /// These, and of what has begun since `tick` those who wait over these connections to the Runtime API, with what the runtime
    /// began for that. A connection is named by the address it comes from; those that are made for the same stand in one list.
    ///
    /// INVARIANT, the caller's: the connections were made after `tick`. What is older may have been inherited by anybody.
    #[must_use]
    pub fn and_asking(self, tick: Tick, connections: Vec<Vec<SocketAddr>>) -> Self {
        Self { asking: Some(Asking { since: tick, connections }), ..self }
    }

    /// Who that is among `members`, of which `own` are what stays in any case. An error: it cannot be told, or not be seen.
    pub(crate) fn resolved(
        &self,
        own: &[libc::pid_t],
        members: &[libc::pid_t],
        api: SocketAddr,
    ) -> io::Result<Kept> {
        let known = Kept { known: self.known.clone(), tops: Vec::new() };
        let Some(asking) = &self.asking else { return Ok(known) };
        let seen: BTreeMap<_, _> = members.iter().filter_map(|pid| Some((*pid, Seen::find(*pid)?))).collect();
        let stays = |one: &Seen| own.contains(&one.process.pid) || self.known.contains(&one.process);
        let (staying, others): (Vec<Seen>, Vec<Seen>) =
            seen.values().filter(|one| !one.ended).partition(|one| stays(one));
        if others.is_empty() || asking.connections.iter().all(Vec::is_empty) {
            return Ok(known);
        }
        if others.len() > LOOKED_AT_MAX {
            return Err(Unclear::TooMany.into());
        }
        let held = held_by(&others, api)?;
        let mut without =
            asking.connections.iter().flatten().filter(|one| !held.contains_key(one)).peekable();
        if without.peek().is_some() {
            let held = held_by(&staying, api)?;
            if !without.all(|one| held.contains_key(one)) {
                return Err(Unclear::NobodyAsks.into());
            }
        }
        let top = |holder: &Seen| asking.top(holder, &seen, stays);
        let tops_of = |one: &SocketAddr| -> Vec<Process> {
            held.get(one).into_iter().flatten().filter_map(top).collect()
        };
        let mut tops = Vec::new();
        for same in &asking.connections {
            let mut asked = same.iter().map(tops_of).filter(|tops| !tops.is_empty());
            tops.extend(asked.next().into_iter().flatten());
            if asked.next().is_some() {
                return Err(Unclear::SeveralAsk.into());
            }
        }
        Ok(Kept { tops, ..known })
    }
}

/// Their connections to the Runtime API, and who of them holds each.
fn held_by(processes: &[Seen], api: SocketAddr) -> io::Result<BTreeMap<SocketAddr, Vec<Seen>>> {
    let mut held = BTreeMap::<_, Vec<Seen>>::new();
    for seen in processes {
        for connection in socket::connected_to(seen.process.pid, api)? {
            held.entry(connection).or_default().push(*seen);
        }
    }
    Ok(held)
}

impl Asking {
    /// The ancestor of a process that was begun by one which stays, or the process itself. `None`: something between them is
    /// from before, or gone; then it is left over, too.
    fn top(
        &self,
        holder: &Seen,
        seen: &BTreeMap<libc::pid_t, Seen>,
        stays: impl Fn(&Seen) -> bool,
    ) -> Option<Process> {
        let mut at = *holder;
        // What runs meanwhile may end, and its number be used again: no chain is longer than there are processes.
        for _ in 0..seen.len() {
            if at.process.started < self.since.0 {
                return None;
            }
            let parent = *seen.get(&at.parent)?;
            if stays(&parent) {
                return Some(at.process);
            }
            at = parent;
        }
        None
    }
}

/// Who is not left over, by name.
#[derive(Debug)]
pub(crate) struct Kept {
    known: Vec<Process>,
    /// They, and all that descends from them.
    tops: Vec<Process>,
}

impl Kept {
    /// Those of `members` that are left over; `own` never are. One that is gone meanwhile counts.
    pub(crate) fn strays(&self, own: &[libc::pid_t], members: &[libc::pid_t]) -> Vec<libc::pid_t> {
        let others = members.iter().filter(|pid| !own.contains(pid)).copied();
        let seen: BTreeMap<libc::pid_t, Option<Seen>> = others.map(|pid| (pid, Seen::find(pid))).collect();
        let descends = |one: &Seen| {
            let above = |one: &Seen| seen.get(&one.parent).copied().flatten();
            let mut line = std::iter::successors(Some(*one), above).take(seen.len());
            !self.tops.is_empty() && line.any(|one| self.tops.contains(&one.process))
        };
        let stays = |one: &Seen| self.known.contains(&one.process) || descends(one);
        seen.iter().filter(|(_, one)| !one.as_ref().is_some_and(stays)).map(|(pid, _)| *pid).collect()
    }
}

/// New processes whose descriptors are looked at. Ours: a shell has two or three for a call; what has more left over than this is
/// not used again anyhow.
const LOOKED_AT_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start() {
        let own = sys::own_pid();
        assert_eq!(Process::find(own), Process::find(own));
        assert!(Process::find(own).is_some() && Process::find(libc::pid_t::MAX).is_none());
    }

    #[test]
    fn a_parent_is_read_from_its_child() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let seen = Seen::find(child.id().cast_signed()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(seen.parent == sys::own_pid() && !seen.ended);
        assert!(seen.process.started >= Process::find(sys::own_pid()).unwrap().started);
    }
}
