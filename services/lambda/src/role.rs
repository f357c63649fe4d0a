//! Execution roles: what must be allowed to give one to a function, and whether Lambda can assume it.

use casemate_kernel::{Ask, Env, FaultKind, RoleFacts};
use casemate_names::{Arn, Timestamp};
use std::sync::Arc;

use crate::api::Error;

/// `iam:PassRole` on the role, passed to this service for this function.
pub(crate) fn pass(env: &Env, role: &str, function: &Arn) -> Ask {
    let ask = match Arn::parse(role) {
        Ok(role) => Ask::on("iam:PassRole", role),
        // Not an ARN: refused by validation afterwards; until then nobody may pass it but who may pass all.
        Err(_) => Ask::on_any("iam:PassRole"),
    };
    ask.with("iam:PassedToService", env.principal).with("iam:AssociatedResourceArn", function.as_str())
}

/// The role, if it exists in the function's account and trusts this service on behalf of the function.
pub(crate) fn assumable(
    env: &Env,
    role: &Arn,
    function: &Arn,
    now: Timestamp,
) -> Result<Arc<RoleFacts>, Error> {
    let sessions = env.sessions()?;
    let found = sessions.role(role)?;
    let facts = found.filter(|facts| facts.account.as_str() == function.account()).ok_or_else(refused)?;
    match sessions.check_trust(&facts, function, now) {
        Ok(()) => Ok(facts),
        Err(fault) if matches!(fault.kind(), FaultKind::Denied(_)) => Err(refused()),
        Err(fault) => Err(fault.into()),
    }
}

fn refused() -> Error {
    // AWS: text as the service words it.
    Error::invalid_parameter_value_exception("The role defined for the function cannot be assumed by Lambda.")
}
