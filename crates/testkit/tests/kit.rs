//! The kit itself, over a service made for the purpose: operations that are guarded well pass the generated refusals, and
//! ones that are guarded badly are found.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use casemate_kernel::{
    Access, Assembly, Call, Caller, Env, Fault, Operation, OperationModel, Proof, ResourcePolicy, Service,
    bind,
};
use casemate_names::{Arn, Timestamp};
use casemate_schema::{
    Auth, Constraints, Document, HttpBinding, Kind, Member, OpMeta, Protocol, Schema, ServiceMeta, Shape,
};
use casemate_store::{Key, Row};
use casemate_testkit::{Request, World, WorldBuilder, access_table, no_hints, refusals};
use serde::{Deserialize, Serialize};

static SERVICE: ServiceMeta = ServiceMeta {
    prefix: "toys",
    signing_name: "toys",
    protocol: Protocol::AwsJson1_1,
    target_prefix: "Toys",
    api_version: "2026-11-24",
    xml_namespace: "",
};

static NAME: Schema = Schema {
    name: "Name",
    kind: Kind::String,
    constraints: Constraints { min: Some(3.0), max: Some(20.0), pattern: Some("[a-z]+-[0-9]{2}") },
    sensitive: false,
};

static TOY: Schema = Schema {
    name: "Toy",
    kind: Kind::Structure {
        members: &[Member::new("Name", || &NAME).required()],
        payload: None,
        union: false,
    },
    constraints: Constraints::NONE,
    sensitive: false,
};

#[derive(Debug, Clone, Default)]
struct Toy {
    name: String,
}

impl Shape for Toy {
    const SCHEMA: &'static Schema = &TOY;

