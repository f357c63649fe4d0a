//! CloudWatch Logs: groups, streams and events.
//!
//! - A **group** holds streams, tags and a retention period; a **stream** holds events in the order of their timestamps.
//! - Events are stored as the batches they came in, one row per `PutLogEvents`, under the stream's own number: deleting a
//!   group or stream takes effect at once and its batches are swept afterwards.
//! - Reading merges batches, whose times may overlap, into one order: timestamp, stream, arrival.
//!
//! Knows nothing of who writes here; functions log under their execution role like any other caller.
//!
//! DIVERGES: events past their retention disappear from every answer at once, and from the disk at the next write to
//! their stream or the next start; AWS takes up to 72 hours.
//! DIVERGES: page tokens do not expire after 24 hours.
//! DIVERGES: no customer KMS keys, linked accounts, resource policies, metric or subscription filters yet; what names
//! them is refused.

#[rustfmt::skip]
pub mod api;
mod arrival;
mod cursor;
mod ops;
mod page;
mod pattern;
mod position;
mod resource;
mod rows;
mod sweep;

use std::sync::Arc;

use casemate_kernel::{Assembly, Caller, Env, Fault, Proof, ResourcePolicy, Service, Task};
use casemate_names::{Arn, Scope, Timestamp};

use api::Error;

/// The service.
#[derive(Debug)]
pub struct Logs {
    env: Env,
}

/// Opens the service.
pub fn open(env: &Env) -> Result<Assembly, Fault> {
    let service = Arc::new(Logs { env: env.clone() });
    let (store, site, now) = (env.store.clone(), Arc::clone(&env.site), env.clock.now());
    let work = Box::pin(async move {
        // What could not be swept now is found again at the next start.
        let _ = sweep::everything(&store, &site.scope, now).await;
    });
    Ok(Assembly {
        operations: ops::operations(&service),
        tasks: vec![Task { name: "logs.sweep", work }],
        ..Assembly::default()
    })
}

impl Logs {
    /// Where a caller's resources are, before admission.
    fn scope(&self, caller: &Caller) -> Scope {
        caller.account().map_or_else(|| self.env.site.scope.clone(), |account| self.env.scope_of(&account))
    }
}

impl Service for Logs {
    type Error = Error;

    const PREFIXES: &'static [&'static str] = &["logs"];

    // AWS: constraint violations of CloudWatch Logs are `InvalidParameterException` ("1 validation error detected: …").
    const VALIDATION_CODE: &'static str = "InvalidParameterException";

    fn verify(&self, _proof: &Proof, _now: Timestamp) -> Result<Caller, Error> {
        Err(Error::validation_exception("there are no in-band proofs here"))
    }

    fn resource_policy(&self, _arn: &Arn, _action: &str) -> Result<Option<ResourcePolicy>, Error> {
        Ok(None)
    }

    fn tags(&self, arn: &Arn) -> Result<Vec<(String, String)>, Error> {
        let Some(name) = resource::group_of(arn) else { return Ok(Vec::new()) };
        let key = rows::group_key(&self.env.scope_of_arn(arn), name);
        let group = self.env.store.read(|tx| tx.get::<rows::Group>(&key))?;
        Ok(group.map_or_else(Vec::new, |group| group.tags.into_iter().collect()))
    }
}
