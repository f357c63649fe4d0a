//! Data planes: they identify as the request path does, and what they ask is decided by the same gate.

use std::sync::{Arc, Mutex};

use casemate_kernel::{
    As, Ask, Assembly, BoxFuture, Caller, DataPlane, Env, Exchange, Fault, Outgoing, ResourcePolicy,
    TrustEdge,
    policy::{Kind, NamedPolicy, Policy, ResourceRule},
};
use casemate_names::{AccountId, Arn};
use casemate_testkit::{Credentials, Request, World};
use casemate_wire::Head;
use http::{Method, StatusCode};

use crate::toys::{Shelf, builder, toy};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const NONE: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
const OTHERS: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"shop:*","Resource":"*"}}"#;

/// A document that says this of everybody.
fn everybody(effect: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Principal":"*","Action":"*","Resource":"*"}}}}"#
    )
}

/// Hands toys out through a hatch: `/hatch/WAY`, the way being the last segment.
#[derive(Debug)]
struct Hatch {
    env: Env,
    /// The policy that the hatch has itself.
    document: Arc<Mutex<Option<String>>>,
}

impl Hatch {
    fn policy(&self, kind: Kind) -> Option<NamedPolicy> {
        let text = self.document.lock().unwrap().clone()?;
        let policy = Arc::new(Policy::parse(&text, kind).unwrap());
        Some(NamedPolicy { name: "hatch".into(), policy })
    }

    async fn hand_out(&self, exchange: &mut Exchange) -> Result<String, Fault> {
        let way = exchange.head().path().rsplit('/').next().unwrap_or_default().to_owned();
        let source = Arn::regional(&self.env.site.scope, "hatch", "window");
        let speaker = match way.as_str() {
            "for-caller" => Some(("MakeToy", As::Caller)),
            "for-itself" => Some(("MakeToy", As::Service { source })),
            "untrusted" => Some(("SwapToys", As::Service { source })),
            _ => None,
        };
        if let Some((operation, speaker)) = speaker {
            exchange.invoke("toys", operation, speaker, toy("ball-01")).await?;
            return Ok("made".to_owned());
        }
        let caller = exchange.identify("hatch")?;
        if way == "echo" {
            return Ok(String::from_utf8_lossy(exchange.body()).into_owned());
        }
        let ask = Ask::on("toys:MakeToy", Arn::regional(&self.env.site.scope, "toys", "toy/ball-01"));
        let decision = match way.as_str() {
            "owned" => exchange.decide_owned(&caller, &ask)?,
            "given" | "trusting" => {
                let rule = if way == "given" { ResourceRule::Ordinary } else { ResourceRule::Trust };
                let policy = self.policy(Kind::Resource);
                let policy = policy.map(|policy| ResourcePolicy::new(policy, rule));
                exchange.decide(&caller, &ask, policy.as_ref())?
            }
            _ => exchange.weigh(&caller, &ask, &self.policy(Kind::Identity).unwrap())?,
        };
        Ok(format!("{} {}", caller.arn_text(), if decision.is_allowed() { "may" } else { "may not" }))
    }
}

impl DataPlane for Hatch {
    fn matches(&self, head: &Head) -> bool {
        head.path().starts_with("/hatch/")
    }

    fn owner(&self, _head: &Head) -> Result<Option<AccountId>, Fault> {
        Ok(Some(self.env.site.scope.account.clone()))
    }

    fn serve<'a>(&'a self, exchange: &'a mut Exchange) -> BoxFuture<'a, Outgoing> {
        Box::pin(async move {
            match self.hand_out(exchange).await {
                Ok(text) => Outgoing::new(StatusCode::OK, "text/plain", text),
                Err(fault) => Outgoing::new(StatusCode::FORBIDDEN, "text/plain", fault.message().to_owned()),
            }
        })
    }
}

struct Scene {
    world: World,
    shelf: Arc<Shelf>,
    document: Arc<Mutex<Option<String>>>,
}

fn scene() -> Scene {
    let (builder, shelf) = builder();
    let document = Arc::<Mutex<Option<String>>>::default();
    let behind = Arc::clone(&document);
    let open = move |env: &Env| {
        let hatch = Arc::new(Hatch { env: env.clone(), document: behind });
        Ok(Assembly { data_planes: vec![hatch], ..Assembly::default() })
    };
    let edge = TrustEdge { from: "hatch", to: "toys", operation: "MakeToy" };
    let world = builder.trust(&[edge]).service("hatch", "hatch.amazonaws.com", open).start();
    Scene { world, shelf, document }
}

