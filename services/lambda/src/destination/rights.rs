//! Whether a function's execution role could tell who is to be told, judged when it is configured: nothing is called.
//!
//! DIVERGES: of a bucket nothing is judged then, since no service here knows whose it is; the delivery is.

use casemate_kernel::{Ask, Env};
use casemate_names::{Arn, Timestamp};

use super::Target;
use crate::{
    api::{DestinationConfig, Error},
    function::Settings,
    resource::FunctionRef,
    version,
};

/// Refuses a dead-letter target that the role may not send to.
// AWS: CreateFunction and UpdateFunctionConfiguration do so.
pub(crate) fn check_dead_letters(
    env: &Env,
    settings: &Settings,
    function: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let target = settings.dead_letters.as_deref().and_then(|text| Arn::parse(text).ok());
    let Some(target) = target.as_ref().and_then(Target::of) else { return Ok(()) };
    if may(env, (&settings.role, function), &target, now)? {
        return Ok(());
    }
    // AWS: text as the service words it.
    Err(Error::invalid_parameter_value_exception(format!(
        "The provided execution role does not have permissions to call {}",
        if matches!(target, Target::Queue(_)) { "SendMessage on SQS" } else { "Publish on SNS" }
    )))
}

/// Refuses destinations that the function's role may not tell. What names none is another check's to refuse.
pub(crate) fn check_destinations(
    env: &Env,
    at: &FunctionRef,
    config: Option<&DestinationConfig>,
    now: Timestamp,
) -> Result<(), Error> {
    let Some(config) = config else { return Ok(()) };
    let of_success = config.on_success.as_ref().and_then(|one| one.destination.as_ref());
    let of_failure = config.on_failure.as_ref().and_then(|one| one.destination.as_ref());
    let Some(function) = env.store.read(|tx| version::resolve(tx, at, None))? else { return Ok(()) };
    for text in [of_success, of_failure].into_iter().flatten() {
        let Some(target) = Arn::parse(text).ok().as_ref().and_then(Target::of) else { continue };
        if !may(env, (&function.settings.role, &function.name), &target, now)? {
            let (action, on) = target.needs();
            let operation = action.split_once(':').map_or(action, |(_, operation)| operation);
            // AWS: text as the service words it.
            return Err(Error::invalid_parameter_value_exception(format!(
                "The function's execution role does not have permissions to call {operation} on {on}"
            )));
        }
    }
    Ok(())
}

fn may(env: &Env, (role, session): (&Arn, &str), target: &Target, now: Timestamp) -> Result<bool, Error> {
    if matches!(target, Target::Bucket(_)) {
        return Ok(true);
    }
    let sessions = env.sessions()?;
    let (action, on) = target.needs();
    match sessions.role(role)? {
        Some(facts) => Ok(sessions.would_allow(&facts, session, &Ask::on(action, on.clone()), now)?),
        None => Ok(false),
    }
}
