//! A virtual machine as an environment: what comes over its one port, sorted and put into the forms that the others have.
//!
//! The guest may have been taken over: what it says of the function (events, usage, its end) is as trustworthy as the function
//! would be without a machine, and is used for nothing else. What it may connect to the host decides ([`Bridgehead`]).

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use casemate_microvm::{
    Aside, Basis, Connection, Disk, Line, Machine, Outlet, Stock, Stream, Template, Whose,
};
use casemate_names::Clock;
use casemate_sandbox::{
    Bridgehead, Driver, EgressRules, Exit, ExitStatus, MemberEnd, RELAY_PORT, RESOLVER_PORT,
    RUNTIME_API_PORT, Signal, Usage,
};
use tokio::{
    net::unix::pipe,
    sync::{Mutex as AsyncMutex, mpsc},
    time::timeout,
};

use super::{
    Taken,
    measured::{EVENTS_WAITING_MAX, record},
    template::{Coming, Question, Seen, Unkept},
};
use crate::environment::unix_ns;

/// Connections that wait to be taken; further ones are reset.
const WAITING_MAX: usize = 64;
/// How long a guest may take to say what its function has used. Ours: it answers in milliseconds, and nothing depends on it.
const USAGE_LIMIT: Duration = Duration::from_secs(2);

/// See the module. Dropping it ends the machine.
#[derive(Debug)]
pub(crate) struct InMachine {
    machine: Machine,
    runtime_api: AsyncMutex<mpsc::Receiver<Stream>>,
    aws_endpoint: AsyncMutex<mpsc::Receiver<Stream>>,
    taken: Option<Taken>,
    companion_output: Option<pipe::Receiver>,
    begun: Arc<AtomicU64>,
    /// What it may reach outside, if anything.
    bridgehead: Option<Arc<Bridgehead>>,
    /// The last it said.
    used: Mutex<Usage>,
    clock: Arc<dyn Clock>,
    template: Coming,
    _code: Arc<Disk>,
}

impl InMachine {
    /// Takes up a machine in which a function has been started. `code` is its disk.
    pub(crate) async fn new(
        mut machine: Machine,
        (code, basis): (Arc<Disk>, Option<Basis>),
        clock: Arc<dyn Clock>,
        egress: Option<(&Driver, &EgressRules)>,
    ) -> io::Result<Self> {
        let gone = || io::Error::other("the virtual machine has ended");
        let (stdout, stderr) = machine.take_outputs().await.ok_or_else(gone)?;
        let connections = machine.take_connections().ok_or_else(gone)?;
        let events = machine.take_events().ok_or_else(gone)?;
        let companion_output = machine.take_companion_output().await.map_err(io::Error::other)?;
        let companion_output = companion_output.map(piped).transpose()?;
        let begun = Arc::new(AtomicU64::new(0));
        let (sender, recorded) = mpsc::channel(EVENTS_WAITING_MAX);
        let bridgehead = egress.map(|(driver, rules)| driver.bridgehead(rules, sender.clone()));
        let bridgehead = bridgehead.transpose().map_err(io::Error::other)?.map(Arc::new);
        record(events, Arc::clone(&begun), sender);
        let taken =
            Taken { stdout: Some(piped(stdout)?), stderr: Some(piped(stderr)?), events: Some(recorded) };
        let template = Coming::of(basis);
        let (runtime_api, aws_endpoint) = sorted(connections, template.seen(), bridgehead.clone());
        Ok(Self {
            machine,
            runtime_api: AsyncMutex::new(runtime_api),
            aws_endpoint: AsyncMutex::new(aws_endpoint),
            taken: Some(taken),
            companion_output,
            begun,
            bridgehead,
            used: Mutex::default(),
            clock,
            template,
            _code: code,
        })
    }

    /// See [`super::Isolate::keep`].
    pub(super) async fn keep(&self, stock: &Stock, of: (Whose, Aside, Question)) -> Result<Template, Unkept> {
        self.template.keep(stock, &self.machine, of).await
    }

    pub(super) fn take(&mut self) -> Taken {
        self.taken.take().unwrap_or(Taken { stdout: None, stderr: None, events: None })
    }

    pub(super) async fn runtime_api(&self) -> io::Result<Stream> {
        next(&self.runtime_api).await
    }

    pub(super) async fn aws_endpoint(&self) -> io::Result<Stream> {
        next(&self.aws_endpoint).await
    }

    pub(super) async fn begin_init(&self) -> io::Result<()> {
        self.machine.begin_init().await.map_err(io::Error::other)
    }

    pub(super) async fn end_init(&self) -> io::Result<()> {
        self.machine.end_init().await.map_err(io::Error::other)
    }

