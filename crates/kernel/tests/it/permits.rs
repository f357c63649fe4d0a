//! What a permit is good for: the very action on the very resource that was admitted; and which services a role trusts.

use std::sync::Arc;

use casemate_kernel::{RoleFacts, SessionRequest, bind};
use casemate_names::{AccountId, Arn};
use casemate_testkit::{Credentials, World};

use crate::toys::{Lend, builder_of, toy, world, world_of};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
/// Trusts the home account in every way there is.
const TRUSTS_ACCOUNT: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":["sts:AssumeRole","sts:AssumeRoleWithWebIdentity","sts:TagSession"],"Principal":{"AWS":"123456789012"}}]}"#;

async fn lends(world: &World, who: &Credentials, name: &str) -> bool {
    let before = world.digest();
    let answer = world.call(who, "toys", "Lend", toy(name)).await;
    if answer.status.is_success() {
        return true;
    }
    assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"), "{name}: {}", answer.text());
    assert!(answer.text().contains("was not admitted to assume this role"), "{name}: {}", answer.text());
    assert_eq!(world.digest(), before, "{name}: refused, yet something happened");
    false
}

#[tokio::test]
async fn a_session_is_made_for_who_was_admitted_to_assume_that_very_role() {
    let world = world_of(|toys| vec![bind::<Lend, _>(toys)]);
    for role in ["lent", "other"] {
        world.identities().role(role, &[ALL], Some(TRUSTS_ACCOUNT));
    }
    let ann = world.identities().user("ann", &[ALL]);
    assert!(lends(&world, &ann, "Assume-01").await);
    for name in ["Other-01", "Borrow-01", "Both-01", "Federated-01", "Nothing-01"] {
        assert!(!lends(&world, &ann, name).await, "{name}");
    }
}

#[tokio::test]
async fn a_permit_is_for_each_action_on_its_own_resource_only() {
    let (builder, shelf) = builder_of(|toys| vec![bind::<Lend, _>(toys)]);
    let world = builder.start();
    for role in ["lent", "other"] {
        world.identities().role(role, &[ALL], Some(TRUSTS_ACCOUNT));
    }
    let ann = world.identities().user("ann", &[ALL]);
    let role = |name: &str| Arn::global(world.scope(), "iam", &format!("role/{name}"));
    shelf.questions(vec![
        ("sts:AssumeRole", role("other")),
        ("toys:Borrow", role("lent")),
        // Each half was admitted, with another half.
        ("sts:AssumeRole", role("lent")),
        ("toys:Borrow", role("other")),
        ("sts:TagSession", role("other")),
        ("sts:AssumeRole", role("else")),
        ("STS:AssumeRole", role("other")),
        ("sts:AssumeRole", role("Other")),
    ]);
    assert!(!lends(&world, &ann, "Both-01").await);
    assert_eq!(shelf.answers(), [true, true, false, false, false, false, false, false]);
}

fn trusting(world: &World, name: &str, condition: &str) -> Arc<RoleFacts> {
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"sts:AssumeRole",
            "Principal":{{"Service":"testkit.amazonaws.com"}}{condition}}}}}"#
    );
    world.identities().role(name, &[ALL], Some(&trust))
}

#[tokio::test]
async fn a_service_is_trusted_by_name_and_for_the_source_the_role_names() {
    let (world, _) = world();
    let sessions = world.env().sessions().unwrap();
    let mine = Arn::regional(world.scope(), "testkit", "thing");
    let elsewhere = Arn::from_parts(["aws", "testkit", "us-east-1", "210987654321", "thing"]);
    let trusts = |role: &RoleFacts, source: &Arn| sessions.check_trust(role, source, world.now()).is_ok();

    let any = trusting(&world, "any", "");
    assert!(trusts(&any, &mine) && trusts(&any, &elsewhere));
    let of_account = trusting(
        &world,
        "of-account",
        r#","Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"}}"#,
    );
    assert!(trusts(&of_account, &mine) && !trusts(&of_account, &elsewhere));
    let arn = mine.as_str();
    let of_source = trusting(
        &world,
        "of-source",
        &format!(r#","Condition":{{"ArnEquals":{{"aws:SourceArn":"{arn}"}}}}"#),
    );
    assert!(trusts(&of_source, &mine) && !trusts(&of_source, &elsewhere));
    let never = trusting(&world, "never", r#","Condition":{"Null":{"aws:SourceArn":"true"}}"#);
    assert!(!trusts(&never, &mine));
    let other = TRUSTS_ACCOUNT.replace(r#"{"AWS":"123456789012"}"#, r#"{"Service":"other.amazonaws.com"}"#);
    let other = world.identities().role("other", &[ALL], Some(&other));
    assert!(!trusts(&other, &mine));
}

#[tokio::test]
async fn revoked_credentials_are_refused_at_the_next_request() {
    let (world, _) = world();
    let role = trusting(&world, "worker", "");
    let sessions = world.env().sessions().unwrap();
    let (kept, revoked) = (world.session(&role, 900, None).await, world.session(&role, 900, None).await);
    for who in [&kept, &revoked] {
        let answer = world.call(who, "toys", "MakeToy", toy("ball-01")).await;
        assert!(answer.status.is_success(), "{}", answer.text());
    }
    sessions.revoke(&revoked.access_key_id).await.unwrap();
    let answer = world.call(&revoked, "toys", "MakeToy", toy("ball-01")).await;
    assert_eq!(answer.code().as_deref(), Some("UnrecognizedClientException"), "{}", answer.text());
    let answer = world.call(&kept, "toys", "MakeToy", toy("ball-01")).await;
    assert!(answer.status.is_success(), "{}", answer.text());
}

#[tokio::test]
async fn an_access_key_is_its_owners_accounts() {
    let (world, _) = world();
    let sessions = world.env().sessions().unwrap();
    let role = trusting(&world, "worker", "");
    let session = world.session(&role, 900, None).await;
    let foreign = world.identities().user_of(&world.other_account(), "eve", &[ALL], None);
    let of = |key: &str| {
        sessions.account_of_key(key).unwrap().map(|account: AccountId| account.as_str().to_owned())
    };
    assert_eq!(of(&session.access_key_id).as_deref(), Some("123456789012"));
    assert_eq!(of(&foreign.access_key_id).as_deref(), Some("210987654321"));
    assert_eq!(of("AKIANOBODY"), None);
    assert_eq!(of("ASIANOBODY"), None);
}

#[tokio::test]
async fn a_role_is_remembered_by_its_unique_id() {
    let (world, _) = world();
    let sessions = world.env().sessions().unwrap();
    let role = trusting(&world, "worker", "");
    assert_eq!(sessions.unique_id(&role.arn).unwrap().as_deref(), Some(role.unique_id.as_str()));
    let nobody = Arn::global(world.scope(), "iam", "role/nobody");
    assert_eq!(sessions.unique_id(&nobody).unwrap(), None);
}

/// Trusts nobody who asks here.
const TRUSTS_OTHERS: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"210987654321"}}}"#;

