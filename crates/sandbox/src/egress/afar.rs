//! A way out whose inside and outside are not in one process: what both say to each other.
//!
//! ```text
//!   inside: a supervisor, which asks                              outside: decides, resolves, connects
//!   RELAY_PORT     pid:u32 port:u16 address:16 ─────────────────▶ the rules, its own copy of the address
//!                  ◀───────────────────── CONNECTING, INSIDE or the number of an error
//!                  ◀───────────────────── CONNECTED or the number of an error
//!                  bytes ⇄ bytes
//!   RESOLVER_PORT  length:u16 question ─────────────────────────▶ the rules, the host's resolver
//!                  ◀───────────────────── length:u16 answer
//! ```
//! Numbers are big-endian; an IPv4 address is written as the IPv6 address it maps to. Every head of the right length says
//! something, and what it says is only a wish: who is outside believes nothing but that it was asked.
//!
//! Knows nothing of what carries the lines.

use std::{
    fmt, io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    RELAY_PORT, RESOLVER_PORT,
    line::Line,
    outside::{CONNECT_TIMEOUT, Opening, Outside, Ruling, is_loopback},
    relay::{Refusal, pass},
    rules::Rules,
    stub,
};
use crate::{pump::Recorder, spec::Event};

/// A line that is being opened.
pub type LineOpening = Pin<Box<dyn Future<Output = io::Result<Box<dyn Line>>> + Send>>;

/// Opens lines from inside to outside.
pub trait Carrier: fmt::Debug + Send + Sync {
    /// One for [`RELAY_PORT`] or [`RESOLVER_PORT`].
    fn open(&self, port: u16) -> LineOpening;
}

/// The inside: asks.
#[derive(Debug)]
pub(crate) struct Afar {
    carrier: Arc<dyn Carrier>,
    open: Arc<Semaphore>,
}

impl Afar {
    pub(crate) fn new(carrier: Arc<dyn Carrier>) -> Self {
        Self { carrier, open: Arc::new(Semaphore::new(ASKED_CONNECTIONS_MAX)) }
    }

    /// Asks for a connection, and returns when it is being made.
    pub(super) async fn opening(&self, pid: u32, to: SocketAddr) -> Result<Opening, Refusal> {
        // What leads nowhere outside may still lead somewhere inside.
        let inside = is_loopback(to.ip());
        let refused = if inside { Refusal::Inside } else { Refusal::Number(libc::ECONNREFUSED) };
        let Ok(permit) = Arc::clone(&self.open).try_acquire_owned() else { return Err(refused) };
        let line = self.carrier.open(RELAY_PORT);
        let asked = timeout(CONNECT_TIMEOUT, async {
            let mut line = line.await?;
            line.write_all(&head(pid, to)).await?;
            let ruling = line.read_i32().await?;
            io::Result::Ok((line, ruling))
        });
        let mut line = match asked.await {
            Ok(Ok((line, CONNECTING))) => line,
            Ok(Ok((_, INSIDE))) => return Err(Refusal::Inside),
            Ok(Ok((_, number))) => return Err(Refusal::Number(number)),
            // There was no place for it outside.
            Ok(Err(_)) => return Err(refused),
            Err(_) => return Err(Refusal::Number(libc::ETIMEDOUT)),
        };
        let mut opening = Opening::new();
        opening.spawn(async move {
            match line.read_i32().await? {
                CONNECTED => Ok((line, permit)),
                number => Err(io::Error::from_raw_os_error(number)),
            }
        });
        Ok(opening)
    }

    /// Has a question answered.
    pub(super) async fn answer(&self, packet: &[u8]) -> io::Result<Vec<u8>> {
        let mut line = self.carrier.open(RESOLVER_PORT).await?;
        stub::write(&mut line, packet).await?;
        stub::read_packet(&mut line).await
    }
}

/// The outside of an environment whose inside asks from elsewhere. Its connections end when it is dropped.
#[derive(Debug)]
pub struct Bridgehead {
    outside: Arc<Outside>,
    /// Lines that lead to connections, or may.
    connections: Arc<Semaphore>,
    questions: Arc<Semaphore>,
    recorder: Arc<Recorder>,
    tasks: Mutex<JoinSet<()>>,
}

impl Bridgehead {
    pub(crate) fn new(rules: (Rules, Rules), recorder: Arc<Recorder>) -> Self {
        Self {
            outside: Arc::new(Outside::new(rules, ASKED_CONNECTIONS_MAX, Arc::clone(&recorder))),
            connections: Arc::new(Semaphore::new(ASKED_CONNECTIONS_MAX)),
            questions: Arc::new(Semaphore::new(ASKED_QUESTIONS_MAX)),
            recorder,
            tasks: Mutex::default(),
        }
    }

