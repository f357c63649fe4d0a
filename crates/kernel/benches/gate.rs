//! What a request costs at the gate as a whole, layers gathered and keys computed and all: a role session whose policies are in
//! a directory in memory, under a boundary, an organisation's SCPs and RCPs, at a resource with a policy and tags of its own;
//! with and without 25 condition keys of the service. And what identifying its sender costs. Prints the fastest and the median
//! of many short batches.

#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench"
)]

mod service;

use std::{
    fmt::Write as _,
    hint::black_box,
    sync::{Arc, OnceLock},
    time::Instant,
};

use casemate_kernel::{
    Ask, Assembly, BoxFuture, Ceilings, DataPlane, Env, Exchange, Fault, Membership, Outgoing, RoleFacts,
    Sessions,
    policy::{Kind, NamedPolicy, Policy},
};
use casemate_names::{AccountId, Arn, Timestamp};
use casemate_testkit::{Credentials, Request, World, WorldBuilder};
use casemate_wire::Head;
use http::{Method, StatusCode};

const BATCHES: usize = 2_000;
const CALLS: u32 = 50;
/// How many condition keys the service has, where it has any.
const KEYS: usize = 25;

fn case<T>(name: &str, mut call: impl FnMut() -> T) {
    let mut times: Vec<f64> = (0..BATCHES)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..CALLS {
                black_box(call());
            }
            start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{name:<58} fastest {:>8.0} ns   median {:>8.0} ns", times[0], times[BATCHES / 2]);
}

fn document(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

fn named(statements: &str, kind: Kind) -> NamedPolicy {
    let policy = Policy::parse(&document(statements), kind).unwrap();
    NamedPolicy { name: "arn:aws:iam::123456789012:policy/p".into(), policy: Arc::new(policy) }
}

/// Grants on things of their own, of which none is asked for.
fn others(statements: usize) -> String {
    let mut text = String::new();
    for n in 0..statements {
        let comma = if n == 0 { "" } else { "," };
        let arn = format!("arn:aws:bench:us-east-1:123456789012:thing/{n}/*");
        write!(text, r#"{comma}{{"Effect":"Allow","Action":"bench:Get*","Resource":"{arn}"}}"#).unwrap();
    }
    document(&text)
}

const FULL: &str = r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#;
const RESOURCE: &str = r#"
    {"Effect":"Deny","Principal":"*","Action":"bench:*","Resource":"*","Condition":{"StringNotEquals":{"aws:ResourceAccount":"123456789012"}}},
    {"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"bench:*","Resource":"*"}"#;
const RESOURCE_CONTROL: &str = r#"
    {"Effect":"Deny","Principal":"*","Action":"bench:*","Resource":"*","Condition":{
        "StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-1"},"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}}},
    {"Effect":"Deny","Principal":"*","Action":"bench:*","Resource":"*","Condition":{"NumericGreaterThan":{"aws:MultiFactorAuthAge":"60"}}}"#;
const REGIONS: &str = r#"{"Effect":"Deny","NotAction":["iam:*","sts:*"],"Resource":"*","Condition":{
    "StringNotEquals":{"aws:RequestedRegion":["us-east-1","eu-west-1"]},"ArnNotLike":{"aws:PrincipalARN":"arn:aws:iam::*:role/admin"}}}"#;
const NO_ROOT: &str = r#"{"Effect":"Deny","Action":["bench:Delete*","bench:Drop*"],"Resource":"*"},
    {"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalType":"Account"}}}"#;
const IDENTITY: &str = r#"{"Effect":"Allow","Action":["bench:Get","bench:Query"],"Resource":"arn:aws:bench:us-east-1:123456789012:table/*","Condition":{
    "StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}"},"DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}}"#;
/// The same, and two of the service's keys.
const WITH_KEYS: &str = r#"{"Effect":"Allow","Action":["bench:Get","bench:Query"],"Resource":"arn:aws:bench:us-east-1:123456789012:table/*","Condition":{
    "StringEquals":{"aws:ResourceTag/team":"${aws:PrincipalTag/team}","bench:Key3":"value-3"},"StringLike":{"bench:Key21":"value-*"},
    "DateLessThan":{"aws:CurrentTime":"2030-01-01T00:00:00Z"}}}"#;
const BOUNDARY: &str = r#"{"Effect":"Allow","Action":["bench:*","s3:*"],"Resource":"*","Condition":{"StringEquals":{"aws:PrincipalAccount":"123456789012"}}},
    {"Effect":"Deny","Action":"iam:*","Resource":"*"}"#;

/// The organisation of every account.
#[derive(Debug)]
struct Organization(Arc<Membership>);

