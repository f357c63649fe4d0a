//! What runs beside the function's runtime: its output, its ends, and the connections into the function's network that the host
//! asks for.
//!
//! ```text
//!   outlet: idle ──asked──▶ connecting ──▶ carrying ──ended──▶ idle        (asked again: whatever it does ends)
//! ```

use std::{io, sync::Arc};

use casemate_sandbox::{Environment, Outlet};
use tokio::{
    io::{AsyncWriteExt, copy_bidirectional},
    sync::watch,
};

use super::serve::tell;
use crate::{
    mux::Mux,
    protocol::{Message, OUTLET_PORTS},
};

/// The connection that is wanted of an outlet.
#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    attempt: u64,
    port: u16,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Companions {
    outlets: Vec<watch::Sender<Wanted>>,
}

impl Companions {
    /// Begins to tell the host of so many.
    pub(super) fn begin(environment: &Arc<Environment>, mux: &Arc<Mux>, count: usize) -> Self {
        if count > 0 {
            drop(tokio::spawn(tell_ends(Arc::clone(environment), Arc::clone(mux), count)));
        }
        let taken = (0..).map_while(|which| Some((which, environment.take_outlet()?)));
        let outlets = taken.take(count).map(|(which, outlet)| {
            let (sender, wanted) = watch::channel(Wanted::default());
            drop(tokio::spawn(serve(outlet, OUTLET_PORTS.saturating_add(which), wanted, Arc::clone(mux))));
            sender
        });
        Self { outlets: outlets.collect() }
    }

    /// Begins to connect; how that goes is said on the stream.
    pub(super) fn reach(&self, outlet: usize, attempt: u64, port: u16) -> io::Result<()> {
        let outlet = self.outlets.get(outlet).ok_or(io::ErrorKind::NotFound)?;
        outlet.send_replace(Wanted { attempt, port });
        Ok(())
    }
}

async fn tell_ends(environment: Arc<Environment>, mux: Arc<Mux>, count: usize) {
    let mut known = Vec::new();
    while known.len() < count {
        tokio::select! {
            biased;
            (index, end) = environment.companion_ended(&known) => {
                known.push(index);
                let _ = tell(&mux, &Message::CompanionEnded { index, end }).await;
            }
            _ = environment.over() => break,
        }
    }
    environment.over().await;
    let _ = tell(&mux, &Message::Over).await;
}

async fn serve(mut outlet: Outlet, stream_port: u16, mut wanted: watch::Receiver<Wanted>, mux: Arc<Mux>) {
    let mut next = wanted.changed().await;
    while next.is_ok() {
        let now = *wanted.borrow_and_update();
        next = tokio::select! {
            biased;
            next = wanted.changed() => next,
            _ = carry(&mut outlet, (stream_port, now), &mux) => wanted.changed().await,
        };
    }
}

async fn carry(outlet: &mut Outlet, (stream_port, wanted): (u16, Wanted), mux: &Mux) -> io::Result<()> {
    let connected = outlet.connect(wanted.port).await;
    let errno = connected
        .as_ref()
        .err()
        .map_or(0, |error| error.raw_os_error().unwrap_or(rustix::io::Errno::IO.raw_os_error()));
    let mut stream = mux.open(stream_port).await?;
    stream.write_u64(wanted.attempt).await?;
    stream.write_i32(errno).await?;
    let mut connection = connected?;
    let _ = connection.set_nodelay(true);
    copy_bidirectional(&mut connection, &mut stream).await.map(drop)
}
