//! The inside of the function's way out: lines to the host, which decides.

use std::sync::Arc;

use casemate_sandbox::{Carrier, LineOpening};
use tokio::sync::watch;

use crate::{line::Line, mux::Mux};

/// Opens lines once the function's outputs are open: the host takes the first two streams for those.
#[derive(Debug)]
pub(super) struct Lines {
    mux: Arc<Mux>,
    begun: watch::Receiver<bool>,
}

impl Lines {
    /// With the sender that says when they may begin.
    pub(super) fn new(mux: Arc<Mux>) -> (Self, watch::Sender<bool>) {
        let (sender, begun) = watch::channel(false);
        (Self { mux, begun }, sender)
    }
}

impl Carrier for Lines {
    fn open(&self, port: u16) -> LineOpening {
        let (mux, mut begun) = (Arc::clone(&self.mux), self.begun.clone());
        Box::pin(async move {
            begun.wait_for(|begun| *begun).await.map_err(std::io::Error::other)?;
            let line: Box<dyn casemate_sandbox::Line> = Box::new(Line::from(mux.open(port).await?));
            Ok(line)
        })
    }
}
