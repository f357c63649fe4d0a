//! A service made for the tests: toys that can be made, swapped and looked at, with resource policies and tags; and a
//! shop that orders toys from it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use casemate_kernel::{
    Access, AnyOperation, As, Ask, Assembly, Call, Caller, Env, Fault, Operation, OperationModel, Permit,
    Proof, ResourceAccount, ResourcePolicy, Service, SessionRequest, TrustEdge, bind,
    policy::{Kind as PolicyKind, NamedPolicy, Policy, ResourceRule},
};
use casemate_names::{Arn, Timestamp};
use casemate_schema::{
    Auth, Constraints, Document, HttpBinding, Kind, Member, OpMeta, Protocol, Schema, ServiceMeta, Shape,
};
use casemate_store::{Key, Row};
use casemate_testkit::{World, WorldBuilder};
use serde::{Deserialize, Serialize};

const fn service(prefix: &'static str, target_prefix: &'static str) -> ServiceMeta {
    ServiceMeta {
        prefix,
        signing_name: prefix,
        protocol: Protocol::AwsJson1_1,
        target_prefix,
        api_version: "2026-11-24",
        xml_namespace: "",
    }
}

static TOYS: ServiceMeta = service("toys", "Toys");
static SHOP: ServiceMeta = service("shop", "Shop");

static NAME: Schema = Schema {
    name: "Name",
    kind: Kind::String,
    constraints: Constraints { min: Some(3.0), max: Some(20.0), pattern: Some("[A-Za-z]+-[0-9]{2}") },
    sensitive: false,
};

static NAMES: Schema = Schema {
    name: "Names",
    kind: Kind::List { member: || &NAME, member_name: "member", flattened: false },
    constraints: Constraints::NONE,
    sensitive: false,
};

static TOY: Schema = Schema {
    name: "Toy",
    kind: Kind::Structure {
        members: &[Member::new("Name", || &NAME).required(), Member::new("More", || &NAMES)],
        payload: None,
        union: false,
    },
    constraints: Constraints::NONE,
    sensitive: false,
};

#[derive(Debug, Clone, Default)]
pub(crate) struct Toy {
    pub(crate) name: String,
    more: Vec<String>,
}

impl Shape for Toy {
    const SCHEMA: &'static Schema = &TOY;

    fn from_document(mut document: Document) -> Self {
        let text = |document: Document| document.as_str().unwrap_or_default().to_owned();
        Self {
            name: text(document.take("Name")),
            more: document.take("More").into_items().into_iter().map(text).collect(),
        }
    }

