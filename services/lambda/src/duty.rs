//! Whether an environment is at work: it starts, runs a request, or ends. In between it is frozen, and its credentials are
//! refused, see [`casemate_kernel::Peer`].

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// See the module. Clones are of the same environment.
#[derive(Debug, Clone)]
pub(crate) struct Duty(Arc<AtomicBool>);

impl Duty {
    /// Of an environment that starts.
    pub(crate) fn begun() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// It is about to be woken, for a request or for its end.
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// It is frozen.
    pub(crate) fn end(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
