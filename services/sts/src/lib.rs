//! STS: who am I, and temporary credentials: for a role (by a caller, a token of an OpenID Connect provider or a SAML
//! response), for the caller itself, for a federated user, and for a
//! member account's root.
//!
//! It keeps nothing itself: sessions are the kernel's, roles and trust policies are the identity service's. Whether a
//! role may be assumed is decided by the gate before an operation runs, with the role's trust policy as its resource policy.
//!
//! Invariants: credentials are made only for the role the gate has admitted the caller to; tags, source identity and
//! the one-hour limit survive role chaining.
//!
//! Evidence (tokens, responses, one-time codes) is verified before the gate decides, so that trust policies speak of what is
//! proven: see `Operation::evidence`.

pub mod api;

mod asserted;
mod claims;
mod issuers;
mod mfa;
mod ops;
mod outbound;
mod policies;
mod resource;
mod roles;
mod saml;
mod saml_attributes;
mod session;
mod web_identity;

use std::sync::Arc;

use casemate_kernel::{Assembly, Caller, Env, Fault, Proof, ResourcePolicy, Service, policy::ResourceRule};
use casemate_names::{Arn, Timestamp};

use crate::api::Error;

pub use issuers::{IssuerKeySet, IssuerKeys, NoIssuers, Unreachable};

/// The service.
#[derive(Debug)]
pub struct Sts {
    env: Env,
    issuers: Arc<dyn IssuerKeys>,
}

/// Opens the service without any issuer of tokens whose keys could be had.
pub fn open(env: &Env) -> Result<Assembly, Fault> {
    open_with_issuers(env, Arc::new(NoIssuers))
}

/// Opens the service; `issuers` finds the keys of registered issuers.
pub fn open_with_issuers(env: &Env, issuers: Arc<dyn IssuerKeys>) -> Result<Assembly, Fault> {
    let service = Arc::new(Sts { env: env.clone(), issuers });
    Ok(Assembly { operations: ops::operations(&service), ..Assembly::default() })
}

/// The refusal of operations that are not for temporary credentials.
pub(crate) fn with_session_credentials(operation: &str) -> Error {
    // AWS: text of AccessDenied.
    Fault::coded("AccessDenied", 403, format!("Cannot call {operation} with session credentials")).into()
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

    // AWS: STS API reference: with credentials of GetSessionToken only AssumeRole and GetCallerIdentity can be called,
    // with those of GetFederationToken only the latter. The policies of root tasks leave none of this service's actions, which
    // need not be relied upon.
    fn accepts(&self, operation: &'static str, caller: &Caller) -> Result<(), Error> {
        let accepted = match caller {
            Caller::UserSession(_) => matches!(operation, "AssumeRole" | "GetCallerIdentity"),
            Caller::Federated(_) | Caller::RootSession(_) => operation == "GetCallerIdentity",
            _ => true,
        };
        if accepted {
            return Ok(());
        }
        Err(with_session_credentials(operation))
    }

    fn resource_policy(&self, _arn: &Arn, _action: &str) -> Result<Option<ResourcePolicy>, Error> {
        Ok(None)
    }

    /// Of what this service's actions are asked on only roles have policies, and those are the identity service's.
    fn resource_rule(&self, _resource: Option<&Arn>, _action: &str) -> ResourceRule {
        ResourceRule::Trust
    }

    fn tags(&self, _arn: &Arn) -> Result<Vec<(String, String)>, Error> {
        Ok(Vec::new())
    }
}
