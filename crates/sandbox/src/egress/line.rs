//! A connection that can break as well as end.

use std::fmt;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// See the module. Reading from one that the other side has broken is an error, not an end.
pub trait Line: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {
    /// Has the other side learn, when this is dropped, that it broke.
    fn sever(&mut self);
}

impl Line for TcpStream {
    fn sever(&mut self) {
        let _ = self.set_zero_linger();
    }
}

impl<L: Line + ?Sized> Line for Box<L> {
    fn sever(&mut self) {
        (**self).sever();
    }
}

#[cfg(test)]
impl Line for tokio::io::DuplexStream {
    fn sever(&mut self) {}
}
