//! Roles that are handed over to the service: whoever names one needs the right to pass it.

use casemate_kernel::{Access, Ask};
use casemate_names::Arn;

use crate::api::SmsConfigurationType;

/// Adds the right to hand each of these roles over: a group's will be the members', a pool's sends its messages, a client's
/// reports on its users.
// AWS: `iam:PassRole` is a dependent action of CreateGroup and UpdateGroup (service authorization reference); for the others
// see the developer guide, "SMS message settings" and "Using Amazon Pinpoint analytics". The roles trust this service.
pub(crate) fn with_passed_roles<'r>(access: Access, roles: impl IntoIterator<Item = &'r str>) -> Access {
    roles.into_iter().filter(|role| !role.is_empty()).fold(access, |access, role| {
        // What is no ARN may not be stored either, but that is checked later: until then it stands for all roles.
        let ask = Arn::parse(role).map_or_else(|_| Ask::on_any(PASS), |arn| Ask::on(PASS, arn));
        access.and(ask.with("iam:PassedToService", "cognito-idp.amazonaws.com"))
    })
}

const PASS: &str = "iam:PassRole";

/// The roles that a pool's messages are sent with.
pub(crate) fn senders(sms: Option<&SmsConfigurationType>) -> impl Iterator<Item = &str> {
    let own = sms.and_then(|sms| sms.sns_caller_arn.as_deref());
    let eums = sms.and_then(|sms| sms.eums_sms.as_ref()).map(|eums| eums.caller_arn.as_str());
    own.into_iter().chain(eums)
}