impl Scene {
    fn toy(&self) -> Arn {
        Arn::regional(self.world.scope(), "toys", "toy/ball-01")
    }

    /// What the hatch has for a policy, and what the owner of the toy has.
    fn policies(&self, given: Option<&str>, owned: Option<&str>) {
        *self.document.lock().unwrap() = given.map(str::to_owned);
        if let Some(text) = owned {
            self.shelf.policy(&self.toy(), text);
        }
    }

    fn signed(&self, who: &Credentials, way: &str, service: &str) -> Request {
        let request = Request::new(Method::GET, &format!("/hatch/{way}"));
        request.signed(who, service, "us-east-1", self.world.now())
    }

    async fn may(&self, who: Option<&Credentials>, way: &str) -> bool {
        let request = match who {
            Some(who) => self.signed(who, way, "hatch"),
            None => Request::new(Method::GET, &format!("/hatch/{way}")),
        };
        let answer = self.world.send(&request).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let named = who.and_then(|who| who.caller.as_ref()).map_or("anonymous".to_owned(), Caller::arn_text);
        match answer.text().strip_prefix(&named) {
            Some(" may") => true,
            Some(" may not") => false,
            _ => panic!("not {named}: {}", answer.text()),
        }
    }
}

#[tokio::test]
async fn a_signature_is_for_one_path_in_its_one_spelling() {
    let scene = scene();
    let ann = scene.world.identities().user("ann", &[ALL]);
    let signed = scene.signed(&ann, "owned", "hatch");
    assert_eq!(
        scene.world.send(&signed).await.text(),
        "arn:aws:iam::123456789012:user/ann may",
        "the path as it was signed"
    );
    // What is signed is the path without these, which is the same; what is routed is the path as it is sent.
    let other = ["/hatch/./owned", "/hatch//owned", "/hatch/cellar/../owned", "/hatch/cellar/%2E%2E/owned"];
    for target in other {
        let respelt = Request { target: target.to_owned(), ..signed.clone() };
        let answer = scene.world.send(&respelt).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{target}: {}", answer.text());
    }
    // Who signs nothing is nobody, however it spells.
    scene.policies(None, Some(&everybody("Allow")));
    for target in other.into_iter().chain(["/hatch/owned"]) {
        let answer = scene.world.send(&Request::new(Method::GET, target)).await;
        assert_eq!(answer.text(), "anonymous may", "{target}");
    }
}

#[tokio::test]
async fn a_signature_for_another_service_or_of_another_key_identifies_nobody() {
    let scene = scene();
    scene.policies(None, Some(&everybody("Allow")));
    let ann = scene.world.identities().user("ann", &[ALL]);
    let eve = Credentials::new(ann.access_key_id.clone(), "guessed");
    let unknown = Credentials::new("AKIAXXXXXXXXXXXXXXXX", "secret");
    for (who, service) in [(&ann, "toys"), (&eve, "hatch"), (&unknown, "hatch")] {
        let answer = scene.world.send(&scene.signed(who, "owned", service)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text());
    }
    assert!(scene.may(Some(&ann), "owned").await);
}

#[tokio::test]
async fn a_plane_sees_the_body_that_was_signed_and_no_other() {
    let scene = scene();
    let ann = scene.world.identities().user("ann", &[]);
    let sent = Request::new(Method::POST, "/hatch/echo").body("a ball");
    let signed = sent.signed(&ann, "hatch", "us-east-1", scene.world.now());
    assert_eq!(scene.world.send(&signed).await.text(), "a ball");
    let other = scene.world.send(&signed.body("a bear")).await;
    assert_eq!(other.status, StatusCode::FORBIDDEN, "{}", other.text());
}

#[tokio::test]
async fn what_is_asked_of_the_owner_is_decided_with_the_owners_policy() {
    let scene = scene();
    let ann = scene.world.identities().user("ann", &[ALL]);
    let nobody = scene.world.identities().user("nobody", &[OTHERS]);
    // The hatch's own policy is not asked.
    for (owned, of_ann, of_nobody, of_strangers) in [
        (None, true, false, false),
        (Some(everybody("Allow")), true, true, true),
        (Some(everybody("Deny")), false, false, false),
    ] {
        let given = if of_nobody { everybody("Deny") } else { everybody("Allow") };
        scene.policies(Some(&given), owned.as_deref());
        assert_eq!(scene.may(Some(&ann), "owned").await, of_ann, "{owned:?}");
        assert_eq!(scene.may(Some(&nobody), "owned").await, of_nobody, "{owned:?}");
        assert_eq!(scene.may(None, "owned").await, of_strangers, "{owned:?}");
    }
}

