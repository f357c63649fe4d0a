//! One machine, as its caller holds it.
//!
//! ```text
//!   booted or restored ──start──▶ running ⇄ frozen ──▶ ended
//!          └──────────── snapshot ──┘                    ▲ (kill, crash, host gone: from any state)
//! ```
//! Knows nothing of invocations. The guest may be hostile: all it can do is use up its own streams and messages.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use casemate_sandbox::{Event, Exit, PIDS_MAX, Usage};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use crate::{
    asking::Asking,
    companions::{self, Arrivals, Awaited, Ends},
    error::{Error, doing},
    heard::Tap,
    monitor::Control,
    mux::{Incoming, Mux, STREAMS_MAX},
    process::Process,
    protocol::{Answer, Command, Message, PROTOCOL, Request, STDERR_PORT, STDOUT_PORT, Start},
    stream::Stream,
    template::Open,
};

/// A connection the function has made inside, to the Runtime API (9001) or the AWS endpoint (4566), or a line for its way out
/// ([`casemate_sandbox::RELAY_PORT`] and [`casemate_sandbox::RESOLVER_PORT`]). Whoever is at its other end is this machine:
/// nobody else can reach it.
#[derive(Debug)]
pub struct Connection {
    /// Which of them.
    pub port: u16,
    /// Its bytes. Of a clone's first connections, those that were read before the snapshot come again.
    pub stream: Stream,
    pub(crate) id: u32,
}

impl Connection {
    /// Listens to what is read from it, whoever has it.
    pub fn tap(&mut self) -> Tap {
        Tap::of(self)
    }
}

/// A machine with one function. Dropping it ends it.
#[derive(Debug)]
pub struct Machine {
    pub(crate) process: Process,
    pub(crate) control: Control,
    pub(crate) mux: Mux,
    pub(crate) ram_mb: u64,
    pub(crate) layers: String,
    pub(crate) started: bool,
    /// Whether its function was given credentials; then no template is made of it.
    pub(crate) holds_credentials: bool,
    /// How many programs run beside the runtime.
    pub(crate) companions: usize,
    pub(crate) beside: Awaited,
    numbers: AtomicU64,
    asking: Arc<Asking>,
    connections: Option<mpsc::Receiver<Connection>>,
    events: Option<mpsc::Receiver<(Event, u64)>>,
    outputs: mpsc::Receiver<(u16, u32, Stream)>,
    pub(crate) output_ids: Vec<(u16, u32)>,
    pub(crate) ends: watch::Receiver<Ends>,
}

impl Machine {
    /// Takes up the connection to a guest that boots: waits for its hello.
    pub(crate) async fn greet(process: Process, control: Control, ram_mb: u64) -> Result<Self, Error> {
        let (mux, mut incoming) = open_port(&control, &process, BOOT_TIMEOUT).await?;
        let hello = timeout(BOOT_TIMEOUT, async {
            tokio::select! {
                first = incoming.recv() => first,
                () = process.ended() => None,
            }
        });
        let hello = match hello.await {
            Ok(Some(Incoming::Control(bytes))) => bytes,
            Ok(Some(Incoming::Opened { .. })) => return Err(Error::Guest("no hello".into())),
            Ok(None) | Err(_) => return Err(Error::TimedOut(process.last_words())),
        };
        match serde_json::from_slice(&hello) {
            Ok(Message::Hello { protocol: PROTOCOL, layers }) => {
                Ok(Self::new((process, control), mux, incoming, ram_mb, layers))
            }
            Ok(Message::Hello { protocol, .. }) => {
                Err(Error::Guest(format!("it speaks protocol {protocol}, the host {PROTOCOL}")))
            }
            _ => Err(Error::Guest("no hello".into())),
        }
    }

    /// Takes up the connection to a guest that goes on from a snapshot; the streams open then are open now.
    pub(crate) async fn restored(
        process: Process,
        control: Control,
        ram_mb: u64,
        open: &[Open],
    ) -> Result<Self, Error> {
        let (mux, incoming) = open_port(&control, &process, ANSWER_TIMEOUT).await?;
        let (sender, connections) = mpsc::channel(CONNECTIONS_WAITING_MAX);
        let mut outputs = Vec::new();
        for stream in open {
            let resumed = mux.resume(stream.id).ok_or(Error::Gone)?;
            if is_output(stream.port) {
                outputs.push((stream.port, stream.id, resumed));
                continue;
            }
            let replayed = stream.replay(resumed);
            let _ = sender.try_send(Connection { port: stream.port, stream: replayed, id: stream.id });
        }
        let mut machine = Self::with((process, control), mux, incoming, ram_mb, (sender, connections));
        machine.output_ids = outputs.iter().map(|(port, id, _)| (*port, *id)).collect();
        let (sender, receiver) = mpsc::channel(2);
        for output in outputs {
            let _ = sender.try_send(output);
        }
        if machine.output_ids.len() == 2 {
            machine.outputs = receiver;
        }
        Ok(machine)
    }

