//! The task that lives as long as an environment: watches its memory, takes its end.
//!
//! It alone removes the control groups, after the last process is gone, whatever the reason was.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, unix::AsyncFd},
    net::unix::pipe,
    sync::{mpsc, watch},
};

use crate::{
    cgroup::Group,
    full::{self, Full, Said},
    slots::SlotLease,
    spec::{Event, Exit, ExitStatus, is_metadata},
    sys,
};

/// An event, and when it was recorded: it may be read much later.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// What happened.
    pub event: Event,
    /// How many invocations had begun.
    pub invocation: u64,
    /// When.
    pub at: tokio::time::Instant,
}

/// Where events go. A receiver that does not keep up loses events, and is told how many.
#[derive(Debug)]
pub(crate) struct Recorder {
    events: mpsc::Sender<Recorded>,
    lost: AtomicU64,
    /// How many invocations have begun.
    invocations: AtomicU64,
    allowances: Allowances,
    forks_seen: AtomicU64,
    out_of_memory: AtomicBool,
    /// What has been said of this invocation.
    full: Said,
}

/// How many more events of each kind are recorded in this invocation.
#[derive(Debug, Default)]
struct Allowances {
    reads: AtomicU32,
    changes: AtomicU32,
    executions: AtomicU32,
    executions_denied: AtomicU32,
    calls: AtomicU32,
    connections_denied: AtomicU32,
    metadata_denied: AtomicU32,
    sockets_missing: AtomicU32,
    connecting: AtomicU32,
    disconnected: AtomicU32,
    names: AtomicU32,
    signals: AtomicU32,
    signals_to_nobody: AtomicU32,
}

impl Allowances {
    fn full() -> Self {
        let new = Self::default();
        new.refill();
        new
    }

    /// `None`: of this kind there are few in any case. What is alarming shares none with what is not: a program that tries many
    /// harmless things does not hide the other.
    fn of(&self, event: &Event) -> Option<&AtomicU32> {
        match event {
            Event::OpenDenied { write: false, .. } => Some(&self.reads),
            Event::OpenDenied { write: true, .. } => Some(&self.changes),
            Event::Executed { .. } => Some(&self.executions),
            Event::ExecDenied { .. } => Some(&self.executions_denied),
            Event::CallRefused { .. } => Some(&self.calls),
            Event::ConnectDenied { address, .. } if is_metadata(address) => Some(&self.metadata_denied),
            Event::ConnectDenied { .. } => Some(&self.connections_denied),
            Event::SocketMissing { .. } => Some(&self.sockets_missing),
            Event::Connecting { .. } => Some(&self.connecting),
            Event::Disconnected { .. } => Some(&self.disconnected),
            Event::NameRefused { .. } => Some(&self.names),
            Event::Signal { missing: false, .. } => Some(&self.signals),
            Event::Signal { missing: true, .. } => Some(&self.signals_to_nobody),
            Event::OutOfMemory
            | Event::ProcessLimit { .. }
            | Event::TmpFull
            | Event::DescriptorLimit { .. }
            | Event::Lost { .. } => None,
        }
    }

    fn refill(&self) {
        for kind in [
            &self.reads,
            &self.changes,
            &self.executions_denied,
            &self.calls,
            &self.connections_denied,
            &self.metadata_denied,
            &self.sockets_missing,
            &self.connecting,
            &self.disconnected,
            &self.names,
            &self.signals,
            &self.signals_to_nobody,
        ] {
            kind.store(EVENTS_PER_INVOCATION_MAX, Ordering::Relaxed);
        }
        self.executions.store(EXECUTIONS_PER_INVOCATION_MAX, Ordering::Relaxed);
    }
}

impl Recorder {
    pub(crate) fn new(events: mpsc::Sender<Recorded>) -> Self {
        Self {
            events,
            lost: AtomicU64::new(0),
            invocations: AtomicU64::new(0),
            allowances: Allowances::full(),
            forks_seen: AtomicU64::new(0),
            out_of_memory: AtomicBool::new(false),
            full: Said::default(),
        }
    }

