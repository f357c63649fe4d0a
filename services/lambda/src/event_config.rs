//! What becomes of a function's asynchronous requests: how often and how long they are tried, and who hears of the end.

use casemate_kernel::Env;
use casemate_names::{Arn, Timestamp};
use casemate_store::{ReadTx, Row, StoreError};
use serde::{Deserialize, Serialize};

use crate::{
    api::{DestinationConfig, Error, FunctionEventInvokeConfig, OnFailure, OnSuccess},
    destination::{self, Target},
    resource::{self, FunctionRef, LATEST},
    version,
};

/// Retries after the function failed, where nothing is said.
// AWS: 2 (developer guide, "Asynchronous invocation").
pub(crate) const RETRIES: usize = 2;
/// How long a request is tried, seconds, where nothing is said.
// AWS: 6 hours (the same page).
pub(crate) const AGE_S: i64 = 21_600;

/// The configuration of a function, a version or an alias, by [`FunctionRef::qualified_key`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventConfig {
    /// The ARN it is for.
    pub(crate) function: String,
    pub(crate) retries: Option<i32>,
    pub(crate) age_s: Option<i32>,
    /// Whether destinations were ever spoken of, and which; empty text is none.
    pub(crate) destinations: Option<Destinations>,
    pub(crate) modified_at_ms: i64,
}

/// Where records of ended requests go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Destinations {
    pub(crate) on_success: Option<String>,
    pub(crate) on_failure: Option<String>,
}

impl Row for EventConfig {
    const TABLE: &'static str = "lambda.event-invoke-config";
    const VERSION: u16 = 1;
}

/// What a request changes. `None` stays as it is, or is none where there was nothing.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) retries: Option<i32>,
    pub(crate) age_s: Option<i32>,
    pub(crate) destinations: Option<Destinations>,
}

impl Change {
    /// Reads and checks what a request says.
    pub(crate) fn of(
        tx: &ReadTx<'_>,
        env: &Env,
        at: &FunctionRef,
        retries: Option<i32>,
        age_s: Option<i32>,
        config: Option<&DestinationConfig>,
    ) -> Result<Self, Error> {
        if retries.is_none() && age_s.is_none() && config.is_none() {
            // AWS: text as the service words it.
            return Err(Error::invalid_parameter_value_exception(
                "You must specify at least one of error handling or destination setting.",
            ));
        }
        if version::resolve(tx, at, None)?.is_none() {
            // AWS: text as the service words it.
            return Err(Error::resource_not_found_exception("The function doesn't exist."));
        }
        let named = |text: Option<&String>| text.filter(|text| !text.is_empty()).cloned();
        let destinations = config.map(|config| Destinations {
            on_success: named(config.on_success.as_ref().and_then(|one| one.destination.as_ref())),
            on_failure: named(config.on_failure.as_ref().and_then(|one| one.destination.as_ref())),
        });
        if let Some(destinations) = &destinations {
            check(tx, env, at, destinations)?;
        }
        Ok(Self { retries, age_s, destinations })
    }
}

/// Refuses what could not hold, before anything is written: the rights of the function's role are judged outside of a
/// transaction.
pub(crate) fn check_wish(
    env: &Env,
    at: &FunctionRef,
    (retries, age_s): (Option<i32>, Option<i32>),
    config: Option<&DestinationConfig>,
    now: Timestamp,
) -> Result<(), Error> {
    env.store.read(|tx| Change::of(tx, env, at, retries, age_s, config).map(drop))?;
    destination::check_destinations(env, at, config, now)
}

fn check(tx: &ReadTx<'_>, env: &Env, at: &FunctionRef, all: &Destinations) -> Result<(), Error> {
    for (text, of_success) in [(&all.on_success, true), (&all.on_failure, false)] {
        let Some(text) = text else { continue };
        let arn = Arn::parse(text).ok();
        match arn.as_ref().and_then(Target::of) {
            Some(Target::Queue(_) | Target::Topic(_) | Target::Bus(_)) => {}
            // AWS: "S3 buckets are supported only for on-failure destinations" (API reference).
            Some(Target::Bucket(_)) if !of_success => {}
            Some(Target::Function(_)) => {
                // AWS: text as the service words it.
                let invalid = || {
                    Error::invalid_parameter_value_exception(format!(
                        "The destination ARN {text} is invalid."
                    ))
                };
                let target = arn.as_ref().and_then(FunctionRef::of_arn).ok_or_else(invalid)?;
                target.check(env)?;
                if target.key() == at.key() {
                    // AWS: text as the service words it.
                    return Err(Error::invalid_parameter_value_exception(
                        "You can't specify the function as a destination for itself.",
                    ));
                }
                let own = target.scope.account == at.scope.account;
                // Whether another account's function exists is not told.
                if own && version::resolve(tx, &target, None)?.is_none() {
                    return Err(invalid());
                }
            }
            _ => {
                let part = |name: &str, text: &Option<String>| match text {
                    Some(text) => format!("{name}(destination={text})"),
                    None => "null".to_owned(),
                };
                // AWS: text as the service words it.
                return Err(Error::invalid_parameter_value_exception(format!(
                    "The provided destination config DestinationConfig(onSuccess={}, onFailure={}) is invalid.",
                    part("OnSuccess", &all.on_success),
                    part("OnFailure", &all.on_failure)
                )));
            }
        }
    }
    Ok(())
}

impl EventConfig {
    /// A new one.
    pub(crate) fn new(at: &FunctionRef, change: Change, now: Timestamp) -> Self {
        Self {
            function: shown_arn(at),
            retries: change.retries,
            age_s: change.age_s,
            destinations: change.destinations,
            modified_at_ms: now.millis(),
        }
    }

    /// This one, changed.
    pub(crate) fn changed(self, change: Change, now: Timestamp) -> Self {
        Self {
            retries: change.retries.or(self.retries),
            age_s: change.age_s.or(self.age_s),
            destinations: change.destinations.or(self.destinations),
            modified_at_ms: now.millis(),
            ..self
        }
    }

    /// The one for requests to `at`.
    pub(crate) fn find(tx: &ReadTx<'_>, at: &FunctionRef) -> Result<Option<Self>, StoreError> {
        tx.get::<Self>(&at.qualified_key())
    }

    /// The configuration as the API shows it.
    pub(crate) fn shown(&self) -> FunctionEventInvokeConfig {
        let all = self.destinations.clone().unwrap_or_default();
        FunctionEventInvokeConfig {
            last_modified: Some(Timestamp::from_millis(self.modified_at_ms)),
            function_arn: Some(self.function.clone()),
            maximum_retry_attempts: self.retries,
            maximum_event_age_in_seconds: self.age_s,
            destination_config: Some(DestinationConfig {
                on_success: Some(OnSuccess { destination: all.on_success }),
                on_failure: Some(OnFailure { destination: all.on_failure }),
            }),
        }
    }
}

// AWS: the ARN of these always has a qualifier.
fn shown_arn(at: &FunctionRef) -> String {
    resource::qualified(&at.arn(), at.explicit().unwrap_or(LATEST)).as_str().to_owned()
}

/// There is none.
pub(crate) fn none(at: &FunctionRef) -> Error {
    // AWS: text as the service words it.
    Error::resource_not_found_exception(format!(
        "The function {} doesn't have an EventInvokeConfig",
        shown_arn(at)
    ))
}
