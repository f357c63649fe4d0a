//! Ceilings at the gate: what an organisation of accounts forbids is refused whatever the account's own policies say, a
//! closed account is closed, and what cannot be found out lets nobody in.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use casemate_kernel::{
    Assembly, Ceilings, Fault, Membership, bind,
    policy::{Kind, NamedPolicy, Policy},
};
use casemate_names::{AccountId, Arn};
use casemate_testkit::{Credentials, Response, World};

use crate::toys::{LookAround, MakeToy, PeekAt, PickUpToy, Shelf, WhoPlays, builder_of, toy};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
const NO_MAKING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
    {"Effect":"Deny","Action":"toys:MakeToy","Resource":"*"}]}"#;
/// Allows nothing that is asked here.
const OTHER_THINGS: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"moon:*","Resource":"*"}}"#;
const OPEN: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}}"#;
const NOBODY_MAKES: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"toys:MakeToy","Resource":"*"}}"#;
const NOBODY_DOES: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}"#;
const TRUSTS_KIT: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"testkit.amazonaws.com"}}}"#;

const BALL: &str = "ball-01";

/// Organisations that tests arrange.
#[derive(Debug, Default)]
struct Club {
    members: Mutex<BTreeMap<String, Arc<Membership>>>,
    ungoverned: Mutex<bool>,
    lost: Mutex<bool>,
}

impl Ceilings for Club {
    fn membership(&self, account: &AccountId) -> Result<Option<Arc<Membership>>, Fault> {
        if *self.lost.lock().unwrap() {
            return Err(Fault::broken("the list of members is lost"));
        }
        Ok(self.members.lock().unwrap().get(account.as_str()).cloned())
    }

    fn governs(&self, action: &str) -> bool {
        !*self.ungoverned.lock().unwrap() && action.starts_with("toys:")
    }
}

impl Club {
    fn put(&self, account: &AccountId, organization: &str, service: &[&[&str]], resource: &[&[&str]]) {
        self.set(account, organization, service, resource, false);
    }

    fn set(
        &self,
        account: &AccountId,
        organization: &str,
        service: &[&[&str]],
        resource: &[&[&str]],
        closed: bool,
    ) {
        let membership = Membership {
            organization: organization.to_owned(),
            path: format!("{organization}/r-1/"),
            service_control: levels(service, Kind::ServiceControl),
            resource_control: levels(resource, Kind::ResourceControl),
            closed,
            ..Membership::default()
        };
        self.members.lock().unwrap().insert(account.as_str().to_owned(), Arc::new(membership));
    }
}

fn levels(texts: &[&[&str]], kind: Kind) -> Vec<Vec<NamedPolicy>> {
    let named = |text: &&str| NamedPolicy {
        name: "ceiling".into(),
        policy: Arc::new(Policy::parse(text, kind).unwrap()),
    };
    texts.iter().map(|level| level.iter().map(named).collect()).collect()
}

fn world() -> (World, Arc<Club>, Arc<Shelf>) {
    let (builder, shelf) = builder_of(|toys| {
        vec![
            bind::<MakeToy, _>(toys),
            bind::<PickUpToy, _>(toys),
            bind::<WhoPlays, _>(toys),
            bind::<LookAround, _>(toys),
            bind::<PeekAt, _>(toys),
        ]
    });
    let club = Arc::<Club>::default();
    let ceilings = Arc::clone(&club) as Arc<dyn Ceilings>;
    let open = move |_: &_| Ok(Assembly { ceilings: Some(ceilings), ..Assembly::default() });
    (builder.service("club", "club.amazonaws.com", open).start(), club, shelf)
}

fn home(world: &World) -> AccountId {
    world.scope().account.clone()
}

fn ball(world: &World) -> Arn {
    Arn::regional(world.scope(), "toys", &format!("toy/{BALL}"))
}

async fn make(world: &World, who: &Credentials) -> Response {
    world.call(who, "toys", "MakeToy", toy(BALL)).await
}

