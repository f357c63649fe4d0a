//! Programs beside the runtime of a machine's function: how they end, what they write, and ways to what listens inside.
//!
//! The guest may be hostile: it may say that they ended, or connect to something else than what it was asked for. That is as if
//! the function had done so, and takes no more room than what is listed here.

use std::io;

use casemate_sandbox::{COMPANIONS_MAX, Exit, MemberEnd, Signal};
use tokio::{io::AsyncReadExt, sync::mpsc, time::timeout};

use crate::{
    error::Error,
    machine::{ANSWER_TIMEOUT, Machine},
    mux::Mux,
    protocol::{COMPANIONS_PORT, Command, OUTLET_PORTS, Request},
    stream::Stream,
};

/// What the guest has said of ends. The first word on each counts.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    pub(crate) exit: Option<Exit>,
    not_executed: Option<i32>,
    companions: [Option<MemberEnd>; COMPANIONS_MAX],
    is_over: bool,
}

impl Ends {
    pub(crate) fn exited(&mut self, exit: Exit, not_executed: Option<i32>) {
        if self.exit.is_none() {
            (self.exit, self.not_executed) = (Some(exit), not_executed);
        }
    }

    pub(crate) fn companion_ended(&mut self, index: usize, end: MemberEnd) {
        if let Some(slot) = self.companions.get_mut(index) {
            slot.get_or_insert(end);
        }
    }

    pub(crate) fn over(&mut self) {
        self.is_over = true;
    }

    fn unknown(&self, known: &[usize]) -> Option<(usize, MemberEnd)> {
        let mut ended = self.companions.iter().enumerate().filter(|(index, _)| !known.contains(index));
        ended.find_map(|(index, end)| Some((index, (*end)?)))
    }
}

/// Streams that companions are the reason for, on their way to whoever takes them.
#[derive(Debug)]
pub(crate) struct Arrivals {
    output: mpsc::Sender<Stream>,
    outlets: Vec<mpsc::Sender<Stream>>,
}

/// Where they arrive.
#[derive(Debug)]
pub(crate) struct Awaited {
    output: mpsc::Receiver<Stream>,
    outlets: Vec<mpsc::Receiver<Stream>>,
}

pub(crate) fn streams() -> (Arrivals, Awaited) {
    let (output, outputs) = mpsc::channel(1);
    let (outlets, awaited) = (0..COMPANIONS_MAX).map(|_| mpsc::channel(ARRIVED_MAX)).unzip();
    (Arrivals { output, outlets }, Awaited { output: outputs, outlets: awaited })
}

impl Arrivals {
    /// Takes a stream of companions; gives back what is none. More than anybody waits for is dropped, which resets it.
    pub(crate) fn take(&self, port: u16, stream: Stream) -> Option<Stream> {
        if port == COMPANIONS_PORT {
            let _ = self.output.try_send(stream);
            return None;
        }
        let which = port.checked_sub(OUTLET_PORTS).map(usize::from);
        match which.and_then(|which| self.outlets.get(which)) {
            Some(outlet) => {
                let _ = outlet.try_send(stream);
                None
            }
            None => Some(stream),
        }
    }
}

/// A way into the network of a machine's function: it reaches what listens there, and nothing else.
#[derive(Debug)]
pub struct Outlet {
    which: usize,
    attempt: u64,
    mux: Mux,
    arriving: mpsc::Receiver<Stream>,
}

impl Outlet {
    /// Connects to a port inside. An earlier connection of this outlet is broken off. A machine that stands still connects
    /// when it goes on.
    pub async fn connect(&mut self, port: u16) -> io::Result<Stream> {
        self.attempt += 1;
        // Of attempts that were given up: they must not be in the way of the one that is wanted.
        while self.arriving.try_recv().is_ok() {}
        let command = Command::Reach { outlet: self.which, attempt: self.attempt, port };
        let text = serde_json::to_vec(&Request { number: UNANSWERED, command })?;
        self.mux.control(text).await?;
        loop {
            let stream = self.arriving.recv().await;
            let mut stream = stream.ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
            let (Ok(attempt), Ok(errno)) = (stream.read_u64().await, stream.read_i32().await) else {
                continue;
            };
            // Of one that was given up and came since, or of nobody's.
            if attempt != self.attempt {
                continue;
            }
            return if errno == 0 { Ok(stream) } else { Err(io::Error::from_raw_os_error(errno)) };
        }
    }
}

impl Machine {
    /// Lets the runtime begin, which waits for it where there are companions.
    pub async fn run_runtime(&self) -> Result<(), Error> {
        if self.companions == 0 {
            return Ok(());
        }
        self.command(Command::RunRuntime).await
    }

