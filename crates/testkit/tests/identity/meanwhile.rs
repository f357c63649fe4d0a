//! What happens while another request is under way: between its admission, which reads trust policies, and its course, which
//! first of all asks the directory for the role.

use std::sync::{Arc, Mutex, PoisonError};

use casemate_kernel::{
    BoxFuture, Caller, Directory, Fault, IdentityPolicies, IdentityProvider, Kernel, LongTermCredential,
    MfaAnswer, Peer, RoleFacts, TokenAlgorithm,
};
use casemate_names::{AccountId, Arn, Timestamp};
use casemate_testkit::Request;
use serde_json::{Map, Value};

/// Requests that are served, in their order, before the directory is asked for a role the next time.
type Waiting = Option<(Arc<Kernel>, Vec<Request>)>;

/// The identity service's own directory, with an ear at the door.
#[derive(Debug)]
pub(crate) struct Meanwhile {
    own: Arc<dyn Directory>,
    waiting: Mutex<Waiting>,
}

impl Meanwhile {
    pub(crate) fn of(own: Arc<dyn Directory>) -> Arc<Self> {
        Arc::new(Self { own, waiting: Mutex::default() })
    }

    pub(crate) fn wait(&self, kernel: Arc<Kernel>, requests: Vec<Request>) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some((kernel, requests));
    }

    /// Has everything been served?
    pub(crate) fn is_over(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// The directory waits, so the requests have a thread and a runtime of their own.
    fn serve(kernel: Arc<Kernel>, requests: Vec<Request>) {
        let served = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                for request in requests {
                    let answer = kernel.serve(Peer::Internal, request.incoming()).await;
                    assert_eq!(answer.status.as_u16(), 200);
                }
            });
        });
        served.join().unwrap();
    }
}

impl Directory for Meanwhile {
    fn role(&self, arn: &Arn) -> Result<Option<Arc<RoleFacts>>, Fault> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((kernel, requests)) = waiting {
            Self::serve(kernel, requests);
        }
        self.own.role(arn)
    }

    fn credential(&self, access_key_id: &str) -> Result<Option<LongTermCredential>, Fault> {
        self.own.credential(access_key_id)
    }

    fn policies(&self, caller: &Caller) -> Result<Option<Arc<IdentityPolicies>>, Fault> {
        self.own.policies(caller)
    }

    fn managed_policy(&self, arn: &str) -> Result<Option<String>, Fault> {
        self.own.managed_policy(arn)
    }

    fn unique_id(&self, arn: &Arn) -> Result<Option<String>, Fault> {
        self.own.unique_id(arn)
    }

    fn verify_mfa<'a>(
        &'a self,
        caller: &'a Caller,
        serial: &'a str,
        code: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<MfaAnswer, Fault>> {
        self.own.verify_mfa(caller, serial, code, now)
    }

    fn identity_provider(&self, arn: &Arn) -> Result<Option<IdentityProvider>, Fault> {
        self.own.identity_provider(arn)
    }

    fn role_named(&self, account: &AccountId, name: &str) -> Result<Option<Arn>, Fault> {
        self.own.role_named(account, name)
    }

    fn attest(
        &self,
        account: &AccountId,
        algorithm: TokenAlgorithm,
        claims: Map<String, Value>,
    ) -> Result<Option<String>, Fault> {
        self.own.attest(account, algorithm, claims)
    }

    fn is_own_issuer(&self, issuer: &str) -> bool {
        self.own.is_own_issuer(issuer)
    }

    fn used(&self, access_key_id: &str, service: &str, now: Timestamp) {
        self.own.used(access_key_id, service, now);
    }
}
