//! Environment variables that a function's owner sets.
//!
//! Values are [`Secret`]: they reach the store (sealed), the owner who may read the configuration, and the environment's
//! process; never a log or an error.

use std::collections::BTreeMap;

use casemate_names::Secret;
use casemate_sandbox::Driver;

use crate::{api::Error, controls::Controls};

/// All names and values together, in bytes.
// AWS: 4 KB (Lambda quotas, "Environment variables").
const BYTES_MAX: usize = 4_096;

/// Names that only the platform sets.
// AWS: Lambda developer guide, "Defined runtime environment variables", reserved.
const RESERVED: &[&str] = &[
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// A program that starts the runtime in the platform's place.
// AWS: Lambda developer guide, "Modifying the runtime environment": a wrapper script, which custom runtimes do not have.
// DIVERGES: refused, so that nobody takes for granted what would not happen. The roots of managed runtimes have no shell.
const WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";

/// The owner's variables.
pub(crate) type Variables = BTreeMap<String, Secret<String>>;

/// Whether only the platform sets it.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Refuses reserved names, what is too much, what no process can be given, and wishes of the platform that it cannot read.
pub(crate) fn check(variables: &Variables, driver: Option<&Driver>) -> Result<(), Error> {
    let reserved: Vec<&str> =
        variables.keys().map(String::as_str).filter(|name| RESERVED.contains(name)).collect();
    if !reserved.is_empty() {
        // AWS: text as the service words it.
        return Err(Error::invalid_parameter_value_exception(format!(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided contains reserved keys that are currently not supported for modification. Reserved keys used in \
             this request: {}",
            reserved.join(", ")
        )));
    }
    if variables.contains_key(WRAPPER) {
        return Err(Error::invalid_parameter_value_exception(format!(
            "{WRAPPER} is not supported here: nothing is executed in place of the runtime"
        )));
    }
    let bytes: usize = variables.iter().map(|(name, value)| name.len() + value.expose().len()).sum();
    if bytes > BYTES_MAX {
        // AWS: the beginning of the service's text. DIVERGES: AWS goes on to repeat the values.
        return Err(Error::invalid_parameter_value_exception(
            "Lambda was unable to configure your environment variables because the environment variables you have \
             provided exceeded the 4KB limit.",
        ));
    }
    if variables.iter().any(|(name, value)| name.contains(['\0', '=']) || value.expose().contains('\0')) {
        return Err(Error::invalid_parameter_value_exception(
            "an environment variable contains a character that no process can be given",
        ));
    }
    let controls = Controls::of(variables).and_then(|controls| controls.check(driver));
    controls.map_err(Error::invalid_parameter_value_exception)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(variables: &Variables) -> Result<(), Error> {
        check(variables, None)
    }

    fn of(entries: &[(&str, &str)]) -> Variables {
        entries.iter().map(|(name, value)| ((*name).to_owned(), Secret::new((*value).to_owned()))).collect()
    }

    #[test]
    fn ordinary_variables_are_taken() {
        checked(&of(&[("TABLE", "notes"), ("PATH", "/opt/bin"), ("EMPTY", "")])).unwrap();
    }

    #[test]
    fn reserved_names_are_refused_and_named() {
        let Err(Error::InvalidParameterValueException(refusal)) =
            checked(&of(&[("AWS_REGION", "x"), ("TABLE", "hush"), ("_HANDLER", "y")]))
        else {
            panic!("not refused")
        };
        let text = refusal.message.unwrap();
        assert!(text.ends_with("this request: AWS_REGION, _HANDLER"), "{text}");
        assert!(!text.contains("hush"));
    }

    #[test]
    fn a_wrapper_that_would_not_run_is_refused() {
        let refused = checked(&of(&[("AWS_LAMBDA_EXEC_WRAPPER", "/opt/hush")])).unwrap_err();
        let Error::InvalidParameterValueException(refusal) = refused else { panic!("another error") };
        let text = refusal.message.unwrap();
        assert!(
            text.starts_with("AWS_LAMBDA_EXEC_WRAPPER is not supported") && !text.contains("hush"),
            "{text}"
        );
    }

    #[test]
    fn more_than_four_kilobytes_or_a_nul_byte_are_refused() {
        checked(&of(&[("A1", &"x".repeat(BYTES_MAX - 2))])).unwrap();
        assert!(checked(&of(&[("A1", &"x".repeat(BYTES_MAX - 1))])).is_err());
        assert!(checked(&of(&[("A1", "a\0b")])).is_err());
    }

    #[test]
    fn values_do_not_show_in_debug_output() {
        assert!(!format!("{:?}", of(&[("A1", "hush")])).contains("hush"));
    }
}
