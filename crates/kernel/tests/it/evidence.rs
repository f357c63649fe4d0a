//! What an operation's input proves besides its signature: an identity at a provider, a one-time code. It counts for who
//! showed it, for the very thing it proves, and for nobody who is somebody else already.

use std::sync::{Arc, Mutex};

use casemate_kernel::{
    Access, As, Assembly, BoxFuture, Call, Caller, Env, Evidence, Fault, KeyValue, Operation, OperationModel,
    Proof, ResourcePolicy, Service, SessionRequest, TrustEdge, WebIdentity, bind,
};
use casemate_names::{Arn, Timestamp};
use casemate_schema::{Auth, HttpBinding, OpMeta, Protocol, Schema, ServiceMeta, Shape};
use casemate_testkit::{Credentials, World};

use crate::toys::{Toy, builder, toy};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const SERIAL: &str = "arn:aws:iam::123456789012:mfa/device";
const CODE: &str = "123456";
const PROVIDER: &str = "arn:aws:iam::123456789012:oidc-provider/idp.example.com";

static CRECHE: ServiceMeta = ServiceMeta {
    prefix: "creche",
    signing_name: "creche",
    protocol: Protocol::AwsJson1_1,
    target_prefix: "Creche",
    api_version: "2026-11-24",
    xml_namespace: "",
};

/// Takes children in, on whatever evidence the input's name stands for.
#[derive(Debug)]
struct Creche {
    env: Env,
    made: Arc<Mutex<Vec<Credentials>>>,
}

impl Creche {
    fn role(&self) -> Arn {
        Arn::global(&self.env.site.scope, "iam", "role/child")
    }
}

impl Service for Creche {
    type Error = Fault;
    const PREFIXES: &'static [&'static str] = &["creche"];
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

fn shown(name: &str) -> Evidence {
    if name.starts_with("Code") {
        return Evidence::Mfa { serial: SERIAL.to_owned(), code: CODE.to_owned() };
    }
    let key = |key: &str, value: &str| (format!("idp.example.com:{key}"), KeyValue::from(value));
    Evidence::Identity(Box::new(WebIdentity {
        provider: Arn::parse(PROVIDER).unwrap(),
        federated_provider: "idp.example.com".to_owned(),
        subject: name.to_owned(),
        keys: vec![key("sub", name), ("idp.example.com:amr".to_owned(), vec!["card".to_owned()].into())],
        session_keys: vec![key("sub", name)],
        tags: Vec::new(),
        transitive_tags: Vec::new(),
        source_identity: None,
        session_name: None,
        session_s_max: None,
        shown: Vec::new(),
    }))
}

macro_rules! operation {
    ($name:ident, $auth:expr, $action:literal) => {
        struct $name;

        impl OperationModel for $name {
            const META: &'static OpMeta = &OpMeta {
                service: &CRECHE,
                name: stringify!($name),
                http: HttpBinding { method: "POST", uri: "/", status: 200 },
                input: SCHEMA,
                output: SCHEMA,
                result_wrapper: "",
                errors: &[],
                auth: $auth,
            };
            type Input = Toy;
            type Output = Toy;
        }

        impl Operation<$name> for Creche {
            fn access(&self, _input: &Toy, caller: &Caller) -> Result<Access, Fault> {
                let access = Access::on($action, self.role());
                let Caller::WebIdentity(identity) = caller else { return Ok(access) };
                let keys = identity.keys.iter();
                Ok(keys.fold(access, |access, (key, values)| access.with(key, values.clone())))
            }

            fn evidence<'a>(
                &'a self,
                input: &'a Toy,
                _caller: &'a Caller,
                _now: Timestamp,
            ) -> Option<BoxFuture<'a, Result<Evidence, Fault>>> {
                Some(Box::pin(std::future::ready(Ok(shown(&input.name)))))
            }

            async fn run(&self, call: Call<$name>) -> Result<Toy, Fault> {
                let sessions = self.env.sessions()?;
                let role = sessions.role(&self.role())?.ok_or_else(|| Fault::broken("no such role"))?;
                let request = SessionRequest {
                    role,
                    session_name: "child".to_owned(),
                    duration_s: 900,
                    policies: None,
                    tags: Vec::new(),
                    transitive_tags: Vec::new(),
                    source_identity: None,
                    bound_to: None,
                    source_function: None,
                };
                let made = sessions.mint(call.permit(), request).await?;
                let secret = made.secret_access_key.expose().clone();
                let made = Credentials::new(made.access_key_id, secret)
                    .with_token(made.session_token.expose().clone());
                self.made.lock().unwrap().push(made);
                Ok(call.input)
            }
        }
    };
}

