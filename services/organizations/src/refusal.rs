//! Refusals whose texts or reasons several operations share.

use crate::api::{
    ConstraintViolationException, ConstraintViolationExceptionReason, Error, InvalidInputException,
    InvalidInputExceptionReason,
};

/// The caller's account is in no organisation.
pub(crate) fn not_in_use() -> Error {
    // AWS: text of AWSOrganizationsNotInUseException.
    Error::aws_organizations_not_in_use_exception("Your account is not a member of an organization.")
}

/// The caller's account does not manage its organisation.
pub(crate) fn not_management() -> Error {
    // AWS: text of AccessDeniedException of this service.
    Error::access_denied_exception("You don't have permissions to access this resource.")
}

/// A quota or rule of the service.
pub(crate) fn limit(reason: ConstraintViolationExceptionReason, message: impl Into<String>) -> Error {
    let message = Some(message.into());
    Error::ConstraintViolationException(ConstraintViolationException { message, reason: Some(reason) })
}

/// An input that cannot be meant.
pub(crate) fn invalid(reason: InvalidInputExceptionReason, message: impl Into<String>) -> Error {
    let message = Some(message.into());
    Error::InvalidInputException(InvalidInputException { message, reason: Some(reason) })
}

/// A policy type that this organisation, or this installation, does not have.
pub(crate) fn type_not_available(kind: &str) -> Error {
    Error::policy_type_not_available_for_organization_exception(format!(
        "The policy type {kind} is not available for this organization."
    ))
}

/// There is no such root or unit.
pub(crate) fn no_parent() -> Error {
    Error::parent_not_found_exception("You specified a root or organizational unit that doesn't exist.")
}

/// There is no such account.
pub(crate) fn no_account() -> Error {
    // AWS: text of AccountNotFoundException.
    Error::account_not_found_exception("You specified an account that doesn't exist.")
}

/// There is no such unit.
pub(crate) fn no_unit() -> Error {
    // AWS: text of OrganizationalUnitNotFoundException.
    Error::organizational_unit_not_found_exception("You specified an organizational unit that doesn't exist.")
}

/// There is no such policy.
pub(crate) fn no_policy() -> Error {
    // AWS: text of PolicyNotFoundException.
    Error::policy_not_found_exception("You specified a policy that doesn't exist.")
}

/// There is no such target.
pub(crate) fn no_target() -> Error {
    // AWS: text of TargetNotFoundException.
    Error::target_not_found_exception("You specified a target that doesn't exist.")
}

/// No account has a policy of this managing type.
pub(crate) fn no_effective_policy(kind: &str) -> Error {
    Error::effective_policy_not_found_exception(format!(
        "There is no effective policy of the type {kind} for this account."
    ))
}

/// There is no such transfer.
pub(crate) fn no_transfer() -> Error {
    // AWS: API reference, ResponsibilityTransferNotFoundException.
    Error::responsibility_transfer_not_found_exception("We can't find a transfer that you specified.")
}
