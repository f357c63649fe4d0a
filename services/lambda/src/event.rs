//! What happens inside an environment besides requests: attempts that the sandbox refused, limits that were met, misuse of the
//! Runtime API.
//!
//! Each becomes an audit event that names the function and the request in which it happened. What happens in an environment
//! that has no request is an alarm: a frozen environment does nothing.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use casemate_kernel::{Env, audit};
use casemate_names::Arn;
use casemate_sandbox::{Event, Recorded, is_metadata};
use tokio::{sync::mpsc, time::Instant};

/// Events that arrive this soon after a request's end still belong to it: they travel by another way than the answer.
const GRACE: std::time::Duration = std::time::Duration::from_millis(200);

/// Requests of an environment that are remembered for events that are read late.
const REMEMBERED_MAX: usize = 64;

/// To which request events belong.
#[derive(Debug, Clone)]
pub(crate) struct Attribution(Arc<Mutex<VecDeque<Served>>>);

#[derive(Debug)]
struct Served {
    /// Which of the environment's invocations; zero: before the first.
    invocation: u64,
    request_id: Option<String>,
    ended: Option<Instant>,
}

impl Default for Attribution {
    fn default() -> Self {
        let before = Served { invocation: 0, request_id: None, ended: None };
        Self(Arc::new(Mutex::new(VecDeque::from([before]))))
    }
}

impl Attribution {
    /// A request is about to begin, as this invocation of the environment.
    pub(crate) fn begin(&self, invocation: u64, request_id: &str) {
        let mut served = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if served.len() >= REMEMBERED_MAX {
            served.pop_front();
        }
        served.push_back(Served { invocation, request_id: Some(request_id.to_owned()), ended: None });
    }

    /// The request has ended.
    pub(crate) fn end(&self) {
        if let Some(last) = self.0.lock().unwrap_or_else(PoisonError::into_inner).back_mut() {
            last.ended = Some(Instant::now());
        }
    }

    /// The request that is running, or the last one.
    pub(crate) fn last(&self) -> Option<String> {
        let served = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        served.back().and_then(|one| one.request_id.clone())
    }

    /// The request as which an invocation ran, and whether at `at` it had been over for too long.
    fn of(&self, invocation: u64, at: Instant) -> (Option<String>, bool) {
        let served = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(one) = served.iter().rev().find(|one| one.invocation == invocation) else {
            return (None, false);
        };
        let idle = one.ended.is_some_and(|ended| at.saturating_duration_since(ended) > GRACE);
        (one.request_id.clone(), idle)
    }
}

/// What something inside did at the Runtime API, and was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misuse<'a> {
    /// It answered for this request, which is none of the environment's.
    AnswerForAnother(&'a str),
    /// It asked for a request while one is being worked on, or where only a template's child may ask, without its token.
    RequestBesideAnother,
    /// The head of what it asked did not come to its end in time.
    SlowHead,
}

