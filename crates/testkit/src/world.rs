//! The kernel over a list of services, in memory.

use std::{net::SocketAddr, sync::Arc};

use casemate_kernel::{
    AnyOperation, Assembly, Builder, Env, Fault, Kernel, Peer, RoleFacts, SessionRequest, Site, Task,
    TrustEdge,
    audit::{Audit, Record},
};
use casemate_names::{AccountId, Arn, Clock, Entropy, FakeClock, NamedEntropy, Region, Scope, Timestamp};
use casemate_schema::{Document, OpMeta};
use casemate_store::Store;

use crate::{
    Credentials, Identities, Request, Response,
    identities::{FIXTURE, PRINCIPAL},
};

/// The home account of every world.
const ACCOUNT: &str = "123456789012";
/// Somebody else's account.
const OTHER_ACCOUNT: &str = "210987654321";
/// Its region.
const REGION: &str = "us-east-1";
/// When every world begins: 2026-11-24T00:00:00Z.
const BEGINNING: Timestamp = Timestamp::from_seconds(1_795_478_400);
/// Where its clients come from (TEST-NET-3).
const CLIENT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7)), 50_000);

/// Puts a world together.
#[derive(Debug)]
pub struct WorldBuilder {
    builder: Builder,
    clock: Arc<FakeClock>,
    store: Store,
    audit: Audit,
    identities: Option<Arc<Identities>>,
    own: Env,
}

/// The whole server in memory.
#[derive(Debug)]
pub struct World {
    /// The request path.
    pub kernel: Arc<Kernel>,
    /// Moves only when told to.
    pub clock: Arc<FakeClock>,
    /// What the services keep.
    pub store: Store,
    /// What happened.
    pub audit: Audit,
    identities: Option<Arc<Identities>>,
    own: Env,
    tasks: Vec<Task>,
}

impl WorldBuilder {
    /// A world whose users and roles are fixtures, see [`Identities`]. A service that owns identities may be opened in
    /// it; its directory is not asked.
    pub fn new() -> Self {
        Self::recorded(Audit::in_memory())
    }

    /// The same with this trail.
    pub fn recorded(audit: Audit) -> Self {
        let mut world = Self::bare_with(audit);
        let identities = Arc::new(Identities::new(world.scope(), Arc::clone(&world.own.entropy)));
        world.builder.add(FIXTURE, PRINCIPAL, identities.assembly());
        world.identities = Some(identities);
        world
    }

    /// A world without fixtures: one of its services must own identities.
    pub fn bare() -> Self {
        Self::bare_with(Audit::in_memory())
    }

    fn bare_with(audit: Audit) -> Self {
        let clock = Arc::new(FakeClock::at(BEGINNING));
        let entropy: Arc<dyn Entropy> = Arc::new(NamedEntropy::seeded(1));
        let store = Store::in_memory(Arc::new(NamedEntropy::seeded(2)));
        let scope = Scope {
            partition: "aws".to_owned(),
            account: AccountId::parse(ACCOUNT).expect("an account id"),
            region: Region::parse(REGION).expect("a region"),
        };
        let site = Site { scope, endpoint: "http://localhost:4566".to_owned(), data_dir: None };
        let builder =
            Builder::new(site, Arc::clone(&clock) as Arc<dyn Clock>, entropy, store.clone(), audit.clone());
        let own = builder.env(FIXTURE, PRINCIPAL);
        Self { builder, clock, store, audit, identities: None, own }
    }

    /// The home scope.
    pub fn scope(&self) -> Scope {
        self.own.site.scope.clone()
    }

    /// How far the time of a signature may lie from the world's, seconds.
    #[must_use]
    pub fn max_clock_skew(mut self, seconds: i64) -> Self {
        self.builder = self.builder.max_clock_skew(seconds);
        self
    }

    /// The same for one service.
    #[must_use]
    pub fn max_clock_skew_of(mut self, service: &'static str, seconds: i64) -> Self {
        self.builder = self.builder.max_clock_skew_of(service, seconds);
        self
    }

    /// Which service may call which.
    #[must_use]
    pub fn trust(mut self, edges: &[TrustEdge]) -> Self {
        self.builder = self.builder.trust(edges);
        self
    }

    /// Opens a service under its endpoint prefix.
    #[must_use]
    pub fn service(
        mut self,
        name: &'static str,
        principal: &'static str,
        open: impl FnOnce(&Env) -> Result<Assembly, Fault>,
    ) -> Self {
        let env = self.builder.env(name, principal);
        let assembly = open(&env).unwrap_or_else(|error| panic!("service {name} does not open: {error}"));
        self.builder.add(name, principal, assembly);
        self
    }

    /// Starts it. Background tasks wait for [`World::run_tasks`].
    pub fn start(self) -> World {
        let (kernel, tasks) = self.builder.build().expect("the kernel is complete");
        World {
            kernel,
            clock: self.clock,
            store: self.store,
            audit: self.audit,
            identities: self.identities,
            own: self.own,
            tasks,
        }
    }
}

