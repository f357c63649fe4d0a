//! The only list of services. Adding one is a line here and a dependency in the manifest.

use std::{path::PathBuf, sync::Arc};

use casemate_kernel::{Builder, Fault, Kernel, Peer, Task};
use tokio::net::TcpStream;

use crate::trust::TRUST;

/// Serves a connection accepted inside an execution environment.
pub type ServeConnection = Arc<dyn Fn(TcpStream, Peer) + Send + Sync>;

/// What some services need that is not in the kernel.
pub struct Extras {
    /// Runs functions. `Err` says why there is no sandbox: functions can then be managed but not invoked.
    pub driver: Result<casemate_sandbox::Driver, String>,
    /// Serves the AWS endpoint inside execution environments.
    pub serve_connection: ServeConnection,
    /// A directory with boto3 for Python functions.
    pub python_sdk: Option<PathBuf>,
}

impl std::fmt::Debug for Extras {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Extras").field("driver", &self.driver.is_ok()).finish_non_exhaustive()
    }
}

/// Opens every service and builds the kernel.
pub fn assemble(builder: Builder, extras: Extras) -> Result<(Arc<Kernel>, Vec<Task>), Fault> {
    let mut builder = builder.trust(TRUST);
    let _ = extras;
    let iam = casemate_iam::open(&builder.env("iam", "iam.amazonaws.com"))?;
    builder.add("iam", "iam.amazonaws.com", iam);
    let sts = casemate_sts::open(&builder.env("sts", "sts.amazonaws.com"))?;
    builder.add("sts", "sts.amazonaws.com", sts);
    builder.build()
}
