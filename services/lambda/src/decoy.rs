//! A key pair in an environment's variables that belongs to nobody: whoever uses it has read what is not his.
//!
//! The kernel knows it as long as the environment exists. No SDK looks for variables of these names.

use casemate_kernel::{Decoy, Env, Fault};

use crate::{controls::Controls, function::Function};

/// The decoy of an environment whose function wishes for one.
pub(crate) fn plant(
    env: &Env,
    controls: &Controls,
    function: &Function,
    id: &str,
) -> Result<Option<Decoy>, Fault> {
    if !controls.decoy {
        return Ok(None);
    }
    env.plant_decoy(format!("execution environment {id} of {}", function.arn)).map(Some)
}

/// Names and values of the variables it lies in.
pub(crate) fn variables(decoy: &Decoy) -> [(&'static str, String); 2] {
    [
        ("BACKUP_AWS_ACCESS_KEY_ID", decoy.access_key_id().to_owned()),
        ("BACKUP_AWS_SECRET_ACCESS_KEY", decoy.secret_access_key().expose().clone()),
    ]
}
