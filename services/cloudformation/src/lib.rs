//! CloudFormation: stacks made from templates. (Operations are being written; the generated types are here.)

pub mod api;

use casemate_kernel::{Assembly, Env, Fault};

/// Opens the service.
pub fn open(env: &Env) -> Result<Assembly, Fault> {
    let _ = env;
    Ok(Assembly::default())
}