async fn refused(world: &World, who: &Credentials) -> Response {
    let before = world.digest();
    let answer = make(world, who).await;
    assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"), "{}", answer.text());
    assert_eq!(world.digest(), before, "refused, yet something happened");
    answer
}

async fn allowed(world: &World, who: &Credentials) {
    let answer = make(world, who).await;
    assert!(answer.status.is_success(), "{}", answer.text());
}

async fn session(world: &World, role: &str) -> Credentials {
    let role = world.identities().role(role, &[ALL], Some(TRUSTS_KIT));
    world.session(&role, 900, None).await
}

/// One of each kind of principal that a service control policy binds.
async fn principals(world: &World) -> Vec<Credentials> {
    let ids = world.identities();
    vec![ids.root(), ids.user("ann", &[ALL]), session(world, "worker").await]
}

#[tokio::test]
async fn service_control_policies_bind_everybody_of_the_account() {
    let (world, club, _) = world();
    let home = home(&world);
    for who in principals(&world).await {
        club.put(&home, "o-1", &[&[ALL], &[ALL]], &[]);
        allowed(&world, &who).await;
        // A denial at any level; and each level must allow, of which no policy at all is none.
        for levels in [
            [&[NO_MAKING][..], &[ALL]],
            [&[ALL], &[ALL, NO_MAKING]],
            [&[ALL], &[OTHER_THINGS]],
            [&[ALL], &[]],
        ] {
            club.put(&home, "o-1", &levels, &[]);
            refused(&world, &who).await;
        }
        // Within a level one policy that allows is enough.
        club.put(&home, "o-1", &[&[ALL], &[OTHER_THINGS, ALL]], &[]);
        allowed(&world, &who).await;
    }
}

#[tokio::test]
async fn a_grant_by_the_resource_does_not_lift_a_ceiling() {
    let (world, club, shelf) = world();
    shelf.policy(&ball(&world), OPEN);
    let nobody = world.identities().user("nobody", &[]);
    allowed(&world, &nobody).await;
    club.put(&home(&world), "o-1", &[&[NO_MAKING]], &[]);
    refused(&world, &nobody).await;
    club.put(&home(&world), "o-1", &[&[ALL]], &[&[NOBODY_MAKES]]);
    refused(&world, &nobody).await;
}

#[tokio::test]
async fn resource_control_policies_bind_strangers_and_those_of_other_accounts_too() {
    let (world, club, shelf) = world();
    shelf.policy(&ball(&world), OPEN);
    let foreign = world.identities().user_of(&world.other_account(), "eve", &[ALL], None);
    let everybody = |mut of_home: Vec<Credentials>| {
        of_home.push(foreign.clone());
        of_home
    };
    let everybody = everybody(principals(&world).await);
    for who in &everybody {
        allowed(&world, who).await;
    }
    club.put(&home(&world), "o-1", &[&[ALL]], &[&[NOBODY_MAKES]]);
    for who in &everybody {
        refused(&world, who).await;
    }
    let before = world.digest();
    let stranger = world.call_unsigned("toys", "MakeToy", toy(BALL)).await;
    assert!(stranger.status.is_client_error(), "{}", stranger.text());
    assert_eq!(world.digest(), before);
    // The ceilings of the caller's own account are not those of the resource.
    club.put(&home(&world), "o-1", &[&[ALL]], &[]);
    club.put(&world.other_account(), "o-2", &[&[ALL]], &[&[NOBODY_MAKES]]);
    allowed(&world, &foreign).await;
}

#[tokio::test]
async fn the_service_control_of_the_callers_account_counts_not_that_of_the_resources() {
    let (world, club, shelf) = world();
    shelf.policy(&ball(&world), OPEN);
    let foreign = world.identities().user_of(&world.other_account(), "eve", &[ALL], None);
    club.put(&home(&world), "o-1", &[&[NO_MAKING]], &[]);
    club.put(&world.other_account(), "o-1", &[&[ALL]], &[]);
    allowed(&world, &foreign).await;
    club.put(&home(&world), "o-1", &[&[ALL]], &[]);
    club.put(&world.other_account(), "o-1", &[&[NO_MAKING]], &[]);
    refused(&world, &foreign).await;
}