impl Default for WorldBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// The fixture users and roles.
    pub fn identities(&self) -> &Identities {
        self.identities.as_deref().expect("a world with fixture identities")
    }

    /// The same for what happens while a request is under way.
    pub fn shared_identities(&self) -> Arc<Identities> {
        self.identities.clone().expect("a world with fixture identities")
    }

    /// The home scope.
    pub fn scope(&self) -> &Scope {
        &self.own.site.scope
    }

    /// An environment of the kit's own, for what is done to a service before it serves.
    pub fn env(&self) -> &Env {
        &self.own
    }

    /// Somebody else's account.
    pub fn other_account(&self) -> AccountId {
        AccountId::parse(OTHER_ACCOUNT).expect("an account id")
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Starts the background tasks on the current runtime.
    pub fn run_tasks(&mut self) {
        for task in self.tasks.drain(..) {
            drop(tokio::spawn(task.work));
        }
    }

    /// The operations of the services under test, in order of service and name.
    pub fn operations(&self) -> Vec<Arc<dyn AnyOperation>> {
        let all = self.kernel.operations();
        all.into_iter().filter(|operation| operation.meta().service.prefix != FIXTURE).collect()
    }

    /// The model of an operation.
    pub fn operation(&self, service: &str, name: &str) -> &'static OpMeta {
        self.kernel
            .operations()
            .iter()
            .map(|operation| operation.meta())
            .find(|meta| meta.service.prefix == service && meta.name == name)
            .unwrap_or_else(|| panic!("there is no operation {service}:{name}"))
    }

    /// An operation's request, signed for its service, region and this very moment.
    pub fn request(&self, credentials: &Credentials, service: &str, name: &str, input: &Document) -> Request {
        let op = self.operation(service, name);
        Request::of(op, input).signed(credentials, op.service.signing_name, REGION, self.now())
    }

    /// Calls an operation.
    pub async fn call(
        &self,
        credentials: &Credentials,
        service: &str,
        name: &str,
        input: Document,
    ) -> Response {
        self.send(&self.request(credentials, service, name, &input)).await
    }

    /// Calls an operation without a signature.
    pub async fn call_unsigned(&self, service: &str, name: &str, input: Document) -> Response {
        self.send(&Request::of(self.operation(service, name), &input)).await
    }

    /// Sends bytes from a client on the network.
    pub async fn send(&self, request: &Request) -> Response {
        self.send_from(Peer::Network { address: CLIENT, tls: false }, request).await
    }

    /// Sends bytes from any socket.
    pub async fn send_from(&self, peer: Peer, request: &Request) -> Response {
        Response::of(self.kernel.serve(peer, request.incoming()).await).await
    }

    /// Sends, and shows both directions.
    pub async fn transcript(&self, request: &Request) -> String {
        let response = self.send(request).await;
        format!("{}\n{}", request.shown(), response.shown())
    }

    /// Credentials of a session of a fixture role, with session policies if any.
    pub async fn session(
        &self,
        role: &Arc<RoleFacts>,
        duration_s: i64,
        policies: Option<&[&str]>,
    ) -> Credentials {
        self.bound_session(role, duration_s, policies, None).await
    }

    /// The same, good on one execution environment's socket only.
    pub async fn bound_session(
        &self,
        role: &Arc<RoleFacts>,
        duration_s: i64,
        policies: Option<&[&str]>,
        bound_to: Option<&str>,
    ) -> Credentials {
        let policies = policies.map(|texts| {
            texts.iter().enumerate().map(|(i, text)| (format!("session-{i}"), (*text).to_owned())).collect()
        });
        let request = SessionRequest {
            role: Arc::clone(role),
            session_name: "session".to_owned(),
            duration_s,
            policies,
            tags: Vec::new(),
            transitive_tags: Vec::new(),
            source_identity: None,
            bound_to: bound_to.map(str::to_owned),
            source_function: None,
        };
        self.mint(request).await
    }

    /// Credentials of any session of a fixture role.
    pub async fn mint(&self, request: SessionRequest) -> Credentials {
        let source = Arn::regional(self.scope(), FIXTURE, "session");
        let sessions = self.own.sessions().expect("the kernel runs");
        let made =
            sessions.mint_for_service(request, &source, self.now()).await.expect("the role trusts the kit");
        Credentials {
            access_key_id: made.access_key_id,
            secret: made.secret_access_key,
            session_token: Some(made.session_token.expose().clone()),
            caller: Some(casemate_kernel::Caller::Role(Box::new(made.session))),
        }
    }

    /// A hash over everything stored.
    pub fn digest(&self) -> [u8; 32] {
        self.store.digest().expect("the store can be read")
    }

    /// The latest audit record.
    pub fn last_record(&self) -> Record {
        self.audit.records().pop().expect("something was recorded")
    }
}