#[tokio::test]
async fn what_is_asked_with_a_policy_is_decided_with_that_and_with_the_callers_own() {
    let scene = scene();
    let ann = scene.world.identities().user("ann", &[ALL]);
    let nobody = scene.world.identities().user("nobody", &[OTHERS]);
    let banned = scene.world.identities().user("banned", &[NONE]);
    // The owner's policy is not asked.
    for (given, of_ann, of_nobody) in
        [(None, true, false), (Some(everybody("Allow")), true, true), (Some(everybody("Deny")), false, false)]
    {
        let owned = if of_nobody { everybody("Deny") } else { everybody("Allow") };
        scene.policies(given.as_deref(), Some(&owned));
        assert_eq!(scene.may(Some(&ann), "given").await, of_ann, "{given:?}");
        assert_eq!(scene.may(Some(&nobody), "given").await, of_nobody, "{given:?}");
        assert_eq!(scene.may(None, "given").await, of_nobody, "{given:?}");
        assert!(!scene.may(Some(&banned), "given").await, "{given:?}");
    }
}

#[tokio::test]
async fn a_policy_counts_by_the_rule_it_is_given_with() {
    let scene = scene();
    let ann = scene.world.identities().user("ann", &[ALL]);
    let everybody = r#""Principal":"*""#;
    let bob = r#""Principal":{"AWS":"arn:aws:iam::123456789012:user/bob"}"#;
    let bobs = self::everybody("Allow").replace(everybody, bob);
    scene.policies(Some(&bobs), None);
    assert!(scene.may(Some(&ann), "given").await, "her own policies allow it");
    assert!(!scene.may(Some(&ann), "trusting").await, "the policy does not say so, and no other can");
}

#[tokio::test]
async fn what_one_policy_alone_says_is_what_it_says() {
    let scene = scene();
    let ann = scene.world.identities().user("ann", &[ALL]);
    let nobody = scene.world.identities().user("nobody", &[OTHERS]);
    for (alone, says) in [(ALL, true), (NONE, false), (OTHERS, false)] {
        // Neither the owner's policy nor the caller's own adds anything.
        scene.policies(Some(alone), Some(&everybody(if says { "Deny" } else { "Allow" })));
        for who in [Some(&ann), Some(&nobody), None] {
            assert_eq!(scene.may(who, "alone").await, says, "{alone}");
        }
    }
}

#[tokio::test]
async fn a_decision_is_on_record_with_what_was_asked() {
    let scene = scene();
    let nobody = scene.world.identities().user("nobody", &[OTHERS]);
    scene.policies(Some(OTHERS), None);
    for way in ["owned", "given-to-nobody"] {
        assert!(!scene.may(Some(&nobody), way).await);
        let record = scene.world.last_record();
        let asked: Vec<_> =
            record.asks.iter().map(|ask| (ask.action.as_str(), ask.resource.as_str())).collect();
        assert_eq!(asked, [("toys:MakeToy", scene.toy().as_str())], "{way}");
        assert!(record.decision.is_some(), "{way}");
        assert_eq!(record.caller, "arn:aws:iam::123456789012:user/nobody");
    }
}

#[tokio::test]
async fn a_plane_calls_what_it_is_trusted_with_for_itself_and_for_nobody_else() {
    let scene = scene();
    let get = |way: &str| Request::new(Method::GET, &format!("/hatch/{way}"));
    for way in ["for-caller", "for-itself", "untrusted"] {
        let before = scene.world.digest();
        let answer = scene.world.send(&get(way)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{way}: {}", answer.text());
        assert_eq!(scene.world.digest(), before, "{way}: refused, yet something happened");
    }
    scene.policies(None, Some(&everybody("Allow")));
    for (way, fine) in [("for-caller", false), ("untrusted", false), ("for-itself", true)] {
        let answer = scene.world.send(&get(way)).await;
        assert_eq!(answer.status.is_success(), fine, "{way}: {}", answer.text());
    }
}
