//! Taking connections for as long as a listener lives: what passes is waited out, everything else ends the loop.

use std::{io, net::SocketAddr, time::Duration};

use tokio::net::{TcpListener, TcpStream};

/// The next connection. Where the host is short of descriptors or memory it comes later; an error is the listener's end.
pub async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    loop {
        match listener.accept().await {
            Err(error) if passes(&error) => tokio::time::sleep(PAUSE).await,
            other => return other,
        }
    }
}

/// Whether the next try may succeed.
pub(crate) fn passes(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    matches!(
        number,
        Some(libc::EMFILE | libc::ENFILE | libc::ECONNABORTED | libc::ENOMEM | libc::ENOBUFS | libc::EINTR)
    )
}

/// Before the next try.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_passes_and_a_listener_that_is_gone_does_not() {
        let of = io::Error::from_raw_os_error;
        assert!([libc::EMFILE, libc::ENFILE, libc::ENOMEM].into_iter().all(|number| passes(&of(number))));
        assert!([libc::EBADF, libc::EINVAL, libc::ENOTSOCK].into_iter().all(|number| !passes(&of(number))));
    }
}
