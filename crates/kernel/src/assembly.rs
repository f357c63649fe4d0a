//! What a service hands to the kernel when it is opened.

use std::{fmt, sync::Arc};

use crate::{AnyOperation, BoxFuture, Ceilings, DataPlane, Directory, Fault};

/// A service, opened.
#[derive(Default)]
pub struct Assembly {
    /// Its operations.
    pub operations: Vec<Box<dyn AnyOperation>>,
    /// Traffic that is not API calls: deployed APIs, public documents.
    pub data_planes: Vec<Arc<dyn DataPlane>>,
    /// Set by the one service that owns identities.
    pub directory: Option<Arc<dyn Directory>>,
    /// Set by the one service that owns organisations of accounts, if there is one.
    pub ceilings: Option<Arc<dyn Ceilings>>,
    /// Background work, started when the server runs.
    pub tasks: Vec<Task>,
}

/// Background work with a name for logs. It must end when the kernel is dropped or its own channel closes.
pub struct Task {
    /// E.g. `lambda.async-queue`.
    pub name: &'static str,
    /// The work.
    pub work: BoxFuture<'static, ()>,
}

/// The service `from` may invoke `operation` (or any, `*`) of service `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustEdge {
    /// The calling service.
    pub from: &'static str,
    /// The called service.
    pub to: &'static str,
    /// The called operation, or `*`.
    pub operation: &'static str,
}

/// A service could not be opened.
#[derive(Debug)]
pub struct OpenError {
    /// Which service.
    pub service: &'static str,
    /// Why.
    pub cause: Fault,
}

impl fmt::Debug for Assembly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembly")
            .field("operations", &self.operations.len())
            .field("data_planes", &self.data_planes.len())
            .field("directory", &self.directory.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service `{}` cannot start: {}", self.service, self.cause)
    }
}

impl std::error::Error for OpenError {}
