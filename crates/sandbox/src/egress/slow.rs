//! Connections outside that take longer than an event loop may be made to wait: its process sees a connection on its way, as
//! without us, until it is there or has failed.
//!
//! The process's socket begins to connect to the relay, whose listener is made silent to the port it comes from; its kernel tries
//! again by itself. When the connection outside is there the listener hears that port again, and the next try (a second after
//! the first, then two, four, eight) is let in. When it has failed the socket's own attempt is ended.

use std::{
    collections::BTreeSet,
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::net::TcpListener;

use super::{
    outside::Opening,
    relay::{Expected, Gateway, Outer},
};
use crate::sys::socket;

/// The relay's listener, and the ports to which it is silent.
#[derive(Debug)]
pub(super) struct Silence {
    /// Gone when the environment is over.
    listener: Weak<TcpListener>,
    ports: Mutex<BTreeSet<u16>>,
}

impl Silence {
    pub(super) fn of(listener: &Arc<TcpListener>) -> Self {
        Self { listener: Arc::downgrade(listener), ports: Mutex::default() }
    }

    fn begin(&self, port: u16) -> std::io::Result<()> {
        self.change(|ports| ports.insert(port))
    }

    fn end(&self, port: u16) -> std::io::Result<()> {
        self.change(|ports| ports.remove(&port))
    }

    /// INVARIANT: under one lock, so that an older set never replaces a newer one.
    fn change(&self, change: impl FnOnce(&mut BTreeSet<u16>) -> bool) -> std::io::Result<()> {
        let Some(listener) = self.listener.upgrade() else {
            return Err(std::io::ErrorKind::NotConnected.into());
        };
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut ports);
        socket::be_silent_to(listener.as_fd(), &ports)
    }

    #[cfg(test)]
    pub(super) fn ports(&self) -> Vec<u16> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

impl Gateway {
    /// Has the socket begin to connect, and answers with what the process is told; the rest happens while it goes on.
    pub(super) fn lead_slowly(
        self: &Arc<Self>,
        socket: &OwnedFd,
        outer: Opening,
        expected: Expected,
    ) -> std::io::Result<libc::c_int> {
        let (socket, port) = (socket.try_clone()?, socket::bound_port(socket)?);
        if !self.expect(port, expected) {
            return Ok(libc::ECONNREFUSED);
        }
        let begun =
            self.silence().begin(port).and_then(|()| socket::begin_connecting(&socket, self.relay_address()));
        if let Err(error) = begun {
            self.forget(port);
            return Err(error);
        }
        let gateway = Arc::clone(self);
        self.run(async move { gateway.wait(socket, port, outer).await }, &tokio::runtime::Handle::current());
        Ok(libc::EINPROGRESS)
    }

    /// Until the connection outside is there and the process's socket has come for it, or one of them has failed.
    async fn wait(&self, socket: OwnedFd, port: u16, mut outer: Opening) {
        let opened = outer.join_next().await.and_then(Result::ok).and_then(Result::ok);
        let Some(opened) = opened else {
            socket::give_up(&socket);
            return self.forget(port);
        };
        if let Some(expected) = self.expected().get_mut(&port) {
            expected.outer = Outer::Open(opened);
        }
        let heard = self.silence().end(port);
        // Held until then: a process that closes it meanwhile leaves nobody at the relay to wait for.
        if heard.is_err() || socket::connected(&socket, ARRIVAL_LIMIT).await.is_err() {
            socket::give_up(&socket);
            self.forget(port);
        }
    }

    /// Nobody comes from there any more.
    fn forget(&self, port: u16) {
        self.expected().remove(&port);
        // Where the listener is gone, so is everything that could come.
        let _ = self.silence().end(port);
    }
}

/// How long the kernel's next try may take. The pauses between them double: after the longest connection outside it is 16 seconds.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(40);

#[cfg(test)]
#[path = "slow_tests.rs"]
mod tests;