    /// Signals the runtime; companions go on.
    pub async fn end_runtime(&self, signal: Signal) -> Result<(), Error> {
        self.promptly(Command::EndRuntime(signal)).await
    }

    /// Kills the runtime and whatever else runs beside the companions.
    pub async fn end_all_but_companions(&self) -> Result<(), Error> {
        self.promptly(Command::EndAllButCompanions).await
    }

    /// What companions write, once: standard output and standard error of all of them. `None` where there are none.
    pub async fn take_companion_output(&mut self) -> Result<Option<Stream>, Error> {
        if self.companions == 0 {
            return Ok(None);
        }
        let output = timeout(ANSWER_TIMEOUT, self.beside.output.recv()).await;
        output.ok().flatten().map(Some).ok_or(Error::Gone)
    }

    /// Ways to what listens inside, as many as there are companions; once.
    pub fn take_outlets(&mut self) -> Vec<Outlet> {
        let arriving = std::mem::take(&mut self.beside.outlets).into_iter().take(self.companions);
        let outlet = |(which, arriving)| Outlet { which, attempt: 0, mux: self.mux.clone(), arriving };
        arriving.enumerate().map(outlet).collect()
    }

    /// Resolves when a companion has ended that is not among `known`, with its place in the list; never without companions.
    pub async fn companion_ended(&self, known: &[usize]) -> (usize, MemberEnd) {
        let mut ends = self.ends.clone();
        let found = match ends.wait_for(|ends| ends.unknown(known).is_some()).await {
            Ok(ends) => ends.unknown(known),
            Err(_) => None,
        };
        match found {
            Some(found) => found,
            None => std::future::pending().await,
        }
    }

    /// Resolves when nothing of the function is left.
    pub async fn over(&self) {
        if self.companions == 0 {
            let _ = self.exited().await;
            return;
        }
        let mut ends = self.ends.clone();
        // Where nothing is heard of it any more, its end is seen.
        let told = async { ends.wait_for(|ends| ends.is_over).await.is_ok() };
        tokio::select! {
            true = told => {}
            () = self.process.ended() => {}
        }
    }

    /// Why the runtime's program could not be executed, where there are companions.
    pub fn runtime_not_executed(&self) -> Option<io::Error> {
        self.ends.borrow().not_executed.map(io::Error::from_raw_os_error)
    }
}

