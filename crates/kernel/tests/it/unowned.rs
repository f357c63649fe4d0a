//! Resources whose ARN does not say whose they are: the owning service says so, and where it cannot, nobody gets in.

use casemate_kernel::{ResourceAccount, bind, policy::ResourceRule};
use casemate_names::AccountId;
use casemate_testkit::{Credentials, Response, World};

use crate::toys::{Shelf, ThrowToy, found_arn, toy, world, world_of};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
/// Lets everybody do everything, were it not for the account.
const OPEN: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}"#;

const TOY: &str = "ball-01";

async fn pick_up(world: &World, who: &Credentials) -> Response {
    world.call(who, "toys", "PickUpToy", toy(TOY)).await
}

/// The call is refused without a reason, and nothing happens.
async fn refused(world: &World, who: &Credentials) {
    let before = world.digest();
    let answer = pick_up(world, who).await;
    assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"), "{}", answer.text());
    assert!(!answer.text().contains("because") && !answer.text().contains(" with "), "{}", answer.text());
    assert_eq!(world.digest(), before, "refused, yet something happened");
}

async fn allowed(world: &World, who: &Credentials) {
    let answer = pick_up(world, who).await;
    assert!(answer.status.is_success(), "{}", answer.text());
}

fn another() -> ResourceAccount {
    ResourceAccount::Of(AccountId::parse("999988887777").unwrap())
}

fn mine(world: &World) -> ResourceAccount {
    ResourceAccount::Of(world.scope().account.clone())
}

fn everybody(world: &World) -> [Credentials; 2] {
    [world.identities().root(), world.identities().user("ann", &[ALL])]
}

fn open(shelf: &Shelf) {
    shelf.policy(&found_arn(TOY), OPEN);
}

#[tokio::test]
async fn resource_of_an_unknown_account_is_refused_to_everybody_whatever_the_policies_say() {
    let (world, shelf) = world();
    shelf.found(Some(ResourceAccount::Unknown));
    for who in everybody(&world) {
        refused(&world, &who).await;
    }
    open(&shelf);
    for who in everybody(&world) {
        refused(&world, &who).await;
    }
    let before = world.digest();
    let stranger = world.call_unsigned("toys", "PickUpToy", toy(TOY)).await;
    assert_eq!(stranger.code().as_deref(), Some("AccessDeniedException"), "{}", stranger.text());
    assert_eq!(world.digest(), before);
}

#[tokio::test]
async fn account_that_cannot_be_looked_up_is_a_refusal_without_details() {
    let (world, shelf) = world();
    open(&shelf);
    shelf.found(None);
    for who in everybody(&world) {
        let before = world.digest();
        let answer = pick_up(&world, &who).await;
        assert!(answer.status.is_server_error(), "{}", answer.text());
        assert!(!answer.text().contains("register"), "{}", answer.text());
        assert_eq!(world.digest(), before);
    }
}

#[tokio::test]
async fn resource_that_no_service_here_owns_is_refused() {
    let world = world_of(|toys| vec![bind::<ThrowToy, _>(toys)]);
    for who in everybody(&world) {
        let answer = world.call(&who, "toys", "ThrowToy", toy(TOY)).await;
        assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"), "{}", answer.text());
    }
}

#[tokio::test]
async fn own_resources_are_a_matter_of_the_callers_policies() {
    let (world, shelf) = world();
    let nobody = world.identities().user("nobody", &[]);
    for account in [mine(&world), ResourceAccount::Callers] {
        shelf.found(Some(account));
        for who in everybody(&world) {
            allowed(&world, &who).await;
        }
        let answer = pick_up(&world, &nobody).await;
        assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"));
        assert!(answer.text().contains("because no identity-based policy"), "{}", answer.text());
    }
}

#[tokio::test]
async fn resource_of_another_account_takes_a_grant_on_either_side() {
    let (world, shelf) = world();
    let ann = world.identities().user("ann", &[ALL]);
    let nobody = world.identities().user("nobody", &[]);
    shelf.found(Some(another()));
    refused(&world, &ann).await;
    refused(&world, &world.identities().root()).await;
    open(&shelf);
    allowed(&world, &ann).await;
    refused(&world, &nobody).await;
}

#[tokio::test]
async fn the_key_resource_account_is_what_the_service_says() {
    let (world, shelf) = world();
    open(&shelf);
    let only_mine = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"*","Resource":"*","Condition":{{
            "StringEquals":{{"aws:ResourceAccount":"{}"}}}}}}]}}"#,
        world.scope().account.as_str()
    );
    let ann = world.identities().user("ann", &[&only_mine]);
    shelf.found(Some(mine(&world)));
    allowed(&world, &ann).await;
    let careful = world.identities().user(
        "eve",
        &[ALL, &only_mine.replace("\"Allow\"", "\"Deny\"").replace("StringEquals", "StringNotEquals")],
    );
    allowed(&world, &careful).await;
    shelf.found(Some(another()));
    refused(&world, &ann).await;
    refused(&world, &careful).await;
}

#[tokio::test]
async fn how_a_policy_would_count_the_owner_says_and_nobody_else() {
    let (world, _) = world();
    for (resource, action, rule) in [
        ("arn:aws:toys:us-east-1:123456789012:toy/ball-01", "toys:Borrow", Some(ResourceRule::Trust)),
        ("arn:aws:toys:us-east-1:123456789012:toy/ball-01", "shop:Order", Some(ResourceRule::Ordinary)),
        ("*", "toys:Borrow", Some(ResourceRule::Both)),
        ("*", "SHOP:Order", Some(ResourceRule::Ordinary)),
        ("*", "moon:Land", None),
        ("arn:aws:moon:::crater", "toys:Borrow", None),
    ] {
        assert_eq!(world.env().resource_rule(resource, action).unwrap(), rule, "{action} on {resource}");
    }
}