#[tokio::test]
async fn a_role_made_again_after_its_namesake_was_judged_is_lent_to_nobody() {
    let (builder, shelf) = builder_of(|toys| vec![bind::<Lend, _>(toys)]);
    let world = builder.start();
    let people = world.shared_identities();
    let ann = people.user("ann", &[ALL]);
    // Whatever the new role trusts: nobody has asked it.
    for trust in [TRUSTS_OTHERS, TRUSTS_ACCOUNT] {
        people.role("lent", &[ALL], Some(TRUSTS_ACCOUNT));
        let again = Arc::clone(&people);
        shelf.before_lending(move || {
            again.role("lent", &[ALL], Some(trust));
        });
        let before = world.digest();
        let answer = world.call(&ann, "toys", "Lend", toy("Assume-01")).await;
        assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"), "{}", answer.text());
        let text = "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: sts:AssumeRole on \
                    resource: arn:aws:iam::123456789012:role/lent";
        assert_eq!(answer.message(), text);
        assert_eq!(world.digest(), before, "refused, yet something happened");
    }
    // The next request asks the new one.
    assert!(lends(&world, &ann, "Assume-01").await);
}

#[tokio::test]
async fn a_role_made_again_between_two_asks_of_a_call_is_lent_to_nobody() {
    let (builder, shelf) = builder_of(|toys| vec![bind::<Lend, _>(toys)]);
    let world = builder.start();
    let people = world.shared_identities();
    let ann = people.user("ann", &[ALL]);
    people.role("lent", &[ALL], Some(TRUSTS_ACCOUNT));
    assert!(lends(&world, &ann, "Twice-01").await);
    // The first ask is judged by the old role, what comes between makes the new one, and the second is judged by that.
    let again = Arc::clone(&people);
    shelf.before_policy_of("toy/between", move || {
        again.role("lent", &[ALL], Some(TRUSTS_ACCOUNT));
    });
    let answer = world.call(&ann, "toys", "Lend", toy("Twice-01")).await;
    assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"), "{}", answer.text());
    assert!(lends(&world, &ann, "Twice-01").await);
}

#[tokio::test]
async fn a_service_is_not_trusted_with_a_role_by_what_its_namesake_says() {
    let (world, _) = world();
    let sessions = world.env().sessions().unwrap();
    let mine = Arn::regional(world.scope(), "testkit", "thing");
    let old = trusting(&world, "worker", "");
    assert!(sessions.check_trust(&old, &mine, world.now()).is_ok());
    let new = trusting(&world, "worker", "");
    let refused = sessions.check_trust(&old, &mine, world.now()).unwrap_err();
    let text = "User: testkit.amazonaws.com is not authorized to perform: sts:AssumeRole on resource: \
                arn:aws:iam::123456789012:role/worker";
    assert_eq!(refused.message(), text);
    assert!(sessions.check_trust(&new, &mine, world.now()).is_ok());
    let before = world.digest();
    let request = |role| SessionRequest {
        role,
        session_name: "s".to_owned(),
        duration_s: 900,
        policies: None,
        tags: Vec::new(),
        transitive_tags: Vec::new(),
        source_identity: None,
        bound_to: None,
        source_function: None,
    };
    assert!(sessions.mint_for_service(request(old), &mine, world.now()).await.is_err());
    assert_eq!(world.digest(), before, "refused, yet something happened");
    let made = sessions.mint_for_service(request(Arc::clone(&new)), &mine, world.now()).await.unwrap();
    assert_eq!(made.session.role_unique_id, new.unique_id);
}
