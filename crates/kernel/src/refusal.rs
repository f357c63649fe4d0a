//! What a refusal tells whom: the decision's text for those who may know why, less for others. Decides nothing.

use casemate_policy::{Decision, Verdict};
use casemate_sigv4::AuthError;

use crate::{Ask, Caller, Denial, Fault, Kernel, ceilings::may_know_why};

/// Turns anything but an Allow into the refusal the client sees.
pub(crate) fn refuse_unless_allowed(
    kernel: &Kernel,
    caller: &Caller,
    ask: &Ask,
    decision: Decision,
) -> Result<(), Fault> {
    if decision.verdict == Verdict::Allow {
        return Ok(());
    }
    if matches!(caller, Caller::Anonymous) && decision.verdict == Verdict::ImplicitDeny {
        return Err(AuthError::MissingAuthenticationToken.into());
    }
    let resource = resource_text(ask).to_owned();
    let text = if matches!(caller, Caller::WebIdentity(_)) {
        nobodys_text(ask.action)
    } else if may_know_why(kernel, caller, ask) {
        decision.denial_text(&caller.arn_text(), ask.action, &resource)
    } else {
        Decision::brief_text(&caller.arn_text(), ask.action, &resource)
    };
    Err(Fault::denied(Denial { action: ask.action, resource, decision: Some(decision) }, text))
}

/// What one who is nobody yet learns of a refusal.
// AWS: text of AccessDenied.
pub(crate) fn nobodys_text(action: &str) -> String {
    format!("Not authorized to perform {action}")
}

/// The resource as decisions and texts name it.
pub(crate) fn resource_text(ask: &Ask) -> &str {
    ask.resource.as_ref().map_or("*", |arn| arn.as_str())
}