/// Is told of misuse.
pub(crate) type Witness = Arc<dyn Fn(Misuse<'_>) + Send + Sync>;

/// Misuse of each kind of which each is told while one request runs. Ours: of more than this only how much it was, each time that
/// has doubled.
const MISUSE_MAX: usize = 16;
/// Characters of the id that was answered for.
const FOREIGN_ID_CHARS_MAX: usize = 64;

/// Records misuse of the Runtime API.
pub(crate) fn witness(env: Env, (place, function, attribution): (String, Arn, Attribution)) -> Witness {
    let told = Mutex::new(Heard::default());
    Arc::new(move |misuse| {
        let request_id = attribution.last();
        let mut heard = told.lock().unwrap_or_else(PoisonError::into_inner);
        let count = heard.count(misuse, request_id.as_ref());
        drop(heard);
        if !is_news(count) {
            return;
        }
        let (name, mut detail, alarm) = misused(misuse);
        if count > MISUSE_MAX {
            detail = format!("{detail}; {count} times in this request");
        }
        env.audit.event(audit::Event {
            name,
            at: env.clock.now(),
            place: place.clone(),
            function: Some(function.as_str().to_owned()),
            request_id,
            detail,
            alarm: alarm.map(str::to_owned),
        });
    })
}

/// Name, particulars, and what is alarming about it.
fn misused(misuse: Misuse<'_>) -> (&'static str, String, Option<&'static str>) {
    match misuse {
        Misuse::AnswerForAnother(id) => {
            let id: String = id.chars().take(FOREIGN_ID_CHARS_MAX).collect();
            (
                "lambda.answer-refused",
                format!("an answer for the request {id:?}"),
                Some("a function answered a request that it was not given"),
            )
        }
        Misuse::RequestBesideAnother => (
            "lambda.request-refused",
            "a request was asked for by something that was not to have one".to_owned(),
            Some("something beside a function's runtime asked for requests"),
        ),
        // Not alarming: a frozen environment does not finish what it has begun to say.
        Misuse::SlowHead => {
            ("lambda.connection-closed", "the head of a request came too slowly".to_owned(), None)
        }
    }
}

/// How much of each kind there has been while a request runs.
#[derive(Debug, Default)]
struct Heard {
    request_id: Option<String>,
    counts: [usize; 3],
}

impl Heard {
    /// One more of this kind while this request runs; how many that makes.
    fn count(&mut self, misuse: Misuse<'_>, request_id: Option<&String>) -> usize {
        if self.request_id.as_ref() != request_id {
            *self = Self { request_id: request_id.cloned(), counts: [0; 3] };
        }
        let [answers, requests, heads] = &mut self.counts;
        let count = match misuse {
            Misuse::AnswerForAnother(_) => answers,
            Misuse::RequestBesideAnother => requests,
            Misuse::SlowHead => heads,
        };
        *count = count.saturating_add(1);
        *count
    }
}

const fn is_news(count: usize) -> bool {
    count <= MISUSE_MAX || count.is_power_of_two()
}

/// Records events until the environment is gone.
pub(crate) async fn record(
    env: Env,
    mut events: mpsc::Receiver<Recorded>,
    (place, function, attribution): (String, Arn, Attribution),
) {
    while let Some(Recorded { event, invocation, at }) = events.recv().await {
        let (request_id, idle) = attribution.of(invocation, at);
        let (name, detail, alarm) = described(&event);
        // A connection may well end while nothing runs: the other side closed it.
        let idle = idle && !matches!(event, Event::Disconnected { .. });
        let alarm = match (alarm, idle) {
            (_, true) => Some("it happened while no request was running".to_owned()),
            (alarm, false) => alarm.map(str::to_owned),
        };
        env.audit.event(audit::Event {
            name,
            at: env.clock.now(),
            place: place.clone(),
            function: Some(function.as_str().to_owned()),
            request_id,
            detail,
            alarm,
        });
    }
}

/// Name, particulars, and what is alarming about it.
fn described(event: &Event) -> (&'static str, String, Option<&'static str>) {
    match event {
        Event::ExecDenied { pid, path } => (
            "sandbox.exec-denied",
            format!("process {pid} tried to execute {path:?}"),
            Some("a function tried to execute a program"),
        ),
        Event::Executed { pid, path, arguments } => {
            let arguments = if arguments.is_empty() { String::new() } else { format!(" as {arguments:?}") };
            ("sandbox.executed", format!("process {pid} executed {path:?}{arguments}"), None)
        }
        Event::ConnectDenied { pid, address } => (
            "sandbox.connect-denied",
            format!("process {pid} tried to connect to {address}"),
            is_metadata(address).then_some("a function tried to reach a metadata service"),
        ),
        // Not alarming: libraries look for daemons that other systems have.
        Event::SocketMissing { pid, name } => (
            "sandbox.connect-denied",
            format!("process {pid} tried to connect to the Unix socket {name:?}"),
            None,
        ),
        Event::Connecting { pid, address, name } => {
            let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            ("sandbox.connecting", format!("process {pid} connects to {address}{name}"), None)
        }
        Event::Disconnected { address, sent, received } => (
            "sandbox.disconnected",
            format!("{sent} bytes were sent to {address}, {received} received"),
            None,
        ),
        Event::NameRefused { name } => (
            "sandbox.name-refused",
            format!("{name:?} was not resolved: no egress rule allows it, or it leads to no public address"),
            None,
        ),
        Event::OpenDenied { pid, path, write: false } => (
            "sandbox.open-denied",
            format!("process {pid} tried to read {path:?}"),
            Some("a function tried to read a file beyond its environment"),
        ),
        // Not alarming: programs made for other systems keep their logs beside their code.
        Event::OpenDenied { pid, path, write: true } => {
            ("sandbox.open-denied", format!("process {pid} tried to change {path:?}"), None)
        }
        Event::CallRefused { pid, call } => (
            "sandbox.call-refused",
            format!("process {pid} called {call}"),
            Some("a function called what only an attack calls"),
        ),
        // Not alarming: who waits for a process of his own asks for it until it is gone.
        Event::Signal { pid, signal, target, missing } => {
            let missing = if *missing { ", which its environment does not have" } else { "" };
            ("sandbox.signal", format!("process {pid} sent signal {signal} to {target}{missing}"), None)
        }
        Event::OutOfMemory => ("sandbox.out-of-memory", "the memory limit was met".to_owned(), None),
        Event::ProcessLimit { refused } => (
            "sandbox.process-limit",
            format!("processes beyond the limit were refused ({refused} times)"),
            None,
        ),
        Event::TmpFull => ("sandbox.tmp-full", "/tmp was full when the request was over".to_owned(), None),
        Event::DescriptorLimit { pid } => (
            "sandbox.descriptor-limit",
            format!("process {pid} had all the descriptors it may have when the request was over"),
            None,
        ),
        Event::Lost { count } => (
            "sandbox.events-lost",
            format!("{count} events came too fast to be kept"),
            Some("more events than can be kept"),
        ),
    }
}

/// Particulars of an event, and what is alarming about it.
pub(crate) type Told = (String, Option<&'static str>);

/// What is told of a runtime that a signal has ended.
pub(crate) fn killed(signal: i32, out_of_memory: bool) -> Told {
    let name = signal_name(signal).map(|name| format!(" ({name})")).unwrap_or_default();
    let why = if out_of_memory { ": the memory limit was met" } else { "" };
    // The filter kills who numbers calls as another architecture does.
    let alarm = (signal == BAD_CALL).then_some("a function made system calls of another architecture");
    (format!("the runtime was ended by signal {signal}{name}{why}"), alarm)
}

/// A signal as AWS's texts name it.
pub(crate) fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        4 => "illegal instruction",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        15 => "terminated",
        BAD_CALL => "bad system call",
        _ => return None,
    })
}