#[tokio::test]
async fn resource_control_is_for_the_actions_it_governs() {
    let (world, club, _) = world();
    let ann = world.identities().user("ann", &[ALL]);
    club.put(&home(&world), "o-1", &[&[ALL]], &[&[NOBODY_MAKES]]);
    refused(&world, &ann).await;
    *club.ungoverned.lock().unwrap() = true;
    allowed(&world, &ann).await;
}

#[tokio::test]
async fn no_ceiling_limits_a_service_linked_role_and_only_its_own_path_makes_it_one() {
    let (world, club, _) = world();
    let linked = session(&world, "aws-service-role/toys.amazonaws.com/Linked").await;
    let lookalikes = [
        session(&world, "team/aws-service-role/toys.amazonaws.com/Linked").await,
        session(&world, "aws-service-roleX/Linked").await,
        session(&world, "aws-service-role").await,
    ];
    let home = home(&world);
    for (service, resource) in [(&[NO_MAKING][..], &[][..]), (&[ALL][..], &[NOBODY_MAKES][..])] {
        club.put(&home, "o-1", &[service], &[resource]);
        allowed(&world, &linked).await;
        for who in &lookalikes {
            refused(&world, who).await;
        }
    }
    club.set(&home, "o-1", &[&[NO_MAKING]], &[&[NOBODY_DOES]], true);
    refused(&world, &linked).await;
}

#[tokio::test]
async fn a_closed_account_is_closed_to_everybody_and_for_everything() {
    let (world, club, shelf) = world();
    shelf.policy(&ball(&world), OPEN);
    let home = home(&world);
    let foreign = world.identities().user_of(&world.other_account(), "eve", &[ALL], None);
    let ann = world.identities().user("ann", &[ALL]);
    let known = world.call(&ann, "toys", "WhoPlays", toy(BALL)).await;
    assert!(known.status.is_success(), "{}", known.text());
    let peek = world.call_unsigned("toys", "PeekAt", toy(BALL)).await;
    assert!(peek.status.is_success(), "{}", peek.text());

    *club.ungoverned.lock().unwrap() = true;
    club.set(&home, "o-1", &[&[ALL]], &[&[NOBODY_DOES]], true);
    let before = world.digest();
    // Its resources, to others, also where no ceiling governs the action.
    refused(&world, &foreign).await;
    // Its own principals, also where no policy is asked.
    let known = world.call(&ann, "toys", "WhoPlays", toy(BALL)).await;
    assert_eq!(known.code().as_deref(), Some("UnrecognizedClientException"), "{}", known.text());
    // What is open to everybody.
    let peek = world.call_unsigned("toys", "PeekAt", toy(BALL)).await;
    assert_eq!(peek.code().as_deref(), Some("AccessDeniedException"), "{}", peek.text());
    assert_eq!(world.digest(), before);
    // What names nothing of the account stays open.
    let around = world.call_unsigned("toys", "LookAround", toy(BALL)).await;
    assert!(around.status.is_success(), "{}", around.text());
}

#[tokio::test]
async fn where_members_cannot_be_looked_up_nobody_gets_in() {
    let (world, club, shelf) = world();
    shelf.policy(&ball(&world), OPEN);
    let everybody = principals(&world).await;
    *club.lost.lock().unwrap() = true;
    let before = world.digest();
    for who in everybody {
        for operation in ["MakeToy", "WhoPlays"] {
            let answer = world.call(&who, "toys", operation, toy(BALL)).await;
            assert!(answer.status.is_server_error(), "{operation}: {}", answer.text());
            assert!(!answer.text().contains("lost"), "{}", answer.text());
        }
    }
    let peek = world.call_unsigned("toys", "PeekAt", toy(BALL)).await;
    assert!(peek.status.is_server_error(), "{}", peek.text());
    assert_eq!(world.digest(), before);
}