    pub(super) async fn begin_invocation(&self) -> io::Result<()> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        if let Some(bridgehead) = &self.bridgehead {
            bridgehead.begin_invocation();
        }
        // A machine that does not hear it has ended, or is ended for it.
        self.machine.begin_invocation().await.map_err(io::Error::other)
    }

    pub(super) fn invocations(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    pub(super) async fn freeze(&self) -> io::Result<()> {
        self.machine.freeze().await.map_err(io::Error::other)
    }

    /// Its clock has stood still meanwhile.
    pub(super) async fn thaw(&self) -> io::Result<()> {
        self.machine.thaw(unix_ns(self.clock.now())).await.map_err(io::Error::other)
    }

    pub(super) async fn note_residents(&self) -> io::Result<()> {
        self.machine.note_residents().await.map_err(io::Error::other)
    }

    pub(super) async fn end_strays(&self) -> io::Result<usize> {
        self.machine.end_strays().await.map_err(io::Error::other)
    }

    pub(super) fn kill(&self) {
        self.machine.kill();
    }

    /// See [`super::Isolate::is_lost`].
    pub(super) fn is_lost(&self) -> bool {
        !self.machine.has_told_exit()
    }

    pub(super) async fn exited(&self) -> Exit {
        let killed =
            || Exit { status: ExitStatus::Signal(KILLED), out_of_memory: false, usage: self.last_used() };
        self.machine.exited().await.unwrap_or_else(killed)
    }

    pub(super) async fn usage(&self) -> Usage {
        if let Ok(Ok(usage)) = timeout(USAGE_LIMIT, self.machine.usage()).await {
            *self.used.lock().unwrap_or_else(PoisonError::into_inner) = usage;
        }
        self.last_used()
    }

    pub(super) async fn run_runtime(&self) -> io::Result<()> {
        self.machine.run_runtime().await.map_err(io::Error::other)
    }

    pub(super) fn runtime_not_executed(&self) -> Option<io::Error> {
        self.machine.runtime_not_executed()
    }

    pub(super) fn take_companion_output(&mut self) -> Option<pipe::Receiver> {
        self.companion_output.take()
    }

    pub(super) fn take_outlets(&mut self) -> Vec<Outlet> {
        self.machine.take_outlets()
    }

    pub(super) async fn companion_ended(&self, known: &[usize]) -> (usize, MemberEnd) {
        self.machine.companion_ended(known).await
    }

    pub(super) async fn over(&self) {
        self.machine.over().await;
    }

    pub(super) async fn end_all_but_companions(&self) -> io::Result<()> {
        self.machine.end_all_but_companions().await.map_err(io::Error::other)
    }

    pub(super) async fn end_runtime(&self, signal: Signal) {
        // One that does not hear it is ended for it.
        drop(self.machine.end_runtime(signal).await);
    }

    pub(super) fn is_emulated(&self) -> bool {
        self.machine.is_emulated()
    }

    fn last_used(&self) -> Usage {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn next(connections: &AsyncMutex<mpsc::Receiver<Stream>>) -> io::Result<Stream> {
    connections.lock().await.recv().await.ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))
}

/// Output in a pipe, as a process's is. A pipe that is not read stops the writer inside.
fn piped(mut output: Stream) -> io::Result<pipe::Receiver> {
    let (mut sender, receiver) = pipe::pipe()?;
    drop(tokio::spawn(async move {
        drop(tokio::io::copy(&mut output, &mut sender).await);
    }));
    Ok(receiver)
}

/// Connections by where they were made to.
fn sorted(
    mut connections: mpsc::Receiver<Connection>,
    seen: Option<Arc<Seen>>,
    bridgehead: Option<Arc<Bridgehead>>,
) -> (mpsc::Receiver<Stream>, mpsc::Receiver<Stream>) {
    let (runtime_api, to_runtime_api) = mpsc::channel(WAITING_MAX);
    let (aws_endpoint, to_aws_endpoint) = mpsc::channel(WAITING_MAX);
    drop(tokio::spawn(async move {
        while let Some(mut connection) = connections.recv().await {
            if is_for_outside(connection.port) {
                // Where nothing may be reached it breaks here.
                let line = Line::from(connection.stream);
                if let Some(bridgehead) = &bridgehead {
                    bridgehead.lead(connection.port, line);
                }
                continue;
            }
            if let Some(seen) = &seen {
                seen.note(&mut connection);
            }
            let Connection { port, stream, .. } = connection;
            let queue = if port == RUNTIME_API_PORT { &runtime_api } else { &aws_endpoint };
            // One queue that is full must not hold up the other.
            drop(queue.try_send(stream));
        }
    }));
    (to_runtime_api, to_aws_endpoint)
}

fn is_for_outside(port: u16) -> bool {
    port == RELAY_PORT || port == RESOLVER_PORT
}

/// SIGKILL: the machine ended without a word of its function.
const KILLED: i32 = 9;