    fn into_document(self) -> Document {
        Document::structure([("Name", self.name.into())])
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct ToyRow {
    name: String,
}

impl Row for ToyRow {
    const TABLE: &'static str = "toys.toys";
    const VERSION: u16 = 1;
}

/// Whose toys are whose ARNs do not say it; `None` where that cannot be looked up.
#[derive(Debug, Clone)]
struct Found(Option<ResourceAccount>);

impl Default for Found {
    fn default() -> Self {
        Self(Some(ResourceAccount::Callers))
    }
}

/// What tests set behind the service's back.
#[derive(Default)]
pub(crate) struct Shelf {
    policies: Mutex<BTreeMap<String, (String, ResourceRule)>>,
    tags: Mutex<BTreeMap<String, Vec<(String, String)>>>,
    found: Mutex<Found>,
    long_term_only: AtomicBool,
    before_lending: Mutex<Option<Happening>>,
    before_policy: Mutex<Option<(&'static str, Happening)>>,
    questions: Mutex<Vec<(&'static str, Arn)>>,
    answers: Mutex<Vec<bool>>,
}

/// What happens once, while a request is under way.
type Happening = Box<dyn FnOnce() + Send>;

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shelf")
    }
}

impl Shelf {
    /// What happens once, after the next call to lend a role was admitted and before it runs.
    pub(crate) fn before_lending(&self, happens: impl FnOnce() + Send + 'static) {
        *self.before_lending.lock().unwrap() = Some(Box::new(happens));
    }

    /// What the permit of the next call to lend a role will be asked: an action and a resource.
    pub(crate) fn questions(&self, questions: Vec<(&'static str, Arn)>) {
        *self.questions.lock().unwrap() = questions;
    }

    /// What it answered.
    pub(crate) fn answers(&self) -> Vec<bool> {
        self.answers.lock().unwrap().clone()
    }

    fn ask(&self, permit: &Permit) {
        let questions = self.questions.lock().unwrap();
        let answers = questions.iter().map(|(action, resource)| permit.admits(action, resource.as_str()));
        *self.answers.lock().unwrap() = answers.collect();
    }

    /// From now on toys are made for nobody who comes with a user's temporary credentials.
    pub(crate) fn long_term_only(&self) {
        self.long_term_only.store(true, Ordering::Relaxed);
    }

    /// What happens once, before the gate is told the policy of a toy.
    pub(crate) fn before_policy_of(&self, resource: &'static str, happens: impl FnOnce() + Send + 'static) {
        *self.before_policy.lock().unwrap() = Some((resource, Box::new(happens)));
    }

    pub(crate) fn policy(&self, arn: &Arn, text: &str) {
        let entry = (text.to_owned(), ResourceRule::Ordinary);
        self.policies.lock().unwrap().insert(arn.as_str().to_owned(), entry);
    }

    /// Whose the toys are that were found, and whose ARNs do not say so (until this is said, the caller's); `None`: that cannot be looked up.
    pub(crate) fn found(&self, account: Option<ResourceAccount>) {
        *self.found.lock().unwrap() = Found(account);
    }

    pub(crate) fn tag(&self, arn: &Arn, key: &str, value: &str) {
        let tags = vec![(key.to_owned(), value.to_owned())];
        self.tags.lock().unwrap().insert(arn.as_str().to_owned(), tags);
    }
}

#[derive(Debug)]
pub(crate) struct Toys {
    env: Env,
    shelf: Arc<Shelf>,
}

impl Toys {
    pub(crate) fn keep(&self, name: &str) -> Result<(), Fault> {
        let row = ToyRow { name: name.to_owned() };
        let key = Key::of(&self.env.site.scope).text(name);
        Ok(self.env.store.write_blocking(move |tx| tx.put(&key, &row))?)
    }

    pub(crate) fn arn(&self, name: &str) -> Arn {
        Arn::regional(&self.env.site.scope, "toys", &format!("toy/{name}"))
    }
}

impl Service for Toys {
    type Error = Fault;
    const PREFIXES: &'static [&'static str] = &["toys"];
    const VALIDATION_CODE: &'static str = "ValidationException";

    fn verify(&self, _proof: &Proof, _now: Timestamp) -> Result<Caller, Fault> {
        Err(Fault::broken("no proofs"))
    }

    fn resource_policy(&self, arn: &Arn, _action: &str) -> Result<Option<ResourcePolicy>, Fault> {
        let happens = self.shelf.before_policy.lock().unwrap().take_if(|(of, _)| *of == arn.resource());
        if let Some((_, happens)) = happens {
            happens();
        }
        let found = self.shelf.policies.lock().unwrap().get(arn.as_str()).cloned();
        let compiled = found.map(|(text, rule)| {
            let policy = Policy::parse(&text, PolicyKind::Resource).map_err(Fault::internal)?;
            let policy = NamedPolicy { name: "toy".into(), policy: Arc::new(policy) };
            Ok(ResourcePolicy::new(policy, rule))
        });
        compiled.transpose()
    }

    fn resource_rule(&self, resource: Option<&Arn>, action: &str) -> ResourceRule {
        match (resource, action) {
            (Some(_), "toys:Borrow") => ResourceRule::Trust,
            (None, "toys:Borrow") => ResourceRule::Both,
            _ => ResourceRule::Ordinary,
        }
    }

    fn tags(&self, arn: &Arn) -> Result<Vec<(String, String)>, Fault> {
        Ok(self.shelf.tags.lock().unwrap().get(arn.as_str()).cloned().unwrap_or_default())
    }

    fn accepts(&self, operation: &'static str, caller: &Caller) -> Result<(), Fault> {
        let temporary = matches!(caller, Caller::UserSession(_));
        if operation == "MakeToy" && temporary && self.shelf.long_term_only.load(Ordering::Relaxed) {
            return Err(Fault::coded("InvalidClientTokenId", 403, "long-term credentials only"));
        }
        Ok(())
    }

    fn resource_account(&self, _arn: &Arn) -> Result<ResourceAccount, Fault> {
        let Found(found) = self.shelf.found.lock().unwrap().clone();
        found.ok_or_else(|| Fault::broken("the register is lost"))
    }
}

macro_rules! operation {
    ($of:ident, $meta:ident, $name:ident, |$service:ident, $input:ident| $access:expr) => {
        operation!($of, $meta, $name, done, |$service, $input| $access);
    };
    ($of:ident, $meta:ident, $name:ident, $run:ident, |$service:ident, $input:ident| $access:expr) => {
        pub(crate) struct $name;

        impl OperationModel for $name {
            const META: &'static OpMeta = &OpMeta {
                service: &$meta,
                name: stringify!($name),
                http: HttpBinding { method: "POST", uri: "/", status: 200 },
                input: &TOY,
                output: &TOY,
                result_wrapper: "",
                errors: &[],
                auth: Auth::SigV4,
            };
            type Input = Toy;
            type Output = Toy;
        }

        impl Operation<$name> for $of {
            fn access(&self, input: &Toy, _caller: &Caller) -> Result<Access, Fault> {
                let ($service, $input) = (self, input);
                $access
            }

            async fn run(&self, call: Call<$name>) -> Result<Toy, Fault> {
                let (input, permit) = call.into_parts();
                self.$run(input, &permit).await
            }
        }
    };
}

impl Toys {
    fn done(&self, toy: Toy, _permit: &Permit) -> std::future::Ready<Result<Toy, Fault>> {
        std::future::ready(self.keep(&toy.name).map(|()| toy))
    }

