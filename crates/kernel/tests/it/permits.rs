//! What a permit is good for: the very action on the very resource that was admitted; and which services a role trusts.

use std::sync::Arc;

use casemate_kernel::{RoleFacts, bind};
use casemate_names::{AccountId, Arn};
use casemate_testkit::{Credentials, World};

use crate::toys::{Lend, toy, world, world_of};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
/// Trusts the home account in every way there is.
const TRUSTS_ACCOUNT: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Action":["sts:AssumeRole","sts:AssumeRoleWithWebIdentity"],"Principal":{"AWS":"123456789012"}}]}"#;

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