const SCHEMA: &Schema = <Toy as Shape>::SCHEMA;

operation!(TakeIn, Auth::None, "sts:AssumeRoleWithWebIdentity");
// Its caller is admitted to the ordinary right, which is not the one that identities of providers have.
operation!(TakeOver, Auth::SigV4, "sts:AssumeRole");
operation!(TakeKnown, Auth::SigV4, "sts:AssumeRoleWithWebIdentity");

struct Scene {
    world: World,
    made: Arc<Mutex<Vec<Credentials>>>,
    shelf: Arc<crate::toys::Shelf>,
}

/// With a role that trusts the provider's users under this condition.
fn scene(principal: &str, condition: &str) -> Scene {
    let (builder, shelf) = builder();
    let made = Arc::<Mutex<Vec<Credentials>>>::default();
    let behind = Arc::clone(&made);
    let edge = TrustEdge { from: "testkit", to: "creche", operation: "*" };
    let world = builder
        .trust(&[edge])
        .service("creche", "creche.amazonaws.com", move |env| {
            let creche = Arc::new(Creche { env: env.clone(), made: behind });
            let operations =
                vec![bind::<TakeIn, _>(&creche), bind::<TakeOver, _>(&creche), bind::<TakeKnown, _>(&creche)];
            Ok(Assembly { operations, ..Assembly::default() })
        })
        .start();
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{principal},"Condition":{condition},
            "Action":["sts:AssumeRole","sts:AssumeRoleWithWebIdentity"]}}}}"#
    );
    world.identities().role("child", &[ALL], Some(&trust));
    Scene { world, made, shelf }
}

