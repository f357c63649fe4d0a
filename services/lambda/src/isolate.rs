//! What holds one execution environment's processes, and the connections they make to the platform.
//!
//! Everything above asks the same of it, whatever it is. Knows nothing of functions or requests.

mod companions;
mod machine;
mod measured;
mod template;

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use casemate_microvm::{Aside, Basis, Disk, Machine, Stock, Stream, Template, Whose};
use casemate_names::Clock;
use casemate_sandbox::{Driver, EgressRules, Exit, Recorded, Residents, Tick, Usage};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream, unix::pipe},
    sync::mpsc,
};

pub(crate) use companions::Outlet;
use machine::InMachine;
pub(crate) use template::{Question, Unkept};

/// One of them. Dropping it ends what is inside.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are the larger one")]
pub(crate) enum Isolate {
    /// A process sandbox on the host's kernel.
    Process(Process),
    /// The same inside a virtual machine.
    Machine(Box<InMachine>),
}

/// A process sandbox.
#[derive(Debug)]
pub(crate) struct Process {
    sandbox: casemate_sandbox::Environment,
    /// The processes of the runtime; what else is there after a request is left over. Unset: all may stay.
    residents: Mutex<Option<Residents>>,
}

/// What of it is taken once.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) stdout: Option<pipe::Receiver>,
    pub(crate) stderr: Option<pipe::Receiver>,
    pub(crate) events: Option<mpsc::Receiver<Recorded>>,
}

impl Isolate {
    pub(crate) fn process(sandbox: casemate_sandbox::Environment) -> Self {
        Self::Process(Process { sandbox, residents: Mutex::new(None) })
    }

    /// A machine in which a function has been started, the disk of its code, what of it may become a template, and what it may
    /// connect to.
    pub(crate) async fn machine(
        machine: Machine,
        of: (Arc<Disk>, Option<Basis>),
        clock: Arc<dyn Clock>,
        egress: Option<(&Driver, &EgressRules)>,
    ) -> io::Result<Self> {
        InMachine::new(machine, of, clock, egress).await.map(|machine| Self::Machine(Box::new(machine)))
    }

    /// Ends a machine whose function waits for what comes next, and keeps its state as a template.
    pub(crate) async fn keep(&self, stock: &Stock, of: (Whose, Aside, Question)) -> Result<Template, Unkept> {
        match self {
            Self::Process(_) => Err(Unkept::Unfit("it is not in a machine")),
            Self::Machine(machine) => machine.keep(stock, of).await,
        }
    }

    /// Outputs and events.
    pub(crate) fn take(&mut self) -> Taken {
        match self {
            Self::Process(Process { sandbox, .. }) => Taken {
                stdout: sandbox.take_stdout(),
                stderr: sandbox.take_stderr(),
                events: sandbox.take_events(),
            },
            Self::Machine(machine) => machine.take(),
        }
    }

    /// The next connection to the platform's AWS endpoint, made inside; an error is the end of it.
    pub(crate) async fn accept_aws_endpoint(&self) -> io::Result<Channel> {
        match self {
            Self::Process(Process { sandbox, .. }) => casemate_sandbox::accept(sandbox.aws_endpoint())
                .await
                .map(|(stream, _)| Channel::Socket(stream)),
            Self::Machine(machine) => machine.aws_endpoint().await.map(Channel::Machine),
        }
    }

