//! Limits of one environment where no control group holds them: its processes are looked at, and ended or stopped.
//!
//! What is held here between two looks the kernel does not hold: memory can be taken and given back in between, and what a
//! process uses that begins and ends in between is not seen. Of memory only pages of processes are seen, not what the kernel
//! keeps for them (pipes, sockets); memory without a process is refused by the system call filter. All of it is written in
//! docs/isolation.md.
//!
//! Knows nothing of control groups, invocations and events.

mod census;
mod watchman;

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use census::{Census, Holds};
pub(crate) use watchman::Watchman;
use watchman::{Post, TICK};

use crate::{spec::Usage, sys};

/// Processes by their numbers, at one time.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Listed {
    pub(crate) members: Vec<libc::pid_t>,
    /// Numbers of processes that ended before it was known whose they were.
    pub(crate) gone: Vec<libc::pid_t>,
}

/// What is held by looking; the rest the kernel holds.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Roles {
    pub(crate) memory: bool,
    pub(crate) processes: bool,
    pub(crate) cpu: bool,
}

impl Roles {
    pub(crate) fn any(self) -> bool {
        self.memory || self.processes || self.cpu
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Supervision {
    roles: Roles,
    post: Arc<Post>,
    subject: OnceLock<Subject>,
    account: Mutex<Account>,
}

/// Who is looked at, once there is anybody.
#[derive(Debug)]
struct Subject {
    /// The first process of its pid namespace.
    first: libc::pid_t,
    pidfd: Arc<OwnedFd>,
    tmp: Arc<OwnedFd>,
}

/// What is known and allowed.
#[derive(Debug)]
struct Account {
    memory_max: u64,
    processes_max: u64,
    /// Thousandths of a processor.
    share: u64,
    frozen: bool,
    /// Stopped because it has used up its share.
    paused: bool,
    /// When it was looked at last.
    at: Instant,
    /// What the function itself holds.
    own: u64,
    /// The most that it and its `/tmp` have held.
    peak: u64,
    /// Processor time of each process when it was looked at, and of all there were.
    times: BTreeMap<libc::pid_t, u64>,
    cpu_ns: u64,
    /// Processor time that it may still use. Below zero it waits.
    credit_ns: i64,
    kills: u64,
    /// How often all its processes were found to be there.
    full: u64,
    is_full: bool,
}

impl Supervision {
    pub(crate) fn new(roles: Roles, (memory_max, processes_max): (u64, u64), watchman: &Watchman) -> Self {
        let account = Account {
            memory_max,
            processes_max,
            share: WHOLE,
            frozen: false,
            paused: false,
            at: Instant::now(),
            own: 0,
            peak: 0,
            times: BTreeMap::new(),
            cpu_ns: 0,
            credit_ns: 0,
            kills: 0,
            full: 0,
            is_full: false,
        };
        Self { roles, post: watchman.post(), subject: OnceLock::new(), account: Mutex::new(account) }
    }

    /// Whether this host lets itself be looked at.
    pub(crate) fn probe() -> io::Result<()> {
        let own = sys::own_pid();
        let parent = census::parent_of(own).unwrap_or(0);
        let seen = Census::take()?.family(parent).contains(&own);
        if seen { Ok(()) } else { Err(io::Error::other("/proc does not show this process")) }
    }

    pub(crate) fn roles(&self) -> Roles {
        self.roles
    }

    /// Begins to look, as soon as its process is known. One that cannot be seen is an error.
    pub(crate) fn begin(
        self: &Arc<Self>,
        pid: u32,
        (pidfd, tmp): (&Arc<OwnedFd>, &Arc<OwnedFd>),
    ) -> io::Result<()> {
        let first = pid.cast_signed();
        if census::parent_of(first).is_none() {
            return Err(io::Error::other("/proc does not show the environment's process"));
        }
        let subject = Subject { first, pidfd: Arc::clone(pidfd), tmp: Arc::clone(tmp) };
        if self.subject.set(subject).is_err() {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        self.account().at = Instant::now();
        self.post.watch(self)
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_memory_max(&self, bytes: u64) {
        self.account().memory_max = bytes;
    }

    /// So much processor time in so much time.
    pub(crate) fn set_share(&self, used: u64, of: u64) {
        let mut account = self.account();
        account.share = used.saturating_mul(WHOLE).checked_div(of).unwrap_or(WHOLE);
        account.credit_ns = account.credit_ns.max(0);
    }

    /// The processes there are.
    pub(crate) fn members(&self) -> io::Result<Vec<libc::pid_t>> {
        let Some(subject) = self.subject.get() else { return Ok(Vec::new()) };
        let mut members = Census::take()?.family(subject.first);
        // What has ended, and been taken, is no member.
        members.retain(|pid| census::parent_of(*pid).is_some());
        Ok(members)
    }

    /// The same, and the numbers of which it is not known, of whomever: where one has ended meanwhile, what it has forked may be missing.
    ///
    /// They are listed from the lowest number to the highest, and new ones get higher numbers: where nothing has ended, what
    /// has been forked meanwhile is missing only where the numbers begin anew just then.
    pub(crate) fn members_or_gone(&self) -> io::Result<Listed> {
        let Some(subject) = self.subject.get() else { return Ok(Listed::default()) };
        let census = Census::take()?;
        Ok(Listed { members: census.family(subject.first), gone: census.gone().to_vec() })
    }

    /// From now on others stop it: it is looked at for the last time.
    pub(crate) fn freeze(&self) {
        self.refresh();
        self.account().frozen = true;
    }

    /// It is about to be let run, by others.
    pub(crate) fn thaw(&self) {
        let mut account = self.account();
        let paused = account.paused;
        (account.frozen, account.paused, account.at) = (false, false, Instant::now());
        account.credit_ns = account.credit_ns.max(0);
        drop(account);
        if paused {
            // Those who freeze by other means than signals know nothing of it.
            if let (Some(subject), Ok(census)) = (self.subject.get(), Census::take()) {
                census.signal(&census.family(subject.first), libc::SIGCONT);
            }
        }
        self.post.wake();
    }

    fn runs(&self) -> bool {
        !self.account().frozen
    }

    /// What the function holds. An error: it has not been looked at for too long.
    pub(crate) fn own_memory_bytes(&self) -> io::Result<u64> {
        let account = self.account();
        if !account.frozen && account.at.elapsed() > STALE {
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        Ok(account.own)
    }

    /// How often its memory was found too large.
    pub(crate) fn kills(&self) -> u64 {
        self.account().kills
    }

    /// How often all the processes it may have were found to be there.
    pub(crate) fn full(&self) -> u64 {
        self.account().full
    }

    pub(crate) fn usage(&self) -> Usage {
        self.refresh();
        let account = self.account();
        Usage { memory_peak_bytes: account.peak, cpu_us: account.cpu_ns / 1_000 }
    }

    /// Looks now, if the last time is a while ago.
    fn refresh(&self) {
        let now = Instant::now();
        let is_due = {
            let account = self.account();
            !account.frozen && now.saturating_duration_since(account.at) > TICK / 2
        };
        if is_due && let Ok(census) = Census::take() {
            self.look_among(&census, now);
        }
    }

    fn look_among(&self, census: &Census, now: Instant) {
        let Some(subject) = self.subject.get() else { return };
        let members = &*census.family(subject.first);
        let mut account = self.account();
        if account.frozen {
            return;
        }
        let tmp = sys::used_bytes(subject.tmp.as_fd()).unwrap_or(0);
        let passed = Duration::from_nanos(account.passed_until(now));
        account.weigh(members, tmp);
        if self.roles.memory && account.own > account.memory_max {
            account.kills += 1;
            // With the first process of the namespace all of them end.
            let _ = sys::pidfd_signal(subject.pidfd.as_fd(), libc::SIGKILL);
            return;
        }
        let used = account.clock(members);
        if self.roles.cpu
            && let Some(signal) = account.hold(passed, used)
        {
            census.signal(members, signal);
        }
    }
}

impl Account {
    /// Nanoseconds since it was looked at last.
    fn passed_until(&mut self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.at);
        self.at = self.at.max(now);
        u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX)
    }

    /// What all hold, and how many they are. Shared pages are divided only where it matters: that takes longer.
    fn weigh(&mut self, members: &[libc::pid_t], tmp: u64) {
        let each: Vec<(libc::pid_t, Holds)> = members.iter().map(|pid| (*pid, Holds::of(*pid))).collect();
        let all = each.iter().fold(Holds::default(), |sum, (_, holds)| sum + *holds);
        self.own = own(all, tmp);
        if self.own > self.memory_max {
            // INVARIANT: what one process holds is there, whoever has been forked to share it since the census.
            let largest = each.iter().map(|(_, holds)| holds.private).max().unwrap_or(0);
            self.own = own(divided(&each), tmp).max(largest);
        }
        self.peak = self.peak.max(self.own.saturating_add(tmp));
        let full = all.threads >= self.processes_max;
        if full && !self.is_full {
            self.full += 1;
        }
        self.is_full = full;
    }

    /// Processor time since the last look, in nanoseconds.
    fn clock(&mut self, members: &[libc::pid_t]) -> u64 {
        let times: BTreeMap<libc::pid_t, u64> =
            members.iter().filter_map(|pid| Some((*pid, census::processor_ns(*pid)?))).collect();
        let since = |(pid, now): (&libc::pid_t, &u64)| {
            // Less than before: another process of the same number.
            self.times.get(pid).and_then(|before| now.checked_sub(*before)).unwrap_or(*now)
        };
        let used = times.iter().map(since).fold(0, u64::saturating_add);
        self.times = times;
        self.cpu_ns = self.cpu_ns.saturating_add(used);
        used
    }

    /// The signal that stops it when it has used more than its share, or lets it go on when the share has made up for that.
    fn hold(&mut self, passed: Duration, used: u64) -> Option<libc::c_int> {
        self.credit_ns = credit(self.credit_ns, self.share, passed, used);
        let signal = match (self.credit_ns < 0, self.paused) {
            // What has been forked since the last look is stopped as well.
            (true, _) => libc::SIGSTOP,
            (false, true) => libc::SIGCONT,
            (false, false) => return None,
        };
        self.paused = self.credit_ns < 0;
        Some(signal)
    }
}

/// What processes hold together, each page divided among those who share it.
fn divided(each: &[(libc::pid_t, Holds)]) -> Holds {
    let own_memory = each.iter().filter(|(pid, holds)| !holds.is_its_parents(*pid));
    // Of whom that cannot be told each page counts whole, as it is now: who has ended since he was looked at first holds none.
    let proportion = |(pid, _): &(_, Holds)| Holds::in_proportion(*pid).unwrap_or_else(|| Holds::of(*pid));
    own_memory.map(proportion).fold(Holds::default(), |sum, holds| sum + holds)
}

/// Everything but what lies in `/tmp`, which has a limit of its own.
fn own(all: Holds, tmp: u64) -> u64 {
    all.private.saturating_add(all.shared.saturating_sub(tmp))
}

/// What may be used after so much time has passed and been used.
fn credit(before: i64, share: u64, passed: Duration, used: u64) -> i64 {
    let earned = |time: Duration| {
        let ns = time.as_nanos().saturating_mul(u128::from(share)) / u128::from(WHOLE);
        i64::try_from(ns).unwrap_or(i64::MAX)
    };
    let used = i64::try_from(used).unwrap_or(i64::MAX);
    before.saturating_add(earned(passed)).min(earned(SAVED_MAX)).saturating_sub(used)
}

/// One processor.
const WHOLE: u64 = 1_000;
/// Time whose share can be saved up.
const SAVED_MAX: Duration = Duration::from_millis(100);
/// Not looked at for so long, an environment counts as too large. Looks take milliseconds; this is for machines in trouble.
const STALE: Duration = Duration::from_secs(10);
/// The longest pause between two looks, however long one takes: those who are looked at in time are not held to be too large.
const PAUSE_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_uses_more_than_the_share_waits_until_it_has_made_up_for_that() {
        let tick = Duration::from_millis(20);
        // A whole processor used by who has a tenth of one.
        let mut left = credit(0, 100, tick, 20_000_000);
        assert_eq!(left, -18_000_000);
        let mut pauses = 0;
        while left < 0 {
            left = credit(left, 100, tick, 0);
            pauses += 1;
        }
        assert_eq!(pauses, 9);
        // What is not used is saved, but not for ever.
        assert_eq!(credit(0, 100, Duration::from_mins(1), 0), 10_000_000);
        assert_eq!(credit(0, 2_000, tick, 40_000_000), 0);
    }

    fn state(pid: u32) -> char {
        sys::state(format!("/proc/{pid}/stat")).unwrap()
    }

    #[test]
    fn processes_are_stopped_while_the_share_is_used_up() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let (pid, census) = ([child.id().cast_signed()], Census::take().unwrap());
        let roles = Roles { memory: true, processes: true, cpu: true };
        let supervision = Supervision::new(roles, (1, 1), &Watchman::default());
        supervision.set_share(2_000, 20_000);
        let (tick, mut account) = (TICK, supervision.account());
        let hold = |account: &mut Account, passed, used| match account.hold(passed, used) {
            Some(signal) => census.signal(&pid, signal),
            None => panic!("{account:?}"),
        };
        hold(&mut account, tick, 20_000_000);
        assert!(account.paused);
        while state(child.id()) != 'T' {
            std::thread::yield_now();
        }
        hold(&mut account, tick * 8, 0);
        assert!(account.paused && account.credit_ns == -2_000_000);
        hold(&mut account, tick, 0);
        assert!(!account.paused && account.hold(tick, 0).is_none());
        while state(child.id()) == 'T' {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn who_runs_and_is_not_looked_at_for_ten_seconds_counts_as_too_large() {
        let roles = Roles { memory: true, processes: true, cpu: true };
        let supervision = Supervision::new(roles, (1, 1), &Watchman::default());
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        supervision.account().at = ago(5);
        assert_eq!(supervision.own_memory_bytes().unwrap(), 0);
        supervision.account().at = ago(11);
        assert_eq!(supervision.own_memory_bytes().unwrap_err().kind(), io::ErrorKind::TimedOut);
        supervision.account().frozen = true;
        assert_eq!(supervision.own_memory_bytes().unwrap(), 0);
    }

    #[test]
    fn tmp_is_not_the_functions_and_hides_no_private_page() {
        let all = Holds { private: 100, shared: 50, ..Holds::default() };
        assert_eq!((own(all, 0), own(all, 30), own(all, 500)), (150, 120, 100));
    }

    #[test]
    fn what_ended_while_it_was_looked_at_holds_nothing() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id().cast_signed();
        let seen = [(pid, Holds { private: 80 << 20, ..Holds::of(pid) })];
        let alive = divided(&seen).private;
        assert!(alive > 0 && alive < 80 << 20, "{alive}: as it is now, not as it was");
        child.kill().unwrap();
        // Dead, and still there: then gone.
        while Holds::of(pid).has_memory {
            std::thread::yield_now();
        }
        assert_eq!(divided(&seen).private, 0);
        child.wait().unwrap();
        assert_eq!(divided(&seen), Holds::default());
    }

    #[test]
    fn memory_that_processes_share_counts_once_and_what_one_holds_always() {
        let roles = Roles { memory: true, processes: true, cpu: true };
        let supervision = Supervision::new(roles, (1, 1), &Watchman::default());
        let own = sys::own_pid();
        let mut account = supervision.account();
        account.weigh(&[own], 0);
        let (once, private) = (account.own, Holds::of(own).private);
        assert!(once > 0 && once >= private / 2);
        assert_eq!((account.full, account.is_full), (1, true));
        assert!(account.clock(&[own]) > 0);
    }
}
