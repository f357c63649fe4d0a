//! When a function's runtime may change under it: kept and shown.
//!
//! DIVERGES: a runtime is what the host has, and changes with it; a function cannot be held on an earlier one. `Manual` in
//! `PutRuntimeManagementConfig` is refused: there are no runtime versions with ARNs.

use casemate_names::Arn;
use casemate_store::Row;
use serde::{Deserialize, Serialize};

/// The wish of `$LATEST` or of a version, by [`crate::resource::FunctionRef::qualified_key`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RuntimeManagement {
    /// The qualified ARN.
    pub(crate) function: Arn,
    /// `Auto` or `FunctionUpdate`.
    pub(crate) update_on: String,
}

impl Row for RuntimeManagement {
    const TABLE: &'static str = "lambda.runtime-management";
    const VERSION: u16 = 1;
}