    /// Says that a request begins: events that are limited per invocation start anew.
    pub fn begin_invocation(&self) {
        self.recorder.begin_invocation();
    }

    /// Takes a line that was opened inside for a port. One too many, or for any other port, is broken.
    pub fn lead(&self, port: u16, mut line: impl Line + 'static) {
        let places = match port {
            RELAY_PORT => &self.connections,
            RESOLVER_PORT => &self.questions,
            _ => return line.sever(),
        };
        let Ok(place) = Arc::clone(places).try_acquire_owned() else { return line.sever() };
        let outside = Arc::clone(&self.outside);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            // Whoever asks may take any time to: all it holds up is its own place.
            if port == RELAY_PORT {
                connect(&outside, line).await;
            } else if stub::serve_asked(&mut line, &outside).await.is_ok() {
                finish(line).await;
            } else {
                line.sever();
            }
            drop(place);
        });
    }
}

async fn connect(outside: &Outside, mut line: impl Line) {
    let Ok((pid, to)) = read_head(&mut line).await else { return line.sever() };
    let opening = match outside.ruling(to, Instant::now()) {
        Ruling::Inside => Err(INSIDE),
        Ruling::Denied => {
            outside.record(Event::ConnectDenied { pid, address: to });
            Err(libc::ENETUNREACH)
        }
        Ruling::Allowed(allowed) => {
            outside.record(Event::Connecting { pid, address: to, name: allowed.name });
            outside.opening(to)
        }
    };
    let mut opening = match opening {
        Ok(opening) => opening,
        Err(number) => return refuse(line, number).await,
    };
    if line.write_i32(CONNECTING).await.is_err() {
        return line.sever();
    }
    match opening.join_next().await {
        Some(Ok(Ok(opened))) => {
            // Where nobody hears it the first byte finds that out.
            let _ = line.write_i32(CONNECTED).await;
            pass(line, opened, (to, Some(Arc::clone(outside.recorder())))).await;
        }
        Some(Ok(Err(error))) => refuse(line, error.raw_os_error().unwrap_or(libc::ETIMEDOUT)).await,
        Some(Err(_)) | None => refuse(line, libc::ECONNABORTED).await,
    }
}

async fn refuse(mut line: impl Line, number: i32) {
    if line.write_i32(number).await.is_ok() {
        finish(line).await;
    } else {
        line.sever();
    }
}

/// Ends a line after its last word, which is on its way: broken now, it might not arrive.
async fn finish(mut line: impl Line) {
    let last = timeout(LAST_WORD_LIMIT, async {
        line.shutdown().await?;
        let mut more = [0; 64];
        while line.read(&mut more).await? > 0 {}
        io::Result::Ok(())
    });
    if !matches!(last.await, Ok(Ok(()))) {
        line.sever();
    }
}

fn head(pid: u32, to: SocketAddr) -> [u8; HEAD_BYTES] {
    let address = match to.ip() {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    let fields = pid.to_be_bytes().into_iter().chain(to.port().to_be_bytes()).chain(address.octets());
    let mut head = [0; HEAD_BYTES];
    head.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
    head
}

async fn read_head(line: &mut impl Line) -> io::Result<(u32, SocketAddr)> {
    let (pid, port, address) = (line.read_u32().await?, line.read_u16().await?, line.read_u128().await?);
    Ok((pid, SocketAddr::new(IpAddr::from(Ipv6Addr::from(address)).to_canonical(), port)))
}

const HEAD_BYTES: usize = 22;
/// The connection is allowed, and is being made.
const CONNECTING: i32 = 0;
/// It is made.
const CONNECTED: i32 = 0;
/// The address is of the loopback inside.
const INSIDE: i32 = -1;
/// Connections at a time of an environment that asks from elsewhere, those on their way included. Ours: half the streams that a
/// machine may have open, so that its other connections always find one.
pub(crate) const ASKED_CONNECTIONS_MAX: usize = 128;
/// Questions at a time: as many as the stub takes up, by datagram and by stream.
const ASKED_QUESTIONS_MAX: usize = 16;
/// How long the other side may take to hear the last word. Ours; meanwhile it holds its own place.
const LAST_WORD_LIMIT: Duration = Duration::from_secs(10);

#[cfg(test)]
#[path = "afar_tests.rs"]
mod tests;