impl Organization {
    fn new() -> Self {
        let control = |statements: &str| named(statements, Kind::ServiceControl);
        Self(Arc::new(Membership {
            organization: "o-1".to_owned(),
            path: "o-1/r-1/ou-1/".to_owned(),
            service_control: vec![
                vec![control(FULL)],
                vec![control(FULL), control(REGIONS)],
                vec![control(FULL), control(NO_ROOT)],
            ],
            resource_control: vec![vec![named(RESOURCE_CONTROL, Kind::ResourceControl)]],
            ..Membership::default()
        }))
    }
}

impl Ceilings for Organization {
    fn membership(&self, _account: &AccountId) -> Result<Option<Arc<Membership>>, Fault> {
        Ok(Some(Arc::clone(&self.0)))
    }

    fn governs(&self, action: &str) -> bool {
        action.starts_with("bench:")
    }
}

/// Times what is asked of an exchange within one request.
#[derive(Debug)]
struct Stand;

impl DataPlane for Stand {
    fn matches(&self, head: &Head) -> bool {
        head.path() == "/bench"
    }

    fn owner(&self, _head: &Head) -> Result<Option<AccountId>, Fault> {
        Ok(None)
    }

    fn serve<'a>(&'a self, exchange: &'a mut Exchange) -> BoxFuture<'a, Outgoing> {
        Box::pin(async move {
            case("identify: parse, key, signature of a request", || exchange.identify("bench").unwrap());
            let caller = exchange.identify("bench").unwrap();
            for count in [0, KEYS] {
                let ask = ask(&keys(count));
                let name = format!("decide, recorder and record, {count} keys of the service");
                case(&name, || assert!(exchange.decide_owned(&caller, &ask).unwrap().is_allowed()));
            }
            Outgoing::new(StatusCode::OK, "text/plain", "")
        })
    }
}

fn resource() -> Arn {
    Arn::parse("arn:aws:bench:us-east-1:123456789012:table/orders").unwrap()
}

/// Names and values of the keys that the service has.
fn keys(count: usize) -> Vec<(String, String)> {
    (0..count).map(|n| (format!("bench:Key{n}"), format!("value-{n}"))).collect()
}

/// One ask with these keys of the service.
fn ask(keys: &[(String, String)]) -> Ask {
    let ask = Ask::on("bench:Get", resource());
    keys.iter().fold(ask, |ask, (key, value)| ask.with(key, value.as_str()))
}

fn gate(sessions: &Sessions, world: &World, role: &RoleFacts) {
    let now: Timestamp = world.now();
    let allowed = |ask: &Ask| sessions.would_allow(role, "session", ask, now).unwrap();
    let grant = |own: &str| {
        let policies = [others(100), document(own)];
        world.identities().grant(
            &role.unique_id,
            &policies.each_ref().map(String::as_str),
            Some(&document(BOUNDARY)),
        );
        world.identities().tag(&role.unique_id, "team", "blue");
    };
    let all = keys(KEYS);
    let (bare, full) = (ask(&[]), ask(&all));
    grant(IDENTITY);
    assert!(allowed(&bare) && allowed(&full));
    case("gate, no keys of the service", || allowed(&bare));
    case("gate, 25 keys of the service, none asked for", || allowed(&full));
    case("making an ask of no keys", || ask(&[]));
    case("making an ask of 25 keys", || ask(&all));
    grant(WITH_KEYS);
    assert!(!allowed(&bare) && allowed(&full));
    case("gate, 25 keys of the service, two asked for", || allowed(&full));
    case("gate, refused: a key that is asked for is not there", || allowed(&bare));
    grant(IDENTITY);
}

fn main() {
    let env = Arc::new(OnceLock::<Env>::new());
    let behind = Arc::clone(&env);
    let world = WorldBuilder::new()
        .service("bench", "bench.amazonaws.com", move |given| {
            let _ = behind.set(given.clone());
            Ok(Assembly {
                operations: service::operations(named(RESOURCE, Kind::Resource)),
                data_planes: vec![Arc::new(Stand)],
                ceilings: Some(Arc::new(Organization::new())),
                ..Assembly::default()
            })
        })
        .start();
    let role = world.identities().role("app", &[], None);
    gate(&env.get().unwrap().sessions().unwrap(), &world, &role);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let session = world.session(&role, 900, None).await;
        let user = world.identities().user("ann", &[&document(IDENTITY)]);
        let Some(casemate_kernel::Caller::User { unique_id, .. }) = &user.caller else { return };
        world.identities().tag(unique_id, "team", "blue");
        for (who, name) in [(&user, "a user's key:"), (&session, "a role session's:")] {
            println!("{name}");
            send(&world, who).await;
        }
    });
}

async fn send(world: &World, who: &Credentials) {
    let request = Request::new(Method::POST, "/bench").header("x-amz-target", "Bench.Get").body("{}");
    let answer = world.send(&request.signed(who, "bench", "us-east-1", world.now())).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
}
