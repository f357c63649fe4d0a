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
// DIVERGES: a session's ARN has its role's name without its path; sessions of roles with a path cannot be named in key
// policies and grants, name the role.
pub(crate) fn unique_id(env: &Env, arn: &Arn) -> Result<Option<String>, Fault> {
    if !is_session(arn) {
        return env.sessions()?.unique_id(arn);
    }
    let mut parts = arn.resource().split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("assumed-role"), Some(role), Some(session), None) if !session.is_empty() => {
            let role = Arn::from_parts([arn.partition(), "iam", "", arn.account(), &format!("role/{role}")]);
            env.sessions()?.unique_id(&role)
        }
        _ => Ok(None),
    }
}
