//! The kernel put together: what it holds, how it is built, and the small questions the other modules ask it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock, Weak},
};

use casemate_names::{AccountId, Clock, Entropy, RequestId, Scope, uuid};
use casemate_schema::Protocol;
use casemate_sigv4::{SKEW_S, SigningKeyCache};
use casemate_store::Store;
use casemate_wire::Router;

use crate::{
    AnyOperation, AnyService, Assembly, Ceilings, DataPlane, Directory, Env, Fault, Gate, Heavy, Outbox,
    Sessions, Site, Task, TrustEdge,
    audit::Audit,
    decoys::Decoys,
    observer::{self, Observer},
    session_table::SessionTable,
};

/// The running system behind every listener.
pub struct Kernel {
    site: Arc<Site>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    audit: Audit,
    gate: Gate,
    router: Router,
    operations: HashMap<(&'static str, &'static str), Arc<dyn AnyOperation>>,
    owners: HashMap<&'static str, Arc<dyn AnyService>>,
    services: HashMap<&'static str, ServiceFacts>,
    planes: Vec<(&'static str, Arc<dyn DataPlane>)>,
    directory: Arc<dyn Directory>,
    ceilings: Option<Arc<dyn Ceilings>>,
    sessions: SessionTable,
    decoys: Decoys,
    observer: Observer,
    signing_keys: SigningKeyCache,
    trust: Vec<TrustEdge>,
    store: Store,
    skews_s: HashMap<&'static str, i64>,
    skew_s: i64,
}

#[derive(Debug, Clone, Copy)]
struct ServiceFacts {
    principal: &'static str,
    validation_code: &'static str,
    protocol: Protocol,
}

/// A weak way back to the kernel, for services opened before it exists.
#[derive(Debug, Clone, Default)]
pub(crate) struct KernelHandle(Arc<OnceLock<Weak<Kernel>>>);

impl KernelHandle {
    pub(crate) fn get(&self) -> Result<Arc<Kernel>, Fault> {
        self.0.get().and_then(Weak::upgrade).ok_or_else(|| Fault::broken("the kernel is not running"))
    }
}

/// Puts a kernel together.
#[derive(Debug)]
pub struct Builder {
    site: Arc<Site>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    store: Store,
    audit: Audit,
    heavy: Heavy,
    trust: Vec<TrustEdge>,
    skews_s: HashMap<&'static str, i64>,
    skew_s: i64,
    handle: KernelHandle,
    assemblies: Vec<(&'static str, &'static str, Assembly)>,
}

impl Builder {
    /// Starts from the sources of everything a service can know.
    pub fn new(
        site: Site,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        store: Store,
        audit: Audit,
    ) -> Self {
        let width = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            site: Arc::new(site),
            clock,
            entropy,
            store,
            audit,
            heavy: Heavy::new(width),
            trust: Vec::new(),
            skews_s: HashMap::new(),
            skew_s: SKEW_S,
            handle: KernelHandle::default(),
            assemblies: Vec::new(),
        }
    }

    /// Which service may call which. What is not listed is refused.
    #[must_use]
    pub fn trust(mut self, edges: &[TrustEdge]) -> Self {
        self.trust = edges.to_vec();
        self
    }

    /// How far the time of a signature may lie from ours, either way, seconds: narrower than usual, never wider.
    #[must_use]
    pub fn max_clock_skew(mut self, seconds: i64) -> Self {
        self.skew_s = seconds.clamp(1, SKEW_S);
        self
    }

    /// The same for what is signed for one service, by its signing name.
    #[must_use]
    pub fn max_clock_skew_of(mut self, service: &'static str, seconds: i64) -> Self {
        self.skews_s.insert(service, seconds.clamp(1, SKEW_S));
        self
    }

    /// The environment to open `service` with; it may speak as `principal`.
    pub fn env(&self, service: &'static str, principal: &'static str) -> Env {
        Env {
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            blobs: self.store.blobs().clone(),
            store: self.store.clone(),
            heavy: self.heavy.clone(),
            site: Arc::clone(&self.site),
            audit: self.audit.clone(),
            outbox: Outbox::new(self.store.clone()),
            principal,
            service,
            kernel: self.handle.clone(),
        }
    }

    /// Adds an opened service under its endpoint prefix.
    pub fn add(&mut self, service: &'static str, principal: &'static str, assembly: Assembly) {
        self.assemblies.push((service, principal, assembly));
    }

