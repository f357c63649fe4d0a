//! What holds one execution environment's processes, and the connections they make to the platform.
//!
//! Everything above asks the same of it, whatever it is. Knows nothing of functions or requests.

mod companions;

use std::{
    io,
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll},
};

use casemate_sandbox::{Exit, Recorded, Residents, Usage};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream, unix::pipe},
    sync::mpsc,
};

/// One of them. Dropping it ends what is inside.
#[derive(Debug)]
pub(crate) enum Isolate {
    /// A process sandbox on the host's kernel.
    Process(Process),
}

/// A process sandbox.
#[derive(Debug)]
pub(crate) struct Process {
    sandbox: casemate_sandbox::Environment,
    /// The processes of a managed runtime; what else is there after a request is left over. Unset: all may stay.
    residents: OnceLock<Residents>,
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
        Self::Process(Process { sandbox, residents: OnceLock::new() })
    }

    /// Outputs and events.
    pub(crate) fn take(&mut self) -> Taken {
        let Self::Process(Process { sandbox, .. }) = self;
        Taken { stdout: sandbox.take_stdout(), stderr: sandbox.take_stderr(), events: sandbox.take_events() }
    }

    /// The next connection to the platform's AWS endpoint, made inside; an error is the end of it.
    pub(crate) async fn accept_aws_endpoint(&self) -> io::Result<Channel> {
        let Self::Process(Process { sandbox, .. }) = self;
        casemate_sandbox::accept(sandbox.aws_endpoint()).await.map(|(stream, _)| Channel::Socket(stream))
    }

    /// Initial allowance of processor time, for the platform's own work between requests.
    #[expect(clippy::unused_async, reason = "what is not on this kernel has to be asked")]
    pub(crate) async fn begin_init(&self) -> io::Result<()> {
        let Self::Process(Process { sandbox, .. }) = self;
        sandbox.begin_init()
    }

    /// Processor time by memory size from now on.
    #[expect(clippy::unused_async, reason = "what is not on this kernel has to be asked")]
    pub(crate) async fn end_init(&self) -> io::Result<()> {
        let Self::Process(Process { sandbox, .. }) = self;
        sandbox.end_init()
    }

    /// Says that a request begins.
    pub(crate) fn begin_invocation(&self) {
        let Self::Process(Process { sandbox, .. }) = self;
        sandbox.begin_invocation();
    }

    /// How many requests have begun.
    pub(crate) fn invocations(&self) -> u64 {
        let Self::Process(Process { sandbox, .. }) = self;
        sandbox.invocations()
    }

    /// Stops everything inside; returns when it has stopped.
    pub(crate) async fn freeze(&self) -> io::Result<()> {
        let Self::Process(Process { sandbox, .. }) = self;
        sandbox.freeze().await
    }

    /// Lets it run again.
    pub(crate) async fn thaw(&self) -> io::Result<()> {
        let Self::Process(Process { sandbox, .. }) = self;
        sandbox.thaw().await
    }

    /// Gives what is inside back its first state, as far as that is done. While frozen.
    pub(crate) async fn reset(&self) -> io::Result<()> {
        let Self::Process(Process { sandbox, .. }) = self;
        sandbox.reset().await.map(drop)
    }

    /// What there is now belongs to the runtime: what comes besides is left over after a request.
    #[expect(clippy::unused_async, reason = "what is not on this kernel has to be asked")]
    pub(crate) async fn note_residents(&self) -> io::Result<()> {
        let Self::Process(Process { sandbox, residents }) = self;
        drop(residents.set(sandbox.residents()?));
        Ok(())
    }

    /// Ends the processes that a request has left behind; how many they were.
    pub(crate) async fn end_strays(&self) -> io::Result<usize> {
        let Self::Process(Process { sandbox, residents }) = self;
        let Some(residents) = residents.get() else { return Ok(0) };
        if !sandbox.has_strays(residents)? {
            return Ok(0);
        }
        // Stopped first: what runs could fork faster than it is ended.
        let ended = match sandbox.freeze().await {
            Ok(()) => sandbox.kill_strays(residents),
            Err(error) => Err(error),
        };
        let thawed = sandbox.thaw().await;
        let ended = ended?;
        thawed.map(|()| ended)
    }

    /// Ends it, now.
    pub(crate) fn kill(&self) {
        let Self::Process(Process { sandbox, .. }) = self;
        sandbox.kill();
    }

    /// Waits for its end.
    pub(crate) async fn exited(&self) -> Exit {
        let Self::Process(Process { sandbox, .. }) = self;
        sandbox.exited().await
    }

    /// What it has used so far.
    pub(crate) fn usage(&self) -> Usage {
        let Self::Process(Process { sandbox, .. }) = self;
        sandbox.usage()
    }
}

/// Where connections to the Runtime API come from. Whoever is at their other end is that one environment.
pub(crate) trait Accept: Sync {
    /// The next one; an error is the end of it.
    fn runtime_api(&self) -> impl Future<Output = io::Result<Channel>> + Send;
}

impl Accept for Isolate {
    async fn runtime_api(&self) -> io::Result<Channel> {
        let Self::Process(Process { sandbox, .. }) = self;
        sandbox.runtime_api().runtime_api().await
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
}

impl Channel {
    /// Small answers do not wait for the other side's acknowledgement.
    pub(crate) fn send_at_once(&self) {
        let Self::Socket(stream) = self;
        drop(stream.set_nodelay(true));
    }
}

impl AsyncRead for Channel {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self::Socket(stream) = self.get_mut();
        Pin::new(stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Channel {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self::Socket(stream) = self.get_mut();
        Pin::new(stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Socket(stream) = self.get_mut();
        Pin::new(stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self::Socket(stream) = self.get_mut();
        Pin::new(stream).poll_shutdown(context)
    }
}