#[tokio::test]
async fn the_organisations_of_both_sides_are_condition_keys() {
    let (world, club, shelf) = world();
    let foreign = world.identities().user_of(&world.other_account(), "eve", &[ALL], None);
    let (home, other) = (home(&world), world.other_account());
    let ours = OPEN.replace(
        r#""Resource":"*""#,
        r#""Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}"#,
    );
    shelf.policy(&ball(&world), &ours);
    refused(&world, &foreign).await;
    club.put(&other, "o-2", &[&[ALL]], &[]);
    club.put(&home, "o-1", &[&[ALL]], &[]);
    refused(&world, &foreign).await;
    club.put(&other, "o-1", &[&[ALL]], &[]);
    allowed(&world, &foreign).await;

    let only_there = ALL.replace(
        r#""Resource":"*""#,
        r#""Resource":"*","Condition":{"StringEquals":{"aws:ResourceOrgID":"o-1"}}"#,
    );
    let careful = world.identities().user_of(&other, "bob", &[&only_there], None);
    shelf.policy(&ball(&world), OPEN);
    allowed(&world, &careful).await;
    club.put(&home, "o-2", &[&[ALL]], &[]);
    refused(&world, &careful).await;
}

#[tokio::test]
async fn why_is_told_within_an_account_and_an_organisation_only() {
    let (world, club, _) = world();
    let foreign = world.identities().user_of(&world.other_account(), "eve", &[], None);
    let nobody = world.identities().user("nobody", &[]);
    let (home, other) = (home(&world), world.other_account());
    let tells = |answer: &Response| answer.text().contains("because");
    assert!(tells(&refused(&world, &nobody).await));
    assert!(!tells(&refused(&world, &foreign).await), "in no organisation at all");
    club.put(&home, "o-1", &[&[ALL]], &[]);
    assert!(!tells(&refused(&world, &foreign).await));
    club.put(&other, "o-2", &[&[ALL]], &[]);
    assert!(!tells(&refused(&world, &foreign).await), "in another");
    club.put(&other, "o-1", &[&[ALL]], &[]);
    assert!(tells(&refused(&world, &foreign).await), "in the same");
}

#[tokio::test]
async fn simulations_are_told_the_ceilings_that_the_gate_would_find() {
    let (world, club, _) = world();
    let (home, other) = (home(&world), world.other_account());
    club.put(&home, "o-1", &[&[ALL], &[NO_MAKING]], &[&[NOBODY_MAKES]]);
    let counts = |role: Option<&str>, action: &str, resource_account: Option<&AccountId>| {
        let bounds = world.env().bounds(&home, role, action, resource_account).unwrap();
        (
            bounds.membership().map(|member| member.organization.clone()),
            bounds.service_control().iter().map(Vec::len).collect::<Vec<_>>(),
            bounds.resource_control().iter().map(Vec::len).collect::<Vec<_>>(),
        )
    };
    let member = Some("o-1".to_owned());
    assert_eq!(counts(None, "toys:MakeToy", Some(&home)), (member.clone(), vec![1, 1], vec![1]));
    assert_eq!(counts(None, "moon:Land", Some(&home)), (member.clone(), vec![1, 1], vec![]));
    assert_eq!(counts(None, "toys:MakeToy", Some(&other)), (member.clone(), vec![1, 1], vec![]));
    assert_eq!(
        counts(Some("role/aws-service-role/x/y"), "toys:MakeToy", Some(&home)),
        (member, vec![], vec![])
    );
    let alone = world.env().bounds(&other, None, "toys:MakeToy", None).unwrap();
    assert!(alone.membership().is_none() && alone.service_control().is_empty());
}