/// Connections of one outlet that wait to be looked at: only the last one asked for is wanted, and of those given up few can
/// be on their way.
const ARRIVED_MAX: usize = 4;
/// The number of requests whose answer nobody waits for.
const UNANSWERED: u64 = 0;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use casemate_sandbox::{ExitStatus, Usage};
    use tokio::io::{AsyncWriteExt, duplex, split};

    use super::*;
    use crate::mux::Incoming;

    /// The host's outlet, its machine's arrivals, and the guest's end of the wire.
    struct Wire {
        outlet: Outlet,
        guest: (Mux, mpsc::Receiver<Incoming>),
    }

    fn wire() -> Wire {
        let (ours, theirs) = duplex(1 << 16);
        let ((read, write), (guest_read, guest_write)) = (split(ours), split(theirs));
        let (mux, mut incoming) = Mux::start(read, write);
        let (arrivals, awaited) = streams();
        tokio::spawn(async move {
            while let Some(arrived) = incoming.recv().await {
                if let Incoming::Opened { port, stream, .. } = arrived {
                    assert!(arrivals.take(port, stream).is_none(), "{port}");
                }
            }
        });
        let arriving = awaited.outlets.into_iter().nth(1).unwrap();
        Wire {
            outlet: Outlet { which: 1, attempt: 0, mux, arriving },
            guest: Mux::start(guest_read, guest_write),
        }
    }

    /// What the host asks for next.
    async fn asked(incoming: &mut mpsc::Receiver<Incoming>) -> (u64, u16) {
        let Some(Incoming::Control(text)) = incoming.recv().await else { panic!("no request") };
        match serde_json::from_slice(&text).unwrap() {
            Request { number: UNANSWERED, command: Command::Reach { outlet: 1, attempt, port } } => {
                (attempt, port)
            }
            other => panic!("{other:?}"),
        }
    }

    async fn come(guest: &Mux, attempt: u64, errno: i32) -> Stream {
        let mut stream = guest.open(OUTLET_PORTS + 1).await.unwrap();
        stream.write_u64(attempt).await.unwrap();
        stream.write_i32(errno).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn an_outlet_takes_the_connection_it_asked_for_and_no_other() {
        let Wire { mut outlet, guest: (guest, mut incoming) } = wire();
        let there = tokio::spawn(async move {
            let (attempt, port) = asked(&mut incoming).await;
            assert_eq!((attempt, port), (1, 8_080));
            // One that nobody asked for, one that ends before it says of which attempt it is, and the right one.
            let wrong = come(&guest, 7, 0).await;
            drop(guest.open(OUTLET_PORTS + 1).await.unwrap());
            let mut right = come(&guest, attempt, 0).await;
            right.write_all(b"hello").await.unwrap();
            let mut heard = [0; 2];
            right.read_exact(&mut heard).await.unwrap();
            (heard, wrong, guest, incoming)
        });
        let mut stream = outlet.connect(8_080).await.unwrap();
        let mut said = [0; 5];
        stream.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"hello");
        stream.write_all(b"ok").await.unwrap();
        assert_eq!(&there.await.unwrap().0, b"ok");
    }

    #[tokio::test]
    async fn a_connection_that_is_refused_inside_is_refused_here_and_one_given_up_is_not_taken_later() {
        let Wire { mut outlet, guest: (guest, mut incoming) } = wire();
        // Nobody answers the first; then more come of it than may wait, and one more when the next is asked for.
        assert!(tokio::time::timeout(Duration::from_millis(20), outlet.connect(1)).await.is_err());
        let late = asked(&mut incoming).await.0;
        let mut kept = Vec::new();
        for _ in 0..=ARRIVED_MAX {
            kept.push(come(&guest, late, 0).await);
        }
        let there = tokio::spawn(async move {
            let next = asked(&mut incoming).await.0;
            kept.push(come(&guest, late, 0).await);
            kept.push(come(&guest, next, 111).await);
            (kept, guest, incoming)
        });
        while outlet.arriving.len() < ARRIVED_MAX {
            tokio::task::yield_now().await;
        }
        let refused = outlet.connect(2).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        drop(there.await.unwrap());
        assert!(outlet.connect(3).await.is_err(), "the machine has ended");
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_reset_and_other_ports_are_left_to_others() {
        let (ours, theirs) = duplex(1 << 16);
        let ((read, write), (guest_read, guest_write)) = (split(ours), split(theirs));
        let (_mux, mut incoming) = Mux::start(read, write);
        let (guest, _from_host) = Mux::start(guest_read, guest_write);
        let (arrivals, mut awaited) = streams();
        let last = OUTLET_PORTS + u16::try_from(COMPANIONS_MAX).unwrap() - 1;
        let mut opened = Vec::new();
        let own = [&[COMPANIONS_PORT; 2][..], &[last; ARRIVED_MAX + 1]].concat();
        for port in [&own[..], &[last + 1, 9_001, 0, OUTLET_PORTS - 1]].concat() {
            opened.push(guest.open(port).await.unwrap());
            let Some(Incoming::Opened { port, stream, .. }) = incoming.recv().await else { panic!() };
            let is_companions = port == COMPANIONS_PORT || port == last;
            assert_eq!(arrivals.take(port, stream).is_none(), is_companions, "{port}");
        }
        assert!(awaited.output.try_recv().is_ok() && awaited.output.try_recv().is_err());
        let mut outlet = awaited.outlets.pop().unwrap();
        assert!((0..ARRIVED_MAX).all(|_| outlet.try_recv().is_ok()) && outlet.try_recv().is_err());
    }

    #[test]
    fn the_first_word_on_an_end_counts_and_there_are_no_more_than_ten() {
        let mut ends = Ends::default();
        let exit =
            |code| Exit { status: ExitStatus::Code(code), out_of_memory: false, usage: Usage::default() };
        ends.exited(exit(1), Some(2));
        ends.exited(exit(3), None);
        assert_eq!(
            (ends.exit.map(|exit| exit.status), ends.not_executed),
            (Some(ExitStatus::Code(1)), Some(2))
        );
        ends.companion_ended(COMPANIONS_MAX, MemberEnd::NotExecuted(1));
        ends.companion_ended(usize::MAX, MemberEnd::NotExecuted(1));
        assert_eq!(ends.unknown(&[]), None);
        ends.companion_ended(9, MemberEnd::NotExecuted(13));
        ends.companion_ended(9, MemberEnd::Exited(ExitStatus::Code(0)));
        assert_eq!(ends.unknown(&[]), Some((9, MemberEnd::NotExecuted(13))));
        assert_eq!(ends.unknown(&[9]), None);
    }
}