    /// Makes a session of the role `lent`, whatever was asked.
    async fn lend(&self, toy: Toy, permit: &Permit) -> Result<Toy, Fault> {
        self.shelf.ask(permit);
        let happens = self.shelf.before_lending.lock().unwrap().take();
        if let Some(happens) = happens {
            happens();
        }
        let sessions = self.env.sessions()?;
        let role =
            sessions.role(&self.role("lent"))?.ok_or_else(|| Fault::broken("there is no such role"))?;
        let request = SessionRequest {
            role,
            session_name: "lent".to_owned(),
            duration_s: 900,
            policies: None,
            tags: Vec::new(),
            transitive_tags: Vec::new(),
            source_identity: None,
            bound_to: None,
            source_function: None,
        };
        sessions.mint(permit, request).await?;
        Ok(toy)
    }

    fn role(&self, name: &str) -> Arn {
        Arn::global(&self.env.site.scope, "iam", &format!("role/{name}"))
    }
}

// Lends the role `lent` to whoever was admitted to what the toy's name says.
operation!(Toys, TOYS, Lend, lend, |toys, toy| {
    let (lent, other) = (toys.role("lent"), toys.role("other"));
    Ok(match toy.name.as_str() {
        "Assume-01" => Access::on("sts:AssumeRole", lent),
        "Other-01" => Access::on("sts:AssumeRole", other),
        "Borrow-01" => Access::on("toys:Borrow", lent),
        "Both-01" => Access::on("sts:AssumeRole", other).and(Ask::on("toys:Borrow", lent)),
        "Twice-01" => Access::on("sts:AssumeRole", lent.clone())
            .and(Ask::on("toys:Borrow", toys.arn("between")))
            .and(Ask::on("sts:TagSession", lent)),
        "Federated-01" => Access::on("sts:AssumeRoleWithWebIdentity", lent),
        _ => Access::Public("anybody may ask for nothing", None),
    })
});

operation!(Toys, TOYS, MakeToy, |toys, toy| Ok(Access::on("toys:MakeToy", toys.arn(&toy.name))));
operation!(Toys, TOYS, SwapToys, |toys, toy| {
    let first = Access::on("toys:SwapToys", toys.arn(&toy.name));
    Ok(toy.more.iter().fold(first, |access, name| access.and(Ask::on("toys:SwapToys", toys.arn(name)))))
});
operation!(Toys, TOYS, PickUpToy, |_toys, toy| Ok(Access::on("toys:PickUpToy", found_arn(&toy.name))));
// Its resource has no owner here at all.
operation!(Toys, TOYS, ThrowToy, |_toys, _toy| {
    Ok(Access::on("toys:ThrowToy", Arn::from_parts(["aws", "moon", "", "", "crater"])))
});
operation!(Toys, TOYS, WhoPlays, |_toys, _toy| Ok(Access::Identified("everybody may know who they are")));
operation!(Toys, TOYS, LookAround, |_toys, _toy| Ok(Access::Public("the shop window", None)));
// Open to everybody, of an account's own.
operation!(Toys, TOYS, PeekAt, |toys, _toy| {
    Ok(Access::Public("this account's window", Some(toys.env.site.scope.account.clone())))
});
// Guarded badly, each in its own way.
operation!(Toys, TOYS, AskNothing, |_toys, _toy| Ok(Access::Iam(Vec::new())));
operation!(Toys, TOYS, ActFirst, |toys, toy| {
    toys.keep(&toy.name)?;
    Ok(Access::on("toys:ActFirst", toys.arn(&toy.name)))
});

/// Orders toys, for itself or for whoever asks.
#[derive(Debug)]
pub(crate) struct Shop(Env);

impl Shop {
    fn source(&self) -> Arn {
        Arn::regional(&self.0.site.scope, "shop", "counter/1")
    }