    fn new(
        (process, control): (Process, Control),
        mux: Mux,
        incoming: mpsc::Receiver<Incoming>,
        ram_mb: u64,
        layers: String,
    ) -> Self {
        let machine =
            Self::with((process, control), mux, incoming, ram_mb, mpsc::channel(CONNECTIONS_WAITING_MAX));
        Self { layers, ..machine }
    }

    fn with(
        (process, control): (Process, Control),
        mux: Mux,
        incoming: mpsc::Receiver<Incoming>,
        ram_mb: u64,
        (sender, connections): (mpsc::Sender<Connection>, mpsc::Receiver<Connection>),
    ) -> Self {
        let asking = Arc::new(Asking::default());
        let (event_sender, events) = mpsc::channel(EVENTS_MAX);
        let (output_sender, outputs) = mpsc::channel(2);
        let (done, ends) = watch::channel(Ends::default());
        let (arrivals, beside) = companions::streams();
        let dispatch = Dispatch {
            asking: Arc::clone(&asking),
            connections: sender,
            events: event_sender,
            outputs: output_sender,
            arrivals,
            done,
        };
        tokio::spawn(dispatch.run(incoming));
        Self {
            process,
            control,
            mux,
            ram_mb,
            layers: String::new(),
            started: false,
            holds_credentials: false,
            companions: 0,
            beside,
            numbers: AtomicU64::new(1),
            asking,
            connections: Some(connections),
            events: Some(events),
            outputs,
            output_ids: Vec::new(),
            ends,
        }
    }

    /// What the process sandbox inside reported of its layers at boot; empty of a clone.
    pub fn layers(&self) -> &str {
        &self.layers
    }

    /// The next connection the function makes. `None` when the machine has ended.
    pub async fn accept(&mut self) -> Option<Connection> {
        self.connections.as_mut()?.recv().await
    }

    /// The connections the function makes, once, instead of [`Machine::accept`].
    pub fn take_connections(&mut self) -> Option<mpsc::Receiver<Connection>> {
        self.connections.take()
    }

    /// The function's standard output and standard error, once, after it has been started.
    pub async fn take_outputs(&mut self) -> Option<(Stream, Stream)> {
        let both = async { Some((self.outputs.recv().await?, self.outputs.recv().await?)) };
        let ((first, _, stdout), (second, _, stderr)) = timeout(ANSWER_TIMEOUT, both).await.ok()??;
        (first == STDOUT_PORT && second == STDERR_PORT).then_some((stdout, stderr))
    }

    /// What the function tried or met, and after how many invocations had begun, once. Process numbers are the guest's.
    pub fn take_events(&mut self) -> Option<mpsc::Receiver<(Event, u64)>> {
        self.events.take()
    }

    /// Starts the function in the sandbox inside.
    pub(crate) async fn start(&mut self, start: Start) -> Result<(), Error> {
        self.companions = start.beside.count();
        match self.ask(Command::Start(start)).await? {
            Answer::NotBegun { step, errno } => {
                return Err(Error::NotBegun { step, source: io::Error::from_raw_os_error(errno) });
            }
            _ => self.started = true,
        }
        self.output_ids = self
            .mux
            .open_streams()
            .into_iter()
            .take(2)
            .zip([STDOUT_PORT, STDERR_PORT])
            .map(|(id, port)| (port, id))
            .collect();
        Ok(())
    }

    /// A round trip to the agent.
    pub async fn ping(&self) -> Result<(), Error> {
        self.command(Command::Ping).await
    }

    /// Has the agent stop the function before the machine's state is kept. Copies of the machine begin with a function that
    /// stands still, and it goes on when the copy has randomness and a time of its own ([`Command::Refresh`]).
    pub(crate) async fn hold(&self) -> Result<(), Error> {
        self.command(Command::Hold).await.map_err(|error| match error {
            Error::Guest(why) => Error::NotStopped(why),
            other => other,
        })
    }

    /// Gives the function the initial allowance of processor time again.
    pub async fn begin_init(&self) -> Result<(), Error> {
        self.command(Command::BeginInit).await
    }

    /// Initialisation is over: processor time by memory size from now on.
    pub async fn end_init(&self) -> Result<(), Error> {
        self.command(Command::EndInit).await
    }