    /// Initial allowance of processor time, for the platform's own work between requests.
    pub(crate) async fn begin_init(&self) -> io::Result<()> {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.begin_init(),
            Self::Machine(machine) => machine.begin_init().await,
        }
    }

    /// Processor time by memory size from now on.
    pub(crate) async fn end_init(&self) -> io::Result<()> {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.end_init(),
            Self::Machine(machine) => machine.end_init().await,
        }
    }

    /// Says that a request begins. An error: it is over, and nothing inside has heard of the request.
    pub(crate) async fn begin_invocation(&self) -> io::Result<()> {
        match self {
            Self::Process(Process { sandbox, .. }) => {
                sandbox.begin_invocation();
                Ok(())
            }
            Self::Machine(machine) => machine.begin_invocation().await,
        }
    }

    /// How many requests have begun.
    pub(crate) fn invocations(&self) -> u64 {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.invocations(),
            Self::Machine(machine) => machine.invocations(),
        }
    }

    /// Stops everything inside; returns when it has stopped.
    pub(crate) async fn freeze(&self) -> io::Result<()> {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.freeze().await,
            Self::Machine(machine) => machine.freeze().await,
        }
    }

    /// Lets it run again.
    pub(crate) async fn thaw(&self) -> io::Result<()> {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.thaw().await,
            Self::Machine(machine) => machine.thaw().await,
        }
    }

    /// Gives what is inside back its first state, as far as that is done. While frozen. A machine is replaced instead.
    pub(crate) async fn reset(&self) -> io::Result<()> {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.reset().await.map(drop),
            Self::Machine(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
        }
    }

    /// What there is now belongs to the runtime, and nothing that was said before: what comes besides is left over after a
    /// request.
    pub(crate) async fn note_residents(&self) -> io::Result<()> {
        match self {
            Self::Process(Process { sandbox, residents }) => {
                *residents.lock().unwrap_or_else(PoisonError::into_inner) = Some(sandbox.residents()?);
                Ok(())
            }
            Self::Machine(machine) => machine.note_residents().await,
        }
    }

    /// Ends the processes that a request has left behind; how many they were. Not left over is what has begun since the answer
    /// and waits over one of the connections, or was begun for that. An error: something may be left.
    pub(crate) async fn end_strays(&self, since: Option<(Tick, Vec<Vec<SocketAddr>>)>) -> io::Result<usize> {
        match self {
            Self::Process(Process { sandbox, residents }) => {
                let residents = residents.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let residents = residents.map(|all| match since {
                    Some((tick, connections)) => all.and_asking(tick, connections),
                    None => all,
                });
                match residents {
                    Some(residents) => sandbox.end_strays(&residents).await,
                    None => Ok(0),
                }
            }
            Self::Machine(machine) => machine.end_strays().await,
        }
    }

    /// Is it on the host's kernel?
    pub(crate) const fn is_process(&self) -> bool {
        matches!(self, Self::Process(_))
    }

    /// Ends it, now.
    pub(crate) fn kill(&self) {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.kill(),
            Self::Machine(machine) => machine.kill(),
        }
    }

    /// Is its processor a program on the host, which is slow?
    pub(crate) fn is_emulated(&self) -> bool {
        match self {
            Self::Process(_) => false,
            Self::Machine(machine) => machine.is_emulated(),
        }
    }

    /// Of one that has ended: was it a machine, with its function in it? Then its end says nothing of the function.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Process(_) => false,
            Self::Machine(machine) => machine.is_lost(),
        }
    }

    /// Waits for its end.
    pub(crate) async fn exited(&self) -> Exit {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.exited().await,
            Self::Machine(machine) => machine.exited().await,
        }
    }

    /// What it has used so far.
    pub(crate) async fn usage(&self) -> Usage {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.usage(),
            Self::Machine(machine) => machine.usage().await,
        }
    }
}

/// Where connections to the Runtime API come from. Whoever is at their other end is that one environment.
pub(crate) trait Accept: Sync {
    /// The next one; an error is the end of it.
    fn runtime_api(&self) -> impl Future<Output = io::Result<Channel>> + Send;
}

impl Accept for Isolate {
    async fn runtime_api(&self) -> io::Result<Channel> {
        match self {
            Self::Process(Process { sandbox, .. }) => sandbox.runtime_api().runtime_api().await,
            Self::Machine(machine) => machine.runtime_api().await.map(Channel::Machine),
        }
    }
}

impl Accept for TcpListener {
    async fn runtime_api(&self) -> io::Result<Channel> {
        casemate_sandbox::accept(self).await.map(|(stream, _)| Channel::Socket(stream))
    }
}

/// A connection that was made inside an environment.
#[derive(Debug)]
pub enum Channel {
    /// On this kernel.
    Socket(TcpStream),
    /// Over a machine's port.
    Machine(Stream),
}

impl Channel {
    /// The address of its other end, where that is a socket of this kernel.
    pub(crate) fn from(&self) -> Option<SocketAddr> {
        match self {
            Self::Socket(stream) => stream.peer_addr().ok(),
            Self::Machine(_) => None,
        }
    }

    /// Small answers do not wait for the other side's acknowledgement.
    pub(crate) fn send_at_once(&self) {
        if let Self::Socket(stream) = self {
            drop(stream.set_nodelay(true));
        }
    }
}

impl AsyncRead for Channel {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Socket(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Machine(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Channel {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Socket(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Machine(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Socket(stream) => Pin::new(stream).poll_flush(context),
            Self::Machine(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Socket(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Machine(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