/// SIGSYS.
const BAD_CALL: i32 = 31;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_the_metadata_address_and_foreign_files_are_alarming() {
        let exec = Event::ExecDenied { pid: 7, path: "/bin/sh".to_owned() };
        assert!(described(&exec).2.is_some());
        let connect = |text: &str| Event::ConnectDenied { pid: 7, address: text.parse().unwrap() };
        assert!(described(&connect("169.254.169.254:80")).2.is_some());
        assert!(described(&connect("[::ffff:169.254.169.254]:80")).2.is_some());
        assert!(described(&connect("[fd00:ec2::254]:80")).2.is_some());
        assert!(described(&connect("8.8.8.8:53")).2.is_none());
        let open = |write| Event::OpenDenied { pid: 7, path: "/etc/shadow".to_owned(), write };
        let (name, detail, alarm) = described(&open(false));
        assert!(name == "sandbox.open-denied" && detail.contains("read \"/etc/shadow\"") && alarm.is_some());
        assert!(described(&open(true)).2.is_none());
    }

    #[test]
    fn the_signal_that_ended_a_runtime_is_named() {
        assert_eq!(
            killed(11, false),
            ("the runtime was ended by signal 11 (segmentation fault)".to_owned(), None)
        );
        assert_eq!(killed(12, false).0, "the runtime was ended by signal 12");
        assert!(killed(9, true).0.ends_with("(killed): the memory limit was met"));
        assert!(killed(31, false).1.is_some());
    }

    #[test]
    fn of_each_kind_of_misuse_so_much_is_told_for_each_request() {
        let (mut told, one, other) = (Heard::default(), "one".to_owned(), "other".to_owned());
        for request in [None, Some(&one), Some(&other)] {
            for misuse in [Misuse::AnswerForAnother("x"), Misuse::RequestBesideAnother, Misuse::SlowHead] {
                let news: Vec<_> =
                    (0..100).map(|_| told.count(misuse, request)).filter(|count| is_news(*count)).collect();
                let expected: Vec<_> = (1..=MISUSE_MAX).chain([32, 64]).collect();
                assert_eq!(news, expected, "{request:?}");
            }
        }
        let attribution = Attribution::default();
        assert_eq!(attribution.last(), None);
        attribution.begin(1, "a");
        attribution.end();
        attribution.begin(2, "b");
        assert_eq!(attribution.last().as_deref(), Some("b"));
    }

    #[test]
    fn what_happens_long_after_a_request_is_out_of_place() {
        let (attribution, now) = (Attribution::default(), Instant::now());
        assert_eq!(attribution.of(0, now), (None, false));
        attribution.begin(1, "a");
        assert_eq!(attribution.of(1, now + GRACE * 9), (Some("a".to_owned()), false));
        attribution.end();
        assert_eq!(attribution.of(1, Instant::now()), (Some("a".to_owned()), false));
        assert_eq!(attribution.of(1, Instant::now() + GRACE * 2), (Some("a".to_owned()), true));
    }

    #[test]
    fn what_is_read_late_belongs_to_the_request_in_which_it_happened() {
        let (attribution, then) = (Attribution::default(), Instant::now());
        attribution.begin(1, "a");
        attribution.end();
        attribution.begin(2, "b");
        assert_eq!(attribution.of(1, then), (Some("a".to_owned()), false));
        assert_eq!(attribution.of(2, Instant::now()), (Some("b".to_owned()), false));
        (3..200).for_each(|number| attribution.begin(number, "c"));
        assert_eq!(attribution.of(1, then), (None, false));
    }
}