    /// Builds the kernel. The tasks are the caller's to run.
    pub fn build(self) -> Result<(Arc<Kernel>, Vec<Task>), Fault> {
        let mut operations: HashMap<_, Arc<dyn AnyOperation>> = HashMap::new();
        let mut owners: HashMap<&'static str, Arc<dyn AnyService>> = HashMap::new();
        let mut services = HashMap::new();
        let (mut planes, mut tasks, mut directory, mut ceilings) = (Vec::new(), Vec::new(), None, None);
        for (service, principal, assembly) in self.assemblies {
            for operation in assembly.operations {
                let owner = operation.service();
                let meta = operation.meta();
                services.entry(service).or_insert(ServiceFacts {
                    principal,
                    validation_code: owner.validation_code(),
                    protocol: meta.service.protocol,
                });
                for prefix in owner.prefixes() {
                    owners.entry(prefix).or_insert_with(|| Arc::clone(&owner));
                }
                operations.insert((meta.service.prefix, meta.name), Arc::from(operation));
            }
            planes.extend(assembly.data_planes.into_iter().map(|plane| (service, plane)));
            tasks.extend(assembly.tasks);
            directory = directory.or(assembly.directory);
            ceilings = ceilings.or(assembly.ceilings);
        }
        let directory = directory.ok_or_else(|| Fault::broken("no service owns identities"))?;
        let metas: Vec<_> = operations.values().map(|operation| operation.meta()).collect();
        let kernel = Arc::new(Kernel {
            router: Router::new(&metas),
            gate: Gate::new()?,
            observer: Observer::open(&self.store, &*self.entropy).map_err(Fault::internal)?,
            sessions: SessionTable::new(self.store.clone()),
            decoys: Decoys::default(),
            store: self.store,
            signing_keys: SigningKeyCache::new(),
            site: self.site,
            clock: self.clock,
            entropy: self.entropy,
            audit: self.audit,
            operations,
            owners,
            services,
            planes,
            directory,
            ceilings,
            trust: self.trust,
            skews_s: self.skews_s,
            skew_s: self.skew_s,
        });
        tasks.push(Task { name: "kernel.sessions", work: Box::pin(sweep_sessions(Arc::downgrade(&kernel))) });
        let observations = observer::flush(Arc::downgrade(&kernel));
        tasks.push(Task { name: "kernel.observations", work: Box::pin(observations) });
        self.handle
            .0
            .set(Arc::downgrade(&kernel))
            .map_err(|_| Fault::broken("the kernel was built twice"))?;
        Ok((kernel, tasks))
    }
}

impl Kernel {
    /// The audit trail.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Where this installation is.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Every operation, in order of service and name.
    pub fn operations(&self) -> Vec<Arc<dyn AnyOperation>> {
        let mut all: Vec<_> = self.operations.values().cloned().collect();
        all.sort_by_key(|operation| (operation.meta().service.prefix, operation.meta().name));
        all
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn observer(&self) -> &Observer {
        &self.observer
    }

    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    pub(crate) fn directory(&self) -> &dyn Directory {
        &*self.directory
    }

    pub(crate) fn ceilings(&self) -> Option<&dyn Ceilings> {
        self.ceilings.as_deref()
    }

    pub(crate) fn decoys(&self) -> &Decoys {
        &self.decoys
    }

    pub(crate) fn session_table(&self) -> &SessionTable {
        &self.sessions
    }

    /// How far the time of a signature for `service` may lie from ours, either way, seconds.
    pub(crate) fn skew_s(&self, service: &str) -> i64 {
        self.skews_s.get(service).copied().unwrap_or(self.skew_s)
    }

    pub(crate) fn signing_keys(&self) -> &SigningKeyCache {
        &self.signing_keys
    }

    pub(crate) fn trust(&self) -> &[TrustEdge] {
        &self.trust
    }

    pub(crate) fn planes(&self) -> &[(&'static str, Arc<dyn DataPlane>)] {
        &self.planes
    }

    pub(crate) fn sessions_for(self: &Arc<Self>, principal: &'static str) -> Sessions {
        Sessions::new(Arc::clone(self), principal)
    }

    /// The operation `name` of `service`.
    pub(crate) fn operation(
        &self,
        service: &'static str,
        name: &'static str,
    ) -> Result<Arc<dyn AnyOperation>, Fault> {
        let found = self.operations.get(&(service, name)).cloned();
        found.ok_or_else(|| Fault::broken(format!("there is no operation `{service}:{name}`")))
    }

    /// Who owns resources whose ARN has this service part.
    pub(crate) fn owner_of(&self, prefix: &str) -> Option<Arc<dyn AnyService>> {
        self.owners.get(prefix).cloned()
    }

    /// The service principal of a service.
    pub(crate) fn principal_of(&self, service: &str) -> &'static str {
        self.services.get(service).map_or("", |facts| facts.principal)
    }

    /// The service principal of that name, if a service here has it.
    pub(crate) fn service_principal(&self, name: &str) -> Option<&'static str> {
        self.services.values().map(|facts| facts.principal).find(|principal| *principal == name)
    }

    /// The code of constraint violations of a service.
    pub(crate) fn validation_code_of(&self, service: &str) -> &'static str {
        self.services.get(service).map_or("ValidationException", |facts| facts.validation_code)
    }

    /// The home scope of an account; this site's own where there is none.
    pub(crate) fn scope_of(&self, account: Option<AccountId>) -> Scope {
        let home = &self.site.scope;
        Scope { account: account.unwrap_or_else(|| home.account.clone()), ..home.clone() }
    }

    /// The protocol of a service.
    pub(crate) fn protocol_of(&self, service: &str) -> Protocol {
        self.services.get(service).map_or(Protocol::RestJson, |facts| facts.protocol)
    }

    pub(crate) fn new_request_id(&self) -> RequestId {
        RequestId::new(uuid(&*self.entropy, "kernel.request"))
    }
}

/// Seconds between two sweeps of ended sessions.
const SWEEP_S: u64 = 300;
/// Seconds for which an ended session is still known, so that its credentials are told that they have expired, which makes SDKs
/// fetch new ones, and not that nobody knows them. Ours: AWS does not say how long.
const ENDED_KEPT_S: i64 = 24 * 60 * 60;

async fn sweep_sessions(kernel: Weak<Kernel>) {
    let mut ticks = tokio::time::interval(std::time::Duration::from_secs(SWEEP_S));
    loop {
        ticks.tick().await;
        let Some(kernel) = kernel.upgrade() else { return };
        if let Err(error) = kernel.sessions.sweep(kernel.clock.now().plus_seconds(-ENDED_KEPT_S)).await {
            tracing::warn!(%error, "ended sessions could not be forgotten");
        }
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel")
            .field("site", &self.site)
            .field("operations", &self.operations.len())
            .finish_non_exhaustive()
    }
}
