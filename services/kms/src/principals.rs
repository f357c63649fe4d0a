//! Users, roles and their sessions that policies and grants name by ARN: bound to unique ids, so that one made again under
//! the same name inherits nothing.

use casemate_kernel::{Env, Fault};
use casemate_names::Arn;

/// Is `name` the ARN of something that has, or whose role has, a unique id?
pub(crate) fn entity(name: &str) -> Option<Arn> {
    let arn = Arn::parse(name).ok()?;
    let kind = arn.resource().split('/').next()?;
    match (arn.service(), kind) {
        ("iam", "user" | "role") | ("sts", "assumed-role") => Some(arn),
        _ => None,
    }
}

/// Is it a session, which no unique id names?
pub(crate) fn is_session(arn: &Arn) -> bool {
    arn.service() == "sts"
}

/// The unique id of a user or role, or of a session's role, now. `None`: there is no such thing.
pub(crate) fn unique_id(env: &Env, arn: &Arn) -> Result<Option<String>, Fault> {
    env.sessions()?.unique_id(arn)
}
