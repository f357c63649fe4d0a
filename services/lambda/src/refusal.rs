//! Errors that several operations give, in AWS's words.

use crate::{
    api::{Error, ThrottleReason, TooManyRequestsException},
    resource::FunctionRef,
};

/// There is no such function, version or alias.
// AWS: "Function not found: <arn>" with the qualifier that was asked for.
pub(crate) fn no_function(at: &FunctionRef) -> Error {
    let mut arn = at.arn().as_str().to_owned();
    if let Some(qualifier) = &at.qualifier {
        arn.push(':');
        arn.push_str(qualifier);
    }
    Error::resource_not_found_exception(format!("Function not found: {arn}"))
}

/// The caller's revision is not the latest.
// AWS: text as the service words it.
pub(crate) fn stale_revision() -> Error {
    Error::precondition_failed_exception(
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to \
         retrieve the latest Revision Id",
    )
}

/// A version or alias where only the function as such may be named.
pub(crate) fn qualified() -> Error {
    // AWS: text as the service words it.
    Error::invalid_parameter_value_exception(
        "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. \
         Please specify either a function name or an unqualified function ARN.",
    )
}

/// There is no such function, as function URLs say it.
// AWS: text as the service words it.
pub(crate) fn function_does_not_exist() -> Error {
    Error::resource_not_found_exception("Function does not exist")
}

/// There is no such thing, as many operations say it.
// AWS: text as the service words it.
pub(crate) fn no_resource() -> Error {
    Error::resource_not_found_exception("The resource you requested does not exist.")
}

/// There is no such alias.
// AWS: text as the service words it.
pub(crate) fn no_alias(at: &FunctionRef) -> Error {
    Error::resource_not_found_exception(format!("Cannot find alias arn: {}", at.requested_arn()))
}

/// Something of Lambda that is not here yet.
pub(crate) fn not_here(what: &str) -> Error {
    // DIVERGES: refused instead of silently left out.
    Error::invalid_parameter_value_exception(format!("{what} is not supported by this installation"))
}

/// Too many at once, of the account or of one function.
pub(crate) fn throttled(reason: ThrottleReason) -> Error {
    Error::TooManyRequestsException(TooManyRequestsException {
        // AWS: text and reason as the service gives them.
        message: Some("Rate Exceeded.".to_owned()),
        retry_after_seconds: None,
        r#type: Some("User".to_owned()),
        reason: Some(reason),
    })
}

/// The environment was lost while the function worked on a request.
// AWS: `ServiceException` with 500, which clients try again by themselves (API reference of Invoke); an asynchronous request goes back to
// the queue without using up a retry ("Error handling for asynchronous invocation": "system errors (500-series)"). The text is ours.
pub(crate) fn lost() -> Error {
    Error::service_exception(
        "the execution environment was lost while the function worked; whether it did its work is not known",
    )
}

/// A constraint that the service checks itself although the model does not carry it.
pub(crate) fn constraint(value: impl std::fmt::Display, at: &str, rule: &str) -> Error {
    // AWS: the general form of constraint violations.
    Error::Validation(format!(
        "1 validation error detected: Value '{value}' at '{at}' failed to satisfy constraint: Member must {rule}"
    ))
}
