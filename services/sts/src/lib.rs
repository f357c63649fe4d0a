//! STS: who am I, and temporary credentials for a role.
//!
//! It keeps nothing itself: sessions are the kernel's, roles and trust policies are the identity service's. Whether a
//! role may be assumed is decided by the gate before an operation runs, with the role's trust policy as its resource policy.
//!
//! Invariants: credentials are made only for the role the gate has admitted the caller to; tags, source identity and
//! the one-hour limit survive role chaining.
//!
//! Not here: web identity, SAML, federation tokens, session tokens, MFA.

pub mod api;

mod ops;
mod session;

use std::sync::Arc;

use casemate_kernel::{Assembly, Caller, Env, Fault, Proof, ResourcePolicy, Service};
use casemate_names::{Arn, Timestamp};

use crate::api::Error;

/// The service.
#[derive(Debug)]
pub struct Sts {
    env: Env,
}

/// Opens the service.
pub fn open(env: &Env) -> Result<Assembly, Fault> {
    let service = Arc::new(Sts { env: env.clone() });
    Ok(Assembly { operations: ops::operations(&service), ..Assembly::default() })
}

impl Service for Sts {
    type Error = Error;

    const PREFIXES: &'static [&'static str] = &["sts"];

    // AWS: the Query protocol's common error.
    const VALIDATION_CODE: &'static str = "ValidationError";

    fn verify(&self, proof: &Proof, _now: Timestamp) -> Result<Caller, Error> {
        Err(Fault::broken(format!("no operation of this service takes a proof such as a {}", proof.kind))
            .into())
    }

    fn resource_policy(&self, _arn: &Arn, _action: &str) -> Result<Option<ResourcePolicy>, Error> {
        Ok(None)
    }

    fn tags(&self, _arn: &Arn) -> Result<Vec<(String, String)>, Error> {
        Ok(Vec::new())
    }
}