fn federated() -> String {
    format!(r#"{{"Federated":"{PROVIDER}"}}"#)
}

impl Scene {
    /// Refused, and nobody has got anything.
    async fn refused(&self, who: Option<&Credentials>, operation: &str, name: &str) {
        let before = self.world.digest();
        let answer = match who {
            Some(who) => self.world.call(who, "creche", operation, toy(name)).await,
            None => self.world.call_unsigned("creche", operation, toy(name)).await,
        };
        assert!(!answer.status.is_success(), "{operation} {name}: {}", answer.text());
        assert_eq!(self.world.digest(), before, "{operation} {name}: refused, yet something happened");
        assert!(self.made.lock().unwrap().is_empty());
    }

    async fn taken_in(&self, name: &str) -> Credentials {
        let answer = self.world.call_unsigned("creche", "TakeIn", toy(name)).await;
        assert!(answer.status.is_success(), "{}", answer.text());
        self.made.lock().unwrap().pop().unwrap()
    }
}

#[tokio::test]
async fn an_identity_becomes_the_role_that_trusts_it_and_its_session_keeps_what_it_showed() {
    let scene = scene(
        &federated(),
        r#"{"StringEquals":{"idp.example.com:sub":"Ann-01"},"ForAnyValue:StringEquals":{"idp.example.com:amr":"card"}}"#,
    );
    scene.refused(None, "TakeIn", "Eve-01").await;
    let child = scene.taken_in("Ann-01").await;
    let arn = Arn::regional(scene.world.scope(), "toys", "toy/ball-01");
    // The provider and the keys that stay; the others are gone.
    for (condition, fine) in [
        (r#"{"StringEquals":{"aws:FederatedProvider":"idp.example.com"}}"#, false),
        (r#"{"StringEquals":{"aws:FederatedProvider":"other.example.com"}}"#, true),
        (r#"{"StringEquals":{"idp.example.com:sub":"Ann-01"}}"#, false),
        (r#"{"StringEquals":{"idp.example.com:sub":"Eve-01"}}"#, true),
        (r#"{"Null":{"idp.example.com:amr":"true"}}"#, false),
    ] {
        let deny = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{condition}}}}}"#
        );
        scene.shelf.policy(&arn, &deny);
        let answer = scene.world.call(&child, "toys", "MakeToy", toy("ball-01")).await;
        assert_eq!(answer.status.is_success(), fine, "{condition}: {}", answer.text());
    }
}

#[tokio::test]
async fn an_identity_has_the_rights_of_identities_only() {
    // A role that trusts everybody of the provider, and for the ordinary action too.
    let scene = scene(&federated(), "{}");
    scene.refused(None, "TakeOver", "Ann-01").await;
    // Who is somebody already is not somebody else as well.
    let ann = scene.world.identities().user("ann", &[ALL]);
    scene.refused(Some(&ann), "TakeKnown", "Ann-01").await;
    scene.refused(Some(&scene.world.identities().root()), "TakeKnown", "Ann-01").await;
    scene.taken_in("Ann-01").await;
}

#[tokio::test]
async fn a_role_that_trusts_another_provider_or_the_account_trusts_no_identity() {
    for principal in [
        r#"{"Federated":"arn:aws:iam::123456789012:oidc-provider/other.example.com"}"#,
        r#"{"AWS":"123456789012"}"#,
        r#"{"Service":"idp.example.com"}"#,
    ] {
        scene(principal, "{}").refused(None, "TakeIn", "Ann-01").await;
    }
}

// AWS: text of AccessDenied. Who is nobody yet is told neither whether the role is there nor whom it trusts.
#[tokio::test]
async fn an_identity_that_is_refused_learns_nothing_of_the_role() {
    for (principal, condition) in [
        (federated(), r#"{"StringEquals":{"idp.example.com:sub":"Ann-01"}}"#),
        (r#"{"AWS":"123456789012"}"#.to_owned(), "{}"),
    ] {
        let scene = scene(&principal, condition);
        let answer = scene.world.call_unsigned("creche", "TakeIn", toy("Eve-01")).await;
        assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"), "{}", answer.text());
        assert_eq!(answer.message(), "Not authorized to perform sts:AssumeRoleWithWebIdentity");
    }
}

fn unique_id(who: &Credentials) -> &str {
    match &who.caller {
        Some(Caller::User { unique_id, .. }) => unique_id,
        other => panic!("not a user: {other:?}"),
    }
}

#[tokio::test]
async fn a_code_counts_if_it_is_right_and_of_a_device_of_the_caller() {
    // The role is for whoever has shown a code, and nobody is kept out otherwise.
    let scene = scene(r#""*""#, r#"{"Bool":{"aws:MultiFactorAuthPresent":"true"}}"#);
    let ids = scene.world.identities();
    let (ann, bob, eve) = (ids.user("ann", &[ALL]), ids.user("bob", &[ALL]), ids.user("eve", &[ALL]));
    ids.device(unique_id(&ann), SERIAL, CODE);
    ids.device(unique_id(&bob), SERIAL, "654321");
    ids.device(unique_id(&eve), "arn:aws:iam::123456789012:mfa/eve", CODE);
    let answer = scene.world.call(&ann, "creche", "TakeOver", toy("Code-01")).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    scene.made.lock().unwrap().clear();

    for (who, why) in [(&bob, "invalid MFA one time pass code"), (&eve, "unable to validate MFA code")] {
        scene.refused(Some(who), "TakeOver", "Code-01").await;
        let answer = scene.world.call(who, "creche", "TakeOver", toy("Code-01")).await;
        assert!(answer.text().contains(why), "{}", answer.text());
    }
    // An identity instead of a code, and no code at all.
    scene.refused(Some(&ann), "TakeOver", "Ann-01").await;
}

#[tokio::test]
async fn a_code_that_is_not_right_is_a_refusal_where_none_is_needed_and_only_users_have_devices() {
    let scene = scene(r#""*""#, "{}");
    let ids = scene.world.identities();
    let role = ids.role("worker", &[ALL], None);
    let session = scene.world.session(&role, 900, None).await;
    for who in [ids.user("ann", &[ALL]), ids.root(), session] {
        scene.refused(Some(&who), "TakeOver", "Code-01").await;
    }
    let stranger = scene.world.call_unsigned("creche", "TakeOver", toy("Code-01")).await;
    assert_eq!(
        stranger.code().as_deref(),
        Some("MissingAuthenticationTokenException"),
        "{}",
        stranger.text()
    );
    scene.refused(None, "TakeOver", "Code-01").await;
}

/// The kernel asks for evidence on requests only: what a service asks of another is decided by who speaks.
#[tokio::test]
async fn an_inner_call_brings_no_evidence() {
    let scene = scene(&federated(), "{}");
    let source = Arn::regional(scene.world.scope(), "shop", "counter/1");
    let input = toy("Ann-01");
    let called = scene.world.env().invoke("creche", "TakeIn", As::Service { source }, input).await;
    assert!(called.is_err());
    assert!(scene.made.lock().unwrap().is_empty());
}
