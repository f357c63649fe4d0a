//! What one service asks of another: only what the trust map lists, of that very service, and with the keys of who asks and
//! nothing that the client of the outer request has shown or said.

use std::sync::{Arc, Mutex};

use casemate_kernel::{
    Access, As, Assembly, Call, Caller, Env, Fault, Operation, OperationModel, Proof, ResourcePolicy,
    Service, TrustEdge, bind,
};
use casemate_names::{Arn, Timestamp};
use casemate_schema::{Auth, Document, HttpBinding, OpMeta, Protocol, ServiceMeta, Shape};
use casemate_testkit::{Credentials, World};

use crate::toys::{Shelf, Toy, builder, toy};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

static DESK: ServiceMeta = ServiceMeta {
    prefix: "desk",
    signing_name: "desk",
    protocol: Protocol::AwsJson1_1,
    target_prefix: "Desk",
    api_version: "2026-11-24",
    xml_namespace: "",
};

/// Passes on what its callers want, in their names.
#[derive(Debug)]
struct Desk {
    env: Env,
    answers: Arc<Mutex<Vec<Document>>>,
}

impl Service for Desk {
    type Error = Fault;
    const PREFIXES: &'static [&'static str] = &["desk"];
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

struct PassOn;

impl OperationModel for PassOn {
    const META: &'static OpMeta = &OpMeta {
        service: &DESK,
        name: "PassOn",
        http: HttpBinding { method: "POST", uri: "/", status: 200 },
        input: <Toy as Shape>::SCHEMA,
        output: <Toy as Shape>::SCHEMA,
        result_wrapper: "",
        errors: &[],
        auth: Auth::SigV4,
    };
    type Input = Toy;
    type Output = Toy;
}

impl Operation<PassOn> for Desk {
    fn access(&self, _input: &Toy, _caller: &Caller) -> Result<Access, Fault> {
        Ok(Access::on("desk:PassOn", Arn::regional(&self.env.site.scope, "desk", "desk")))
    }

    async fn run(&self, call: Call<PassOn>) -> Result<Toy, Fault> {
        let (service, operation, input) = match call.input.name.as_str() {
            "Session-01" => ("sts", "GetSessionToken", Document::empty()),
            _ => ("shop", "Order", toy("Caller-01")),
        };
        let answer = call.permit().invoke(service, operation, As::Caller, input).await?;
        self.answers.lock().unwrap().push(answer);
        Ok(call.input)
    }
}

struct Scene {
    world: World,
    shelf: Arc<Shelf>,
    answers: Arc<Mutex<Vec<Document>>>,
}

const fn edge(from: &'static str, to: &'static str, operation: &'static str) -> TrustEdge {
    TrustEdge { from, to, operation }
}

/// What the desk may ask, and further edges.
fn scene(further: &[TrustEdge]) -> Scene {
    let (builder, shelf) = builder();
    let answers = Arc::<Mutex<Vec<Document>>>::default();
    let behind = Arc::clone(&answers);
    let open = move |env: &Env| {
        let desk = Arc::new(Desk { env: env.clone(), answers: behind });
        Ok(Assembly { operations: vec![bind::<PassOn, _>(&desk)], ..Assembly::default() })
    };
    let mut edges = vec![edge("desk", "sts", "GetSessionToken"), edge("desk", "shop", "Order")];
    edges.extend([edge("shop", "toys", "MakeToy"), edge("shop", "shop", "Order")]);
    edges.extend(further);
    let world = builder
        .trust(&edges)
        .service("desk", "desk.amazonaws.com", open)
        .service("sts", "sts.amazonaws.com", casemate_sts::open)
        .start();
    Scene { world, shelf, answers }
}

impl Scene {
    fn toy(&self, name: &str) -> Arn {
        Arn::regional(self.world.scope(), "toys", &format!("toy/{name}"))
    }

    /// Opens a toy to everybody under this condition.
    fn open(&self, name: &str, condition: &str) {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{condition}}}}}"#
        );
        self.shelf.policy(&self.toy(name), &text);
    }

    /// The kit's own service asks for a toy, for this source.
    async fn asked(&self, source: &Arn, name: &str) -> Result<Document, Fault> {
        let speaker = As::Service { source: source.clone() };
        self.world.env().invoke("toys", "MakeToy", speaker, toy(name)).await
    }

    async fn passed_on(&self, who: &Credentials, what: &str) -> bool {
        self.world.call(who, "desk", "PassOn", toy(what)).await.status.is_success()
    }
}

#[tokio::test]
async fn an_edge_is_for_the_service_that_it_is_from_and_for_the_one_that_it_leads_to() {
    // The shop may have toys made, the kit's service may have the shop, and nobody else the toys.
    for (further, fine) in [
        (vec![], false),
        (vec![edge("testkit", "shop", "MakeToy"), edge("testkit", "shop", "*")], false),
        (vec![edge("testkit", "toys", "SwapToys"), edge("toys", "toys", "MakeToy")], false),
        (vec![edge("testkit", "toys", "MakeToy")], true),
        (vec![edge("testkit", "toys", "*")], true),
    ] {
        let scene = scene(&further);
        scene.open("ball-01", "{}");
        let before = scene.world.digest();
        let asked = scene.asked(&Arn::regional(scene.world.scope(), "testkit", "x"), "ball-01").await;
        assert_eq!(asked.is_ok(), fine, "{further:?}");
        assert_eq!(scene.world.digest() != before, fine, "{further:?}");
    }
}

