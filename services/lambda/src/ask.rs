//! What the gate is asked about functions.

use casemate_kernel::{Ask, Caller};
use casemate_names::Arn;

/// Asks for `action` on a function.
// AWS: every operation of Lambda needs a signature, also where a function's policy names everyone as principal. A caller
// without one is therefore asked about no function in particular, so that no function's policy can speak for it.
pub(crate) fn on(action: &'static str, function: Arn, caller: &Caller) -> Ask {
    match caller {
        Caller::Anonymous | Caller::Bearer { .. } | Caller::WebIdentity(_) => Ask::on_any(action),
        Caller::Root { .. }
        | Caller::User { .. }
        | Caller::UserSession(_)
        | Caller::RootSession(_)
        | Caller::Federated(_)
        | Caller::Role(_)
        | Caller::Service { .. } => Ask::on(action, function),
    }
}
