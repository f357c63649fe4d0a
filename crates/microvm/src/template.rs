//! A machine's state, from which clones go on: sealed memory, device state, and the streams that were open.
//!
//! The memory cannot be changed any more by anyone, a clone that has been taken over included: it is a sealed file that
//! clones map privately. A template is made before the first event and of a function that was given no credentials, and whose
//! processes the agent has stopped: a thread of it that ran in a clone before its refreshing would draw what others draw.

use std::{any::Any, io, os::fd::OwnedFd, sync::Arc};

use tokio::io::{AsyncWriteExt, duplex};

use crate::{
    disk::Disk,
    driver::Image,
    error::{Error, doing},
    machine::{Connection, Machine},
    mux::WINDOW_BYTES,
    state::{self, Place, State},
    stream::Stream,
};

/// A connection that waits for its first answer when the snapshot is taken: the runtime's question for the first event.
/// Whoever has the connection keeps it until then.
#[derive(Debug)]
pub struct Pending {
    pub(crate) port: u16,
    pub(crate) id: u32,
    pub(crate) read: Vec<u8>,
}

impl Pending {
    /// `read` has been read from it since its last answer. Every clone's caller reads it again.
    pub fn of(connection: &Connection, read: Vec<u8>) -> Self {
        Self { port: connection.port, id: connection.id, read }
    }

    /// What has been read.
    pub fn read(&self) -> &[u8] {
        &self.read
    }
}

/// What a template's user wants to find with it again. It is not looked at, and not printed.
#[derive(Clone, Debug)]
pub struct Aside(Arc<dyn Any + Send + Sync>);

impl Aside {
    /// Of anything.
    pub fn new(any: impl Any + Send + Sync) -> Self {
        Self(Arc::new(any))
    }
}

/// What clones are made of. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Template {
    pub(crate) inner: Arc<Inner>,
    pub(crate) aside: Option<Aside>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) state: State,
    pub(crate) ram_mb: u64,
    /// Its disks; the memory is worth nothing with others.
    pub(crate) image: Image,
    pub(crate) open: Vec<Open>,
    pub(crate) started: bool,
    pub(crate) next_number: u64,
    /// What its sandbox reported at boot.
    pub(crate) layers: String,
}

impl Template {
    /// What the process sandbox inside reported of its layers at boot.
    pub fn layers(&self) -> &str {
        &self.inner.layers
    }

    /// What its user has put aside with it, if it is of this kind.
    pub fn aside<T: Any>(&self) -> Option<&T> {
        self.aside.as_ref()?.0.downcast_ref()
    }

    /// The disk of the code that its clones run.
    pub fn code(&self) -> Arc<Disk> {
        Arc::clone(&self.inner.image.code)
    }

    /// Bytes that the guest's memory takes, where what was never touched takes none, and its disks: as if nobody else had them.
    pub(crate) fn bytes(&self) -> Result<u64, Error> {
        let Inner { state, image, .. } = &*self.inner;
        let all = [state.bytes(), image.runtime.bytes(), image.code.bytes()];
        let sum = all.into_iter().try_fold(0, |sum: u64, bytes| Ok(sum.saturating_add(bytes?)));
        sum.map_err(doing("measuring the template"))
    }

    /// Bytes of device state, for measuring.
    pub fn device_bytes(&self) -> usize {
        self.inner.state.device_bytes()
    }

    /// The memory as it was when the machine stopped, from the beginning; for proving what it does not hold.
    pub fn memory(&self) -> io::Result<std::fs::File> {
        self.inner.state.memory()
    }
}

/// A stream that was open.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) id: u32,
    pub(crate) port: u16,
    pub(crate) read: Vec<u8>,
}

impl Open {
    /// The stream with the bytes that were read before in front.
    pub(crate) fn replay(&self, mut from: Stream) -> Stream {
        if self.read.is_empty() {
            return from;
        }
        let (ours, mut theirs) = duplex(WINDOW_BYTES as usize);
        let (read, ours) = (self.read.clone(), Stream::by_way_of(ours, &from));
        tokio::spawn(async move {
            if theirs.write_all(&read).await.is_ok() {
                let _ = tokio::io::copy_bidirectional(&mut from, &mut theirs).await;
            }
        });
        ours
    }
}

/// Stops a machine, keeps its state and ends it. What cannot be kept is the caller's to end.
pub(crate) async fn take(
    machine: &Machine,
    (ram, image): (Option<OwnedFd>, Image),
    pending: Vec<Pending>,
    place: &Place<'_>,
) -> Result<Template, Error> {
    if machine.holds_credentials {
        return Err(Error::Refused("a template must not hold credentials"));
    }
    if machine.companions > 0 {
        // Whoever registered at the first machine is known to no other.
        return Err(Error::Refused("what runs beside a runtime becomes no part of a template"));
    }
    let mut open: Vec<Open> =
        machine.output_ids.iter().map(|(port, id)| Open { id: *id, port: *port, read: Vec::new() }).collect();
    open.extend(pending.into_iter().map(|Pending { port, id, read }| Open { id, port, read }));
    // INVARIANT: nothing of the function runs in a copy before that has randomness of its own; what cannot be stopped is not
    // copied. After this round trip everything the host has sent has been taken in, too.
    machine.hold().await?;
    settle(machine, &open).await?;
    let next_number = machine.next_number();
    let (ram_mb, started, layers) = (machine.ram_mb, machine.started, machine.layers.clone());
    let state = state::save(machine, ram, place).await?;
    let inner = Inner { state, ram_mb, image, open, started, next_number, layers };
    Ok(Template { inner: Arc::new(inner), aside: None })
}

/// The streams known must be idle, and there must be no others.
async fn settle(machine: &Machine, open: &[Open]) -> Result<(), Error> {
    for _ in 0..SETTLE_LOOKS_MAX {
        let present = machine.mux.open_streams();
        let known = |id: &u32| open.iter().any(|stream| stream.id == *id);
        if present.iter().all(known) && open.iter().all(|stream| machine.mux.is_idle(stream.id)) {
            // The credits this took are in the guest before it stops.
            return machine.ping().await;
        }
        machine.ping().await?;
    }
    Err(Error::Refused("a connection is open that waits for nothing"))
}

const SETTLE_LOOKS_MAX: u32 = 50;