    fn from_document(mut document: Document) -> Self {
        Self { name: document.take("Name").as_str().unwrap_or_default().to_owned() }
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

#[derive(Debug)]
struct Toys(Env);

impl Toys {
    fn keep(&self, name: &str) -> Result<(), Fault> {
        let row = ToyRow { name: name.to_owned() };
        let key = Key::of(&self.0.site.scope).text(name);
        Ok(self.0.store.write_blocking(move |tx| tx.put(&key, &row))?)
    }

    fn arn(&self, name: &str) -> Arn {
        Arn::regional(&self.0.site.scope, "toys", &format!("toy/{name}"))
    }
}

impl Service for Toys {
    type Error = Fault;
    const PREFIXES: &'static [&'static str] = &["toys"];
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

macro_rules! operation {
    ($name:ident, |$toys:ident, $input:ident| $access:expr) => {
        struct $name;

        impl OperationModel for $name {
            const META: &'static OpMeta = &OpMeta {
                service: &SERVICE,
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

        impl Operation<$name> for Toys {
            fn access(&self, input: &Toy, _caller: &Caller) -> Result<Access, Fault> {
                let ($toys, $input) = (self, input);
                $access
            }

            async fn run(&self, call: Call<$name>) -> Result<Toy, Fault> {
                self.keep(&call.input.name)?;
                Ok(call.input)
            }
        }
    };
}

operation!(MakeToy, |toys, input| Ok(Access::on("toys:MakeToy", toys.arn(&input.name))));
operation!(WhoPlays, |_toys, _input| Ok(Access::Identified("everybody may know who they are")));
operation!(LookAround, |_toys, _input| Ok(Access::Public("the shop window")));
// Guarded badly, each in its own way.
operation!(AskNothing, |_toys, _input| Ok(Access::Iam(Vec::new())));
operation!(ActFirst, |toys, input| {
    toys.keep(&input.name)?;
    Ok(Access::on("toys:ActFirst", toys.arn(&input.name)))
});
operation!(AdmitAnybody, |_toys, _input| Ok(Access::Identified("a policy should have been asked")));

fn world(open: fn(&Arc<Toys>) -> Assembly) -> World {
    WorldBuilder::new()
        .service("toys", "toys.amazonaws.com", |env| Ok(open(&Arc::new(Toys(env.clone())))))
        .start()
}

fn with(operations: Vec<Box<dyn casemate_kernel::AnyOperation>>) -> Assembly {
    Assembly { operations, ..Assembly::default() }
}

fn good() -> World {
    world(|toys| with(vec![bind::<MakeToy, _>(toys), bind::<WhoPlays, _>(toys), bind::<LookAround, _>(toys)]))
}

#[tokio::test]
async fn well_guarded_operations_pass_every_way() {
    assert_eq!(refusals(&good(), &no_hints).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_operation_that_asks_for_nothing_is_found() {
    let found = refusals(&world(|toys| with(vec![bind::<AskNothing, _>(toys)])), &no_hints).await;
    assert!(found.iter().any(|failure| failure.contains("asks for nothing")), "{found:?}");
}

#[tokio::test]
async fn an_operation_that_acts_before_it_is_admitted_is_found() {
    let found = refusals(&world(|toys| with(vec![bind::<ActFirst, _>(toys)])), &no_hints).await;
    assert!(found.iter().any(|failure| failure.contains("store has changed")), "{found:?}");
}

#[tokio::test]
async fn the_access_table_shows_templates_and_reasons() {
    let world = world(|toys| {
        with(vec![bind::<MakeToy, _>(toys), bind::<AdmitAnybody, _>(toys), bind::<LookAround, _>(toys)])
    });
    let table = access_table(&world, &no_hints);
    for line in [
        "toys:MakeToy allow toys:MakeToy on arn:aws:toys:{region}:{account}:toy/{Name}",
        "toys:AdmitAnybody identified: a policy should have been asked",
        "toys:LookAround public: the shop window",
    ] {
        assert!(table.lines().any(|l| l == line), "{line}\n{table}");
    }
}

#[tokio::test]
async fn a_stranger_may_look_around_but_not_make_toys() {
    let world = good();
    let input = Document::structure([("Name", "ball-01".into())]);
    let seen = world.call_unsigned("toys", "LookAround", input.clone()).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    let refused = world.call_unsigned("toys", "MakeToy", input).await;
    assert_eq!(refused.code().as_deref(), Some("MissingAuthenticationTokenException"));
}

#[tokio::test]
async fn a_caller_without_rights_learns_nothing_of_validity() {
    let world = good();
    let nobody = world.identities().user("nobody", &[]);
    let answer = world.call(&nobody, "toys", "MakeToy", Document::structure([("Name", "!".into())])).await;
    assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"));
    let root = world.identities().root();
    let answer = world.call(&root, "toys", "MakeToy", Document::structure([("Name", "!".into())])).await;
    assert_eq!(answer.code().as_deref(), Some("ValidationException"));
}

#[tokio::test]
async fn two_worlds_answer_with_the_same_bytes() {
    let mut transcripts = Vec::new();
    for _ in 0..2 {
        let world = good();
        let root = world.identities().root();
        let input = Document::structure([("Name", "ball-01".into())]);
        let request = world.request(&root, "toys", "MakeToy", &input);
        transcripts.push(world.transcript(&request).await);
    }
    assert_eq!(transcripts.first(), transcripts.last());
    assert!(transcripts.first().unwrap().contains("ball-01"));
}

#[tokio::test]
async fn bound_credentials_are_worthless_elsewhere_and_raise_an_alarm() {
    let world = good();
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let role = world.identities().role("function", &[policy], None);
    let stolen = world.bound_session(&role, 900, None, Some("environment-1")).await;
    let input = Document::structure([("Name", "ball-01".into())]);
    let before = world.digest();
    let answer = world.call(&stolen, "toys", "MakeToy", input.clone()).await;
    assert_eq!(answer.code().as_deref(), Some("UnrecognizedClientException"));
    assert!(world.last_record().alarm.is_some_and(|alarm| alarm.contains("leaked")));
    assert_eq!(world.digest(), before);

    let function = Arn::regional(world.scope(), "lambda", "function:f");
    let request: Request = world.request(&stolen, "toys", "MakeToy", &input);
    for (id, fine) in [("environment-2", false), ("environment-1", true)] {
        let peer = casemate_kernel::Peer::Environment { id: id.to_owned(), function: function.clone() };
        assert_eq!(world.send_from(peer, &request).await.status.is_success(), fine, "{id}");
    }
}
