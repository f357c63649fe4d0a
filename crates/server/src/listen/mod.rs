//! Listeners: sockets, TLS, and the limits that hold before a request is known to be anything.
//!
//! One port speaks HTTP/1.1 and HTTP/2, in clear (loopback only, unless the operator says otherwise) and over TLS: the
//! first byte of a connection tells which. Requests become [`casemate_kernel::Incoming`] and go to the kernel; this module
//! knows nothing else about them.

mod body;
mod connection;
pub mod limits;
pub mod tls;

use std::{io, net::SocketAddr, sync::Arc};

use casemate_kernel::Kernel;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};
use tokio_rustls::TlsAcceptor;

pub use connection::serve_stream;

/// May requests arrive in clear?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    /// Only from the loopback interface.
    LoopbackOnly,
    /// From anywhere: the operator has put something in front that encrypts.
    Anywhere,
}

/// What a listener needs besides its socket.
#[derive(Clone)]
pub struct Listener {
    /// Where requests go.
    pub kernel: Arc<Kernel>,
    /// TLS, if the listener offers it.
    pub tls: Option<TlsAcceptor>,
    /// Whether requests may arrive in clear.
    pub plain: PlainHttp,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("tls", &self.tls.is_some()).field("plain", &self.plain).finish_non_exhaustive()
    }
}

/// Binds `address`. A port in use or forbidden is the operator's to see, with the address in the message.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

impl Listener {
    /// Accepts connections until `stop` changes, then lets those in flight finish, at most
    /// [`limits::SHUTDOWN_S`] seconds.
    pub async fn run(self, socket: TcpListener, mut stop: watch::Receiver<bool>) {
        let graceful = GracefulShutdown::new();
        let connections = Arc::new(Semaphore::new(limits::CONNECTIONS_MAX));
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
                    // Out of descriptors, or the client is gone already. The next accept may well succeed.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::task::yield_now().await;
                    continue;
                }
            };
            let listener = self.clone();
            let watcher = graceful.watcher();
            tokio::spawn(async move {
                if let Err(error) = connection::serve(listener, stream, peer, &watcher).await {
                    tracing::debug!(%peer, %error, "connection ended");
                }
                drop(permit);
            });
        }
        drop(socket);
        let deadline = std::time::Duration::from_secs(limits::SHUTDOWN_S);
        if tokio::time::timeout(deadline, graceful.shutdown()).await.is_err() {
            tracing::warn!(seconds = limits::SHUTDOWN_S, "some requests did not finish before the shutdown deadline");
        }
    }
}
