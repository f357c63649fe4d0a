//! What a service is given when it is opened: clock, entropy, storage, heavy work, and its own way to call others.

use std::{path::PathBuf, sync::Arc};

use casemate_names::{AccountId, Arn, Clock, Entropy, RequestId, Scope, uuid};
use casemate_policy::ResourceRule;
use casemate_schema::Document;
use casemate_store::{Blobs, Store};
use tokio::sync::Semaphore;

use crate::{
    Fault, Kernel, Outbox, Sessions,
    audit::Audit,
    invoke::{As, InnerCall},
    kernel::KernelHandle,
};

/// Where this installation is.
#[derive(Debug, Clone)]
pub struct Site {
    /// Partition, home account and region.
    pub scope: Scope,
    /// How clients reach us, without trailing slash, e.g. `http://localhost:4566`.
    pub endpoint: String,
    /// The data directory; `None` in memory.
    pub data_dir: Option<PathBuf>,
}

/// A service's environment. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Env {
    /// Time for background tasks. Requests use `call.now()`.
    pub clock: Arc<dyn Clock>,
    /// Randomness, by named stream.
    pub entropy: Arc<dyn Entropy>,
    /// Transactional storage.
    pub store: Store,
    /// Content-addressed bytes.
    pub blobs: Blobs,
    /// CPU-heavy work.
    pub heavy: Heavy,
    /// Where this installation is.
    pub site: Arc<Site>,
    /// The audit trail, for events that are not requests.
    pub audit: Audit,
    /// Messages to people.
    pub outbox: Outbox,
    /// The service principal this service may speak as, e.g. `lambda.amazonaws.com`.
    pub principal: &'static str,
    /// The name under which the trust map knows this service.
    pub service: &'static str,
    pub(crate) kernel: KernelHandle,
}

impl Env {
    /// Calls another service outside of any request (background work). `As::Caller` is refused: there is none.
    pub async fn invoke(
        &self,
        service: &'static str,
        operation: &'static str,
        speaker: As,
        input: Document,
    ) -> Result<Document, Fault> {
        self.invoke_traced(service, operation, speaker, input, None).await
    }

    /// The same for work that continues a request: `trace` is that request's trace header.
    pub async fn invoke_traced(
        &self,
        service: &'static str,
        operation: &'static str,
        speaker: As,
        input: Document,
        trace: Option<String>,
    ) -> Result<Document, Fault> {
        let kernel = self.kernel.get()?;
        let request_id = RequestId::new(uuid(&*self.entropy, "kernel.request"));
        let call = InnerCall {
            from: self.service,
            principal: self.principal,
            outer: None,
            request_id: Some(request_id),
            trace,
            service,
            operation,
            speaker,
            input,
        };
        kernel.invoke_from(call).await
    }

    /// Role sessions for this service's own principal.
    pub fn sessions(&self) -> Result<Sessions, Fault> {
        Ok(self.kernel.get()?.sessions_for(self.principal))
    }

    /// The kernel this environment belongs to; an error before it is built and after it is gone. For listeners, not for
    /// services: those have [`Env::invoke`].
    pub fn kernel(&self) -> Result<Arc<Kernel>, Fault> {
        self.kernel.get()
    }

    /// How a policy of that resource would count for `action`, by what the resource's owner says; see
    /// [`crate::Service::resource_rule`]. Text that is no ARN stands for every resource of the action's service; `None` for
    /// what has no owner here.
    pub fn resource_rule(&self, resource: &str, action: &str) -> Result<Option<ResourceRule>, Fault> {
        let arn = Arn::parse(resource).ok();
        let of_action = action.split_once(':').map_or("", |(service, _)| service).to_ascii_lowercase();
        let owner = self.kernel.get()?.owner_of(arn.as_ref().map_or(of_action.as_str(), Arn::service));
        Ok(owner.map(|owner| owner.resource_rule(arn.as_ref(), action)))
    }

    /// Partition, `account` and this site's region.
    pub fn scope_of(&self, account: &AccountId) -> Scope {
        Scope { account: account.clone(), ..self.site.scope.clone() }
    }

    /// The scope a resource ARN points into: its account and region, this site's where the ARN has none.
    pub fn scope_of_arn(&self, arn: &Arn) -> Scope {
        self.scope_of(&arn.account_id().unwrap_or_else(|| self.site.scope.account.clone()))
    }

    /// A fresh request id.
    pub fn request_id(&self) -> RequestId {
        RequestId::new(uuid(&*self.entropy, "kernel.request"))
    }
}

/// A bounded door to the blocking pool, so that a flood of password checks cannot starve the reactor.
#[derive(Debug, Clone)]
pub struct Heavy {
    permits: Arc<Semaphore>,
}

impl Heavy {
    /// At most `width` jobs at a time.
    pub fn new(width: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(width.max(1))) }
    }

    /// Runs `job` off the reactor; waits while `width` others run.
    pub async fn run<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> Result<R, Fault> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| Fault::broken("the pool for heavy work is closed"))?;
        tokio::task::spawn_blocking(move || {
            let result = job();
            drop(permit);
            result
        })
        .await
        .map_err(|error| Fault::broken(format!("heavy work failed: {error}")))
    }
}
