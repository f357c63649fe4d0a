//! Who counts as identified: whoever signed, or a service. The bearer of a proof and a provider's user are somebody to the
//! service that verified them and nobody else, so what is for whoever is identified is closed to them, also when another
//! service asks for it in their name.

use std::sync::Arc;

use casemate_kernel::{
    Access, As, Assembly, BoxFuture, Call, Caller, Env, Evidence, Fault, Operation, OperationModel, Proof,
    ResourcePolicy, Service, TrustEdge, WebIdentity, bind,
};
use casemate_names::{Arn, Timestamp};
use casemate_schema::{Auth, Document, HttpBinding, OpMeta, Protocol, Schema, ServiceMeta, Shape};
use casemate_testkit::World;
use http::StatusCode;

use crate::toys::{Toy, builder, toy};

static POOL: ServiceMeta = ServiceMeta {
    prefix: "pool",
    signing_name: "pool",
    protocol: Protocol::AwsJson1_1,
    target_prefix: "Pool",
    api_version: "2026-11-24",
    xml_namespace: "",
};

const SCHEMA: &Schema = <Toy as Shape>::SCHEMA;

/// Knows one token, which is in the input, and asks for toys in its bearer's name.
#[derive(Debug)]
struct Pool(Env);

impl Pool {
    fn arn(&self, name: &str) -> Arn {
        Arn::regional(&self.0.site.scope, "pool", name)
    }

    /// Asks the operation that the input names, for whoever calls.
    async fn pass_on(&self, call: &Call<ShowToken>) -> Result<Document, Fault> {
        let operation = match call.permit().caller() {
            Caller::Bearer { facts, .. } => facts.first().map_or("", |(operation, _)| *operation),
            _ => return Err(Fault::broken("not a bearer")),
        };
        call.permit().invoke("toys", operation, As::Caller, toy("ball-01")).await
    }
}

impl Service for Pool {
    type Error = Fault;
    const PREFIXES: &'static [&'static str] = &["pool"];
    const VALIDATION_CODE: &'static str = "ValidationException";

    fn verify(&self, proof: &Proof, _now: Timestamp) -> Result<Caller, Fault> {
        let wanted = match proof.value.expose().as_str() {
            "Identified-01" => "WhoPlays",
            "Policies-01" => "MakeToy",
            "Public-01" => "LookAround",
            _ => return Err(Fault::coded("NotAuthorizedException", 400, "that is no token")),
        };
        let facts = vec![(wanted, String::new())];
        Ok(Caller::Bearer { issuer: self.arn("pool/p"), subject: "ann".to_owned(), facts })
    }

    fn resource_policy(&self, _arn: &Arn, _action: &str) -> Result<Option<ResourcePolicy>, Fault> {
        Ok(None)
    }

    fn tags(&self, _arn: &Arn) -> Result<Vec<(String, String)>, Fault> {
        Ok(Vec::new())
    }
}

const fn meta(name: &'static str) -> OpMeta {
    OpMeta {
        service: &POOL,
        name,
        http: HttpBinding { method: "POST", uri: "/", status: 200 },
        input: SCHEMA,
        output: SCHEMA,
        result_wrapper: "",
        errors: &[],
        auth: Auth::None,
    }
}

struct ShowToken;

impl OperationModel for ShowToken {
    const META: &'static OpMeta = &meta("ShowToken");
    type Input = Toy;
    type Output = Toy;
}

impl Operation<ShowToken> for Pool {
    fn access(&self, input: &Toy, _caller: &Caller) -> Result<Access, Fault> {
        Ok(Access::InBand(Proof { kind: "token", value: input.name.clone().into() }))
    }

    async fn run(&self, call: Call<ShowToken>) -> Result<Toy, Fault> {
        self.pass_on(&call).await.map(|_| Toy::default())
    }
}

/// For whoever is identified; the input's name says what is shown.
struct Enter;