    /// Says that a request begins: events that are limited per invocation start anew.
    pub async fn begin_invocation(&self) -> Result<(), Error> {
        self.promptly(Command::BeginInvocation).await
    }

    /// What there is now belongs to the runtime.
    pub async fn note_residents(&self) -> Result<(), Error> {
        self.command(Command::NoteResidents).await
    }

    /// Ends the processes that are there besides; how many they were.
    pub async fn end_strays(&self) -> Result<usize, Error> {
        match self.ask(Command::EndStrays).await? {
            // There cannot have been more; who counts them need not fear the guest's numbers.
            Answer::Ended(count) if u64::try_from(count).is_ok_and(|count| count <= PIDS_MAX) => Ok(count),
            _ => Err(Error::Guest("it answered something else".into())),
        }
    }

    /// What the function has used so far, as the guest says.
    pub async fn usage(&self) -> Result<Usage, Error> {
        match self.ask(Command::Usage).await? {
            Answer::Used(usage) => Ok(usage),
            _ => Err(Error::Guest("it answered something else".into())),
        }
    }

    /// Ends the machine, now.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Stops the machine's processors; returns when they have stopped.
    pub async fn freeze(&self) -> Result<(), Error> {
        self.control.stop().await
    }

    /// Lets it run again, at the time `unix_ns`.
    pub async fn thaw(&self, unix_ns: u64) -> Result<(), Error> {
        self.control.go_on().await?;
        self.promptly(Command::SetClock { unix_ns }).await
    }

    /// Waits for the end of the function: of its runtime, where companions may go on. `None` if the machine ended without a
    /// word of it.
    pub async fn exited(&self) -> Option<Exit> {
        let mut ends = self.ends.clone();
        tokio::select! {
            told = ends.wait_for(|ends| ends.exit.is_some()) => told.ok().and_then(|ends| ends.exit),
            () = self.process.ended() => self.ends.borrow().exit,
        }
    }

    /// Ends the machine, now; returns when its process has gone.
    pub async fn stop(self) -> Option<Exit> {
        self.end().await;
        self.ends.borrow().exit
    }

    /// The same for whoever wants what it has left in its folder, which goes with the machine.
    pub(crate) async fn end(&self) {
        self.process.kill();
        self.process.ended().await;
    }

    /// Whether it has said how its function's runtime ended. A machine that has ended without that was ended by the host, or by
    /// what happened to the host, or to itself.
    pub fn has_told_exit(&self) -> bool {
        self.ends.borrow().exit.is_some()
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.process.has_ended()
    }

    pub(crate) async fn command(&self, command: Command) -> Result<(), Error> {
        self.ask(command).await.map(drop)
    }

    /// Within the time of what a request waits for.
    pub(crate) async fn promptly(&self, command: Command) -> Result<(), Error> {
        self.ask_within(self.prompt(), command).await.map(drop)
    }

    async fn ask(&self, command: Command) -> Result<Answer, Error> {
        self.ask_within(ANSWER_TIMEOUT, command).await
    }

    /// A guest that does not answer in time is ended: nothing can be done with it any more.
    async fn ask_within(&self, limit: Duration, command: Command) -> Result<Answer, Error> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let text = serde_json::to_vec(&Request { number, command }).map_err(io::Error::other);
        let text = text.map_err(doing("request to the guest"))?;
        let answered = self.asking.ask(&self.mux, (number, text), (limit, self.process.ended()));
        let Some(outcome) = answered.await else {
            self.process.kill();
            return Err(Error::TimedOut(self.process.last_words()));
        };
        outcome?.map_err(Error::Guest)
    }

    /// Whether its processor is a program on the host, which is slow.
    pub fn is_emulated(&self) -> bool {
        self.process.is_emulated()
    }

    /// How long the guest may take for what a request waits for.
    fn prompt(&self) -> Duration {
        if self.is_emulated() { PROMPT_EMULATED } else { PROMPT }
    }

    /// Numbers of requests go on where the snapshot left them, so that no old answer is taken for a new one.
    pub(crate) fn continue_numbers(&self, from: u64) {
        self.numbers.store(from, Ordering::Relaxed);
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.numbers.load(Ordering::Relaxed)
    }
}

/// Hands what arrives to those who wait for it.
struct Dispatch {
    asking: Arc<Asking>,
    connections: mpsc::Sender<Connection>,
    events: mpsc::Sender<(Event, u64)>,
    outputs: mpsc::Sender<(u16, u32, Stream)>,
    arrivals: Arrivals,
    done: watch::Sender<Ends>,
}