    pub(crate) fn record(&self, event: Event) {
        if let Some(left) = self.allowances.of(&event) {
            let one_less = |left: u32| left.checked_sub(1);
            if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_err() {
                self.lost.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        self.tell_lost();
        if !self.send(event) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn send(&self, event: Event) -> bool {
        let invocation = self.invocations();
        self.events.try_send(Recorded { event, invocation, at: tokio::time::Instant::now() }).is_ok()
    }

    /// Whether the memory limit was hit.
    pub(crate) fn ran_out_of_memory(&self) -> bool {
        self.out_of_memory.load(Ordering::Relaxed)
    }

    /// How many invocations have begun.
    pub(crate) fn invocations(&self) -> u64 {
        self.invocations.load(Ordering::SeqCst)
    }

    /// Says how many events were not kept, if any.
    pub(crate) fn tell_lost(&self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 && !self.send(Event::Lost { count: lost }) {
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
    }

    /// The next invocation has its own allowance of each kind of event.
    pub(crate) fn begin_invocation(&self) {
        self.tell_lost();
        self.invocations.fetch_add(1, Ordering::SeqCst);
        self.full.forget();
        self.allowances.refill();
    }

    /// Looks at the process limit's counter.
    pub(crate) fn note_refused_forks(&self, group: &Group) {
        let now = group.forks_refused();
        let before = self.forks_seen.swap(now, Ordering::Relaxed);
        if now > before {
            self.record(Event::ProcessLimit { refused: now - before });
        }
    }

    /// Says what was found full, once in an invocation.
    pub(crate) fn note_full(&self, found: &Full) {
        if found.tmp && full::is_news(&self.full.tmp) {
            self.record(Event::TmpFull);
        }
        if let Some(pid) = found.descriptors
            && full::is_news(&self.full.descriptors)
        {
            self.record(Event::DescriptorLimit { pid });
        }
    }

    fn note_out_of_memory(&self) {
        if !self.out_of_memory.swap(true, Ordering::Relaxed) {
            self.record(Event::OutOfMemory);
        }
    }
}

/// What tells that memory runs out.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    /// At the hard limit.
    alarm: Option<AsyncFd<OwnedFd>>,
    /// Whether the environment runs; a frozen one needs no looking at.
    activity: watch::Receiver<Activity>,
    /// When to look next. Kept here, so that other work of the task does not put it off.
    next_look: tokio::time::Instant,
    tmp: Arc<OwnedFd>,
}

/// Whether an environment runs or is frozen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Activity {
    Running,
    Frozen,
}

impl MemoryWatch {
    pub(crate) fn new(
        group: &Group,
        activity: watch::Receiver<Activity>,
        tmp: Arc<OwnedFd>,
    ) -> io::Result<Self> {
        let alarm = group.memory_alarm()?.map(sys::watch).transpose()?;
        let next_look = tokio::time::Instant::now() + LOOK_PAUSE;
        Ok(Self { alarm, activity, next_look, tmp })
    }

    /// Whether the function has passed its size. If that cannot be told, it has.
    fn is_passed(&mut self, group: &Group) -> bool {
        self.next_look = tokio::time::Instant::now() + LOOK_PAUSE;
        let own = group.own_memory_bytes(|| sys::used_bytes(self.tmp.as_fd()));
        own.map_or(true, |own| own > group.memory_bytes())
    }
}

/// Everything one environment's task holds.
#[derive(Debug)]
pub(crate) struct Pump {
    pub(crate) memory: MemoryWatch,
    pub(crate) exit: pipe::Receiver,
    pub(crate) group: Arc<Group>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) pidfd: Arc<OwnedFd>,
    pub(crate) done: watch::Sender<Option<Exit>>,
    pub(crate) lease: SlotLease,
}

impl Pump {
    /// Runs until the environment is gone and cleaned up.
    pub(crate) async fn run(mut self) {
        let mut status = Vec::new();
        loop {
            tokio::select! {
                () = alarm(self.memory.alarm.as_ref()) => self.run_out_of_memory(),
                () = time_to_look(&mut self.memory.activity, self.memory.next_look) => if self.memory.is_passed(&self.group) {
                    self.run_out_of_memory();
                },
                read = self.exit.read_buf(&mut status) => if !matches!(read, Ok(1..)) { break },
            }
        }
        self.finish(&status).await;
    }

    /// At the hard limit the kernel kills one process; the others are killed here in any case, so that no half-dead
    /// environment goes on.
    fn run_out_of_memory(&self) {
        self.recorder.note_out_of_memory();
        kill(&self.group, &self.pidfd);
    }

