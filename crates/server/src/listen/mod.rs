//! Listeners: sockets, TLS, and the limits that hold before a request is known to be anything.
//!
//! One port speaks HTTP/1.1 and HTTP/2, in clear (loopback only, unless the operator says otherwise) and over TLS: the
//! first byte of a connection tells which. Requests become [`casemate_kernel::Incoming`] and go to the kernel; this module
//! knows nothing else about them.

mod activity;
mod answer_body;
mod body;
mod clients;
mod connection;
pub mod limits;
#[cfg(test)]
mod tests;
pub mod tls;

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use casemate_kernel::{Incoming, Kernel, Outgoing, Peer};
use casemate_wire::Head;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};
use tokio_rustls::TlsAcceptor;

pub use connection::Streams;

use self::{body::Budget, clients::Clients, connection::Shared, limits::Limits};

/// Whoever answers requests: the kernel, and in this module's tests something simpler.
pub trait Handler: Send + Sync + 'static {
    /// How large the body of a request with this head may be, in bytes.
    fn body_limit(&self, head: &Head) -> usize;

    /// Takes note of a request that was refused before it could be served.
    fn refused(&self, peer: &Peer, head: &Head, status: u16, why: &str);

    /// Answers a request.
    fn serve(self: &Arc<Self>, peer: Peer, incoming: Incoming) -> impl Future<Output = Outgoing> + Send;
}

impl Handler for Kernel {
    fn body_limit(&self, head: &Head) -> usize {
        Self::body_limit(self, head)
    }

    fn refused(&self, peer: &Peer, head: &Head, status: u16, why: &str) {
        Self::refused(self, peer, head, status, why);
    }

    fn serve(self: &Arc<Self>, peer: Peer, incoming: Incoming) -> impl Future<Output = Outgoing> + Send {
        Self::serve(self, peer, incoming)
    }
}

/// May requests arrive in clear?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    /// Only from the loopback interface.
    LoopbackOnly,
    /// From anywhere: the operator has put something in front that encrypts.
    Anywhere,
}

/// What a listener needs besides its socket.
pub struct Listener<H = Kernel> {
    /// Where requests go.
    pub kernel: Arc<H>,
    /// TLS, if the listener offers it.
    pub tls: Option<TlsAcceptor>,
    /// Whether requests may arrive in clear.
    pub plain: PlainHttp,
}

impl<H> std::fmt::Debug for Listener<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener")
            .field("tls", &self.tls.is_some())
            .field("plain", &self.plain)
            .finish_non_exhaustive()
    }
}

/// Binds `address`. A port in use or forbidden is the operator's to see, with the address in the message.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

impl<H: Handler> Listener<H> {
    /// Accepts connections until `stop` changes, then lets those in flight finish, at most
    /// [`limits::SHUTDOWN_S`] seconds.
    pub async fn run(self, socket: TcpListener, stop: watch::Receiver<bool>) {
        self.run_within(Limits::default(), socket, stop).await;
    }

    async fn run_within(self, limits: Limits, socket: TcpListener, mut stop: watch::Receiver<bool>) {
        let graceful = GracefulShutdown::new();
        let connections = Arc::new(Semaphore::new(limits.connections));
        let clients = Clients::new(limits.connections_per_client);
        let shared = Arc::new(Shared { listener: self, limits, budget: Budget::new(limits.bodies_bytes) });
        loop {
            let permit = tokio::select! {
                permit = Arc::clone(&connections).acquire_owned() => permit,
                _ = stop.changed() => break,
            };
            let Ok(permit) = permit else { break };
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                _ = stop.changed() => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, or the client is gone already. Asking again at once would only spin.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(limits::ACCEPT_PAUSE_MS)).await;
                    continue;
                }
            };
            let Some(place) = clients.admit(peer.ip()) else {
                tracing::warn!(%peer, "too many connections from this client: one was closed");
                continue;
            };
            let (shared, watcher, stop) = (Arc::clone(&shared), graceful.watcher(), stop.clone());
            tokio::spawn(async move {
                if let Err(error) = connection::serve(&shared, stream, peer, watcher, stop).await {
                    tracing::debug!(%peer, %error, "connection ended");
                }
                drop((permit, place));
            });
        }
        drop(socket);
        if tokio::time::timeout(limits.shutdown, graceful.shutdown()).await.is_err() {
            let seconds = limits.shutdown.as_secs();
            tracing::warn!(seconds, "some requests did not finish before the shutdown deadline");
        }
    }
}