#[tokio::test]
async fn the_account_of_a_service_is_that_of_what_it_asks_for() {
    let scene = scene(&[edge("testkit", "toys", "MakeToy")]);
    let (home, other) = (scene.world.scope().account.clone(), scene.world.other_account());
    let source = |account: &str| Arn::from_parts(["aws", "testkit", "us-east-1", account, "x"]);
    for asking in [&home, &other] {
        for admitted in [&home, &other] {
            let account = admitted.as_str();
            scene.open("ball-01", &format!(r#"{{"StringEquals":{{"aws:SourceAccount":"{account}"}}}}"#));
            let asked = scene.asked(&source(asking.as_str()), "ball-01").await;
            assert_eq!(asked.is_ok(), asking == admitted, "{asking:?} where {admitted:?} is admitted");
        }
    }
}

#[tokio::test]
async fn what_a_service_asks_must_be_legal_too() {
    let scene = scene(&[edge("testkit", "toys", "MakeToy")]);
    scene.open("!", "{}");
    let before = scene.world.digest();
    let fault = scene.asked(&Arn::regional(scene.world.scope(), "testkit", "x"), "!").await.unwrap_err();
    assert!(fault.to_string().contains("Member must"), "{fault}");
    assert_eq!(scene.world.digest(), before);
}

/// Of the chain the first is who was asked first, and all are in it.
#[tokio::test]
async fn a_chain_names_every_service_that_a_request_came_through() {
    let scene = scene(&[]);
    let ann = scene.world.identities().user("ann", &[ALL]);
    for (condition, denied) in [
        (r#"{"StringEquals":{"aws:CalledViaFirst":"desk.amazonaws.com"}}"#, true),
        (r#"{"StringEquals":{"aws:CalledViaFirst":"shop.amazonaws.com"}}"#, false),
        (r#"{"StringEquals":{"aws:CalledViaLast":"shop.amazonaws.com"}}"#, true),
        (r#"{"StringEquals":{"aws:CalledViaLast":"desk.amazonaws.com"}}"#, false),
        (r#"{"ForAnyValue:StringEquals":{"aws:CalledVia":"desk.amazonaws.com"}}"#, true),
        (r#"{"ForAnyValue:StringEquals":{"aws:CalledVia":"shop.amazonaws.com"}}"#, true),
    ] {
        let deny = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{condition}}}}}"#
        );
        scene.shelf.policy(&scene.toy("Caller-01"), &deny);
        assert_eq!(scene.passed_on(&ann, "Order-01").await, !denied, "{condition}");
    }
}

/// No code came with the request that the service makes, so none is to be found in what follows from it.
#[tokio::test]
async fn a_session_that_a_service_has_made_for_its_caller_shows_no_code() {
    let scene = scene(&[]);
    let ann = scene.world.identities().user("ann", &[ALL]);
    assert!(scene.passed_on(&ann, "Session-01").await);
    let mut answer = scene.answers.lock().unwrap().pop().unwrap();
    let made = answer.take("Credentials");
    let text = |name: &str| made.get(name).and_then(Document::as_str).unwrap().to_owned();
    let session =
        Credentials::new(text("AccessKeyId"), text("SecretAccessKey")).with_token(text("SessionToken"));
    for (present, fine) in [("false", true), ("true", false)] {
        let deny = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{{"Bool":{{"aws:MultiFactorAuthPresent":"{present}"}}}}}}}}"#
        );
        scene.shelf.policy(&scene.toy("ball-01"), &deny);
        let answer = scene.world.call(&session, "toys", "MakeToy", toy("ball-01")).await;
        assert_eq!(answer.status.is_success(), !fine, "{present}: {}", answer.text());
    }
}

/// A role that a service speaks with is not where the client is whose request led to it.
#[tokio::test]
async fn under_a_role_a_service_is_not_where_its_client_is() {
    let scene = scene(&[]);
    let ann = scene.world.identities().user("ann", &[ALL]);
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"shop.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
    let keeper = scene.world.identities().role("shopkeeper", &[], Some(trust));
    for (condition, fine) in [
        ("{}", true),
        (r#"{"Null":{"aws:SourceIp":"true"}}"#, true),
        (r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#, false),
        (r#"{"Null":{"aws:referer":"true"}}"#, true),
        (r#"{"StringEquals":{"aws:UserAgent":"shop.amazonaws.com"}}"#, true),
    ] {
        let allow = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"toys:*","Resource":"*","Condition":{condition}}}}}"#
        );
        scene.world.identities().grant(&keeper.unique_id, &[&allow], None);
        for order in ["Role-01", "Lent-01"] {
            let answer = scene.world.call(&ann, "shop", "Order", toy(order)).await;
            assert_eq!(answer.status.is_success(), fine, "{order} {condition}: {}", answer.text());
        }
    }
}

/// Both are on record: who asked, in the course of what, and how it ended.
#[tokio::test]
async fn an_inner_call_is_on_record_by_itself() {
    let scene = scene(&[]);
    let ann = scene.world.identities().user("ann", &[ALL]);
    let poor = scene
        .world
        .identities()
        .user("poor", &[&ALL.replace(r#""Action":"*""#, r#""Action":["desk:*","shop:*"]"#)]);
    for (who, status) in [(&ann, 200), (&poor, 400)] {
        let before = scene.world.audit.records().len();
        scene.passed_on(who, "Order-01").await;
        let records = scene.world.audit.records().split_off(before);
        let of = |operation: &str| {
            records.iter().find(|record| record.operation.as_deref() == Some(operation)).unwrap()
        };
        let (outer, order, made) = (of("PassOn"), of("Order"), of("MakeToy"));
        let name = who.caller.as_ref().map(Caller::arn_text).unwrap();
        assert!([outer, order, made].iter().all(|record| record.caller == name), "{records:?}");
        assert_eq!((&order.parent, &made.parent), (&Some(outer.id.clone()), &Some(order.id.clone())));
        assert_eq!((made.outcome.status, made.outcome.code.is_some()), (status, status != 200));
    }
}
