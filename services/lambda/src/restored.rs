//! What a process is told with its first request that goes on from a machine's template: before, it was nobody's.
//!
//! Plain data.

use casemate_kernel::SessionCredentials;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Restored {
    /// `None` where they are fetched.
    pub(crate) credentials: Option<SessionCredentials>,
    pub(crate) log_stream: String,
}