    async fn done(&self, toy: Toy, permit: &Permit) -> Result<Toy, Fault> {
        let speaker = match toy.name.as_str() {
            "Caller-01" => As::Caller,
            // The shop orders from itself, for whoever asks; that order the shop then carries out for itself.
            "Chained-01" => {
                let order = Toy { name: "Itself-01".to_owned(), ..Toy::default() };
                permit.invoke("shop", "Order", As::Caller, order.into_document()).await?;
                return Ok(toy);
            }
            "Lent-01" => {
                let order = Toy { name: "Role-01".to_owned(), ..Toy::default() };
                permit.invoke("shop", "Order", As::Caller, order.into_document()).await?;
                return Ok(toy);
            }
            "Role-01" => As::Role {
                role: Arn::global(&self.0.site.scope, "iam", "role/shopkeeper"),
                session_name: "shop".to_owned(),
                source: self.source(),
            },
            "Untrusted-01" => {
                permit.invoke("toys", "SwapToys", As::Caller, toy.clone().into_document()).await?;
                As::Caller
            }
            _ => As::Service { source: self.source() },
        };
        permit.invoke("toys", "MakeToy", speaker, toy.clone().into_document()).await?;
        Ok(toy)
    }
}

impl Service for Shop {
    type Error = Fault;
    const PREFIXES: &'static [&'static str] = &["shop"];
    const VALIDATION_CODE: &'static str = "ValidationException";

    fn verify(&self, _proof: &Proof, _now: Timestamp) -> Result<Caller, Fault> {
        Err(Fault::broken("no proofs"))
    }

    fn resource_policy(&self, _arn: &Arn, _action: &str) -> Result<Option<ResourcePolicy>, Fault> {
        Ok(None)
    }

    fn tags(&self, _arn: &Arn) -> Result<Vec<(String, String)>, Fault> {
        Ok(Vec::new())
    }
}

operation!(Shop, SHOP, Order, |shop, _toy| Ok(Access::on("shop:Order", shop.source())));

/// A toy that was found: its ARN does not say whose it is.
pub(crate) fn found_arn(name: &str) -> Arn {
    Arn::from_parts(["aws", "toys", "", "", name])
}

/// A world with just these operations of the toy service.
pub(crate) fn world_of(operations: fn(&Arc<Toys>) -> Vec<Box<dyn AnyOperation>>) -> World {
    builder_of(operations).0.start()
}

/// The same before it starts, with the shelf.
pub(crate) fn builder_of(
    operations: fn(&Arc<Toys>) -> Vec<Box<dyn AnyOperation>>,
) -> (WorldBuilder, Arc<Shelf>) {
    let shelf = Arc::<Shelf>::default();
    let behind = Arc::clone(&shelf);
    let open = move |env: &Env| {
        let toys = Arc::new(Toys { env: env.clone(), shelf: behind });
        Ok(Assembly { operations: operations(&toys), ..Assembly::default() })
    };
    (WorldBuilder::new().service("toys", "toys.amazonaws.com", open), shelf)
}

/// The well-guarded operations, the shop, and the shelf.
pub(crate) fn world() -> (World, Arc<Shelf>) {
    let (builder, shelf) = builder();
    (builder.start(), shelf)
}

/// The same before it starts, for tests that need a further service.
pub(crate) fn builder() -> (WorldBuilder, Arc<Shelf>) {
    builder_on(WorldBuilder::new())
}

/// The same on a builder that is special in some way.
pub(crate) fn builder_on(builder: WorldBuilder) -> (WorldBuilder, Arc<Shelf>) {
    let shelf = Arc::<Shelf>::default();
    let behind = Arc::clone(&shelf);
    let edges = [("toys", "MakeToy"), ("shop", "Order")];
    let edges = edges.map(|(to, operation)| TrustEdge { from: "shop", to, operation });
    let builder = builder
        .trust(&edges)
        .service("toys", "toys.amazonaws.com", move |env| {
            let toys = Arc::new(Toys { env: env.clone(), shelf: behind });
            let operations = vec![
                bind::<MakeToy, _>(&toys),
                bind::<SwapToys, _>(&toys),
                bind::<PickUpToy, _>(&toys),
                bind::<WhoPlays, _>(&toys),
                bind::<LookAround, _>(&toys),
            ];
            Ok(Assembly { operations, ..Assembly::default() })
        })
        .service("shop", "shop.amazonaws.com", |env| {
            let shop = Arc::new(Shop(env.clone()));
            Ok(Assembly { operations: vec![bind::<Order, _>(&shop)], ..Assembly::default() })
        });
    (builder, shelf)
}

/// An input that names one toy.
pub(crate) fn toy(name: &str) -> Document {
    Document::structure([("Name", name.into())])
}