    async fn finish(self, status: &[u8]) {
        let status = serde_json::from_slice(status).unwrap_or(ExitStatus::Unknown);
        if status == ExitStatus::Unknown {
            kill(&self.group, &self.pidfd);
        }
        if self.group.memory_kills() > 0 {
            self.recorder.note_out_of_memory();
        }
        self.recorder.note_refused_forks(&self.group);
        self.recorder.tell_lost();
        let out_of_memory = self.recorder.ran_out_of_memory();
        let exit = Exit { status, out_of_memory, usage: self.group.usage() };
        self.done.send_replace(Some(exit));
        remove(&self.group).await;
        drop(self.lease);
    }
}

/// Ends every process. The signal comes first: a frozen process must not run on when it is thawed to die.
pub(crate) fn kill(group: &Group, pidfd: &OwnedFd) {
    let _ = sys::pidfd_signal(pidfd.as_fd(), libc::SIGKILL);
    group.kill();
}

/// Removes the directories as soon as the last process has left them.
pub(crate) async fn remove(group: &Group) {
    for _ in 0..REMOVALS_MAX {
        if group.remove().is_ok() {
            return;
        }
        group.kill();
        tokio::time::sleep(REMOVAL_PAUSE).await;
    }
}

/// Resolves when it is time, and not while the environment is frozen.
async fn time_to_look(activity: &mut watch::Receiver<Activity>, next: tokio::time::Instant) {
    if activity.wait_for(|activity| *activity == Activity::Running).await.is_err() {
        // The environment has been dropped and is being killed.
        return std::future::pending().await;
    }
    tokio::time::sleep_until(next).await;
}

async fn alarm(counter: Option<&AsyncFd<OwnedFd>>) {
    let Some(counter) = counter else { return std::future::pending().await };
    loop {
        let Ok(mut ready) = counter.readable().await else { return std::future::pending().await };
        if ready.try_io(|counter| read_counter(counter.get_ref())).is_ok_and(|read| read.is_ok()) {
            return;
        }
    }
}

fn read_counter(counter: &OwnedFd) -> io::Result<()> {
    let mut bytes = [0_u8; 8];
    io::Read::read_exact(&mut std::fs::File::from(counter.try_clone()?), &mut bytes)
}

/// How long a function can hold more memory than its size; the hard limit holds at once.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Of each kind: so that a function that tries one name, address or call after the other does not fill the record.
const EVENTS_PER_INVOCATION_MAX: u32 = 64;
/// A build tool starts some hundreds of programs; more than this is read by nobody.
const EXECUTIONS_PER_INVOCATION_MAX: u32 = 256;
const REMOVALS_MAX: u32 = 200;
const REMOVAL_PAUSE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_kind_is_counted_and_leaves_room_for_the_others_and_for_the_next_invocation() {
        let (sender, mut events) = mpsc::channel(1_024);
        let recorder = Recorder::new(sender);
        let name = || Event::NameRefused { name: "n".to_owned() };
        let call = || Event::CallRefused { pid: 1, call: "bpf".to_owned() };
        recorder.begin_invocation();
        (0..100).for_each(|_| recorder.record(name()));
        recorder.record(call());
        recorder.begin_invocation();
        recorder.record(name());
        let mut read = Vec::new();
        while let Ok(one) = events.try_recv() {
            read.push((one.event, one.invocation));
        }
        let lost = Event::Lost { count: 100 - u64::from(EVENTS_PER_INVOCATION_MAX) };
        let (first, rest) = read.split_at(64);
        assert!(first.iter().all(|one| *one == (name(), 1)));
        assert_eq!(rest, [(lost, 1), (call(), 1), (name(), 2)]);
    }

    #[test]
    fn what_is_harmless_does_not_hide_what_is_alarming() {
        let (sender, mut events) = mpsc::channel(1_024);
        let recorder = Recorder::new(sender);
        recorder.begin_invocation();
        let open = |write| Event::OpenDenied { pid: 1, path: "/etc/shadow".to_owned(), write };
        let connect = |address: &str| Event::ConnectDenied { pid: 1, address: address.parse().unwrap() };
        for _ in 0..100 {
            recorder.record(open(true));
            recorder.record(connect("10.0.0.1:80"));
        }
        let alarming = [
            open(false),
            connect("169.254.169.254:80"),
            connect("[::ffff:169.254.169.254]:80"),
            connect("[fd00:ec2::254]:80"),
        ];
        for event in &alarming {
            recorder.record(event.clone());
        }
        let read: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).map(|one| one.event).collect();
        assert!(alarming.iter().all(|event| read.contains(event)), "{read:?}");
    }
}