impl Dispatch {
    async fn run(self, mut incoming: mpsc::Receiver<Incoming>) {
        let mut lost = 0;
        while let Some(arrived) = incoming.recv().await {
            match arrived {
                // Nobody waits for so many: dropping the stream resets it.
                Incoming::Opened { id, port, stream } if is_output(port) => {
                    let _ = self.outputs.try_send((port, id, stream));
                }
                Incoming::Opened { id, port, stream } => {
                    if let Some(stream) = self.arrivals.take(port, stream) {
                        let _ = self.connections.try_send(Connection { port, stream, id });
                    }
                }
                Incoming::Control(bytes) => match serde_json::from_slice(&bytes) {
                    Ok(Message::Answer { number, outcome }) => {
                        self.asking.answered(number, outcome);
                    }
                    // More than the sandbox inside would ever say of one: it takes more room here than on its way.
                    Ok(Message::Event { event, .. }) if is_oversized(&event, bytes.len()) => lost += 1,
                    Ok(Message::Event { event, invocation }) => self.event((event, invocation), &mut lost),
                    Ok(Message::Exited { exit, not_executed }) => {
                        self.done.send_modify(|ends| ends.exited(exit, not_executed));
                    }
                    Ok(Message::CompanionEnded { index, end }) => {
                        self.done.send_modify(|ends| ends.companion_ended(index, end));
                    }
                    Ok(Message::Over) => self.done.send_modify(Ends::over),
                    // A second hello or nonsense: nothing it says is believed any more.
                    Ok(Message::Hello { .. }) | Err(_) => break,
                },
            }
        }
        self.asking.end();
    }

    fn event(&self, event: (Event, u64), lost: &mut u64) {
        if *lost > 0 && self.events.try_send((Event::Lost { count: *lost }, event.1)).is_ok() {
            *lost = 0;
        }
        if self.events.try_send(event).is_err() {
            *lost += 1;
        }
    }
}

fn is_oversized(event: &Event, bytes: usize) -> bool {
    let arguments = if let Event::Executed { arguments, .. } = event { arguments.len() } else { 0 };
    bytes > EVENT_BYTES_MAX || arguments > EVENT_ARGUMENTS_MAX
}

fn is_output(port: u16) -> bool {
    port == STDOUT_PORT || port == STDERR_PORT
}

async fn open_port(
    control: &Control,
    process: &Process,
    limit: Duration,
) -> Result<(Mux, mpsc::Receiver<Incoming>), Error> {
    let (read, write) = control.channel(process, limit).await?.into_split();
    Ok(Mux::start(read, write))
}

/// An emulated boot takes four seconds on a quiet machine.
const BOOT_TIMEOUT: Duration = Duration::from_mins(3);
/// Starting an interpreter under emulation takes seconds.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// What a request waits for before it begins takes the agent microseconds.
const PROMPT: Duration = Duration::from_secs(2);
/// The same where the guest's processor is a program on a host that may be busy.
const PROMPT_EMULATED: Duration = Duration::from_secs(12);
const EVENTS_MAX: usize = 1_024;
/// Texts of an event are a thousand characters or so.
const EVENT_BYTES_MAX: usize = 16 * 1024;
/// As many as the sandbox records of an execution.
const EVENT_ARGUMENTS_MAX: usize = 16;
/// As many as can be open: none is ever one too many.
const CONNECTIONS_WAITING_MAX: usize = STREAMS_MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn events_larger_than_any_are_only_counted() {
        let (event_sender, mut events) = mpsc::channel(EVENTS_MAX);
        let dispatch = Dispatch {
            asking: Arc::default(),
            connections: mpsc::channel(1).0,
            events: event_sender,
            outputs: mpsc::channel(1).0,
            arrivals: companions::streams().0,
            done: watch::channel(Ends::default()).0,
        };
        let (sender, incoming) = mpsc::channel(8);
        let executed = |arguments: usize, path: usize| Event::Executed {
            pid: 1,
            path: "p".repeat(path),
            arguments: vec![String::new(); arguments],
        };
        for event in [executed(17, 1), executed(0, 20_000), executed(8_000, 1), executed(16, 1)] {
            let text = serde_json::to_vec(&Message::Event { event, invocation: 1 }).unwrap();
            sender.try_send(Incoming::Control(text.into())).unwrap();
        }
        drop(sender);
        dispatch.run(incoming).await;
        assert_eq!(events.recv().await, Some((Event::Lost { count: 3 }, 1)));
        assert_eq!(events.recv().await, Some((executed(16, 1), 1)));
        assert_eq!(events.recv().await, None);
    }
}