impl OperationModel for Enter {
    const META: &'static OpMeta = &meta("Enter");
    type Input = Toy;
    type Output = Toy;
}

impl Operation<Enter> for Pool {
    fn access(&self, _input: &Toy, _caller: &Caller) -> Result<Access, Fault> {
        Ok(Access::Identified("whoever is somebody"))
    }

    fn evidence<'a>(
        &'a self,
        input: &'a Toy,
        _caller: &'a Caller,
        _now: Timestamp,
    ) -> Option<BoxFuture<'a, Result<Evidence, Fault>>> {
        let identity = WebIdentity {
            provider: self.arn("provider/p"),
            federated_provider: "idp.example.com".to_owned(),
            subject: input.name.clone(),
            keys: Vec::new(),
            session_keys: Vec::new(),
            tags: Vec::new(),
            transitive_tags: Vec::new(),
            source_identity: None,
            session_name: None,
            session_s_max: None,
            shown: Vec::new(),
        };
        (input.name == "Ann-01")
            .then(|| Box::pin(std::future::ready(Ok(Evidence::Identity(Box::new(identity))))) as _)
    }

    async fn run(&self, call: Call<Enter>) -> Result<Toy, Fault> {
        Ok(call.input)
    }
}

fn world() -> World {
    let (builder, _) = builder();
    let edges = ["WhoPlays", "MakeToy", "LookAround"];
    let mut edges = edges.map(|operation| TrustEdge { from: "pool", to: "toys", operation }).to_vec();
    edges.push(TrustEdge { from: "testkit", to: "pool", operation: "*" });
    let open = |env: &Env| {
        let pool = Arc::new(Pool(env.clone()));
        let operations = vec![bind::<ShowToken, _>(&pool), bind::<Enter, _>(&pool)];
        Ok(Assembly { operations, ..Assembly::default() })
    };
    builder.trust(&edges).service("pool", "pool.amazonaws.com", open).start()
}

async fn refused(world: &World, operation: &str, name: &str, code: &str) {
    let before = world.digest();
    let answer = world.call_unsigned("pool", operation, toy(name)).await;
    assert_eq!(answer.code().as_deref(), Some(code), "{name}: {}", answer.text());
    assert_eq!(world.digest(), before, "{name}: refused, yet something happened");
}

#[tokio::test]
async fn the_bearer_of_a_proof_is_not_identified_to_another_service() {
    let world = world();
    refused(&world, "ShowToken", "Identified-01", "MissingAuthenticationTokenException").await;
    refused(&world, "ShowToken", "Policies-01", "AccessDeniedException").await;
    refused(&world, "ShowToken", "Wrong-01", "NotAuthorizedException").await;
    // It is the token that is read, not who shows it; and what is anybody's is also a bearer's.
    let root = world.identities().root();
    let answer = world.call(&root, "pool", "ShowToken", toy("Identified-01")).await;
    assert_eq!(answer.code().as_deref(), Some("MissingAuthenticationTokenException"));
    let answer = world.call_unsigned("pool", "ShowToken", toy("Public-01")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}

#[tokio::test]
async fn a_user_of_a_provider_is_not_identified_and_neither_is_who_shows_nothing() {
    let world = world();
    for name in ["Ann-01", "Nobody-01"] {
        refused(&world, "Enter", name, "MissingAuthenticationTokenException").await;
    }
    // A signature where none is read gives no rights either.
    let root = world.identities().root();
    let answer = world.call(&root, "pool", "Enter", toy("Nobody-01")).await;
    assert_eq!(answer.code().as_deref(), Some("MissingAuthenticationTokenException"), "{}", answer.text());
    // A service that asks for itself is somebody.
    let source = Arn::regional(world.scope(), "shop", "counter/1");
    let asked = world.env().invoke("pool", "Enter", As::Service { source }, toy("Nobody-01")).await;
    assert!(asked.is_ok());
}
