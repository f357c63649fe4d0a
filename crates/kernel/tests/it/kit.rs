//! The kit itself: operations that are guarded well pass the generated refusals, and ones that are guarded badly are
//! found.

use casemate_kernel::{Peer, bind};
use casemate_names::Arn;
use casemate_schema::Document;
use casemate_testkit::{access_table, no_hints, refusals};

use crate::toys::{ActFirst, AskNothing, toy, world, world_of};

#[tokio::test]
async fn well_guarded_operations_pass_every_way() {
    let (world, _) = world();
    // The shop's order is refused by the toy it orders in turn; that is no failure of its own guard.
    let found = refusals(&world, &no_hints).await;
    assert_eq!(found, Vec::<String>::new());
}

#[tokio::test]
async fn an_operation_that_asks_for_nothing_is_found() {
    let found = refusals(&world_of(|toys| vec![bind::<AskNothing, _>(toys)]), &no_hints).await;
    assert!(found.iter().any(|failure| failure.contains("asks for nothing")), "{found:?}");
}

#[tokio::test]
async fn an_operation_that_acts_before_it_is_admitted_is_found() {
    let found = refusals(&world_of(|toys| vec![bind::<ActFirst, _>(toys)]), &no_hints).await;
    assert!(found.iter().any(|failure| failure.contains("store has changed")), "{found:?}");
}

#[tokio::test]
async fn the_access_table_shows_templates_and_reasons() {
    let (world, _) = world();
    let table = access_table(&world, &no_hints);
    for line in [
        "toys:MakeToy allow toys:MakeToy on arn:aws:toys:{region}:{account}:toy/{Name}",
        "toys:WhoPlays identified: everybody may know who they are",
        "toys:LookAround public: the shop window",
    ] {
        assert!(table.lines().any(|l| l == line), "{line}\n{table}");
    }
}

#[tokio::test]
async fn a_stranger_may_look_around_but_not_make_toys() {
    let (world, _) = world();
    let seen = world.call_unsigned("toys", "LookAround", toy("ball-01")).await;
    assert_eq!(seen.status, 200, "{}", seen.text());
    let refused = world.call_unsigned("toys", "MakeToy", toy("ball-01")).await;
    assert_eq!(refused.code().as_deref(), Some("MissingAuthenticationTokenException"));
}

#[tokio::test]
async fn a_caller_without_rights_learns_nothing_of_validity() {
    let (world, _) = world();
    let nobody = world.identities().user("nobody", &[]);
    let answer = world.call(&nobody, "toys", "MakeToy", toy("!")).await;
    assert_eq!(answer.code().as_deref(), Some("AccessDeniedException"));
    let root = world.identities().root();
    let answer = world.call(&root, "toys", "MakeToy", toy("!")).await;
    assert_eq!(answer.code().as_deref(), Some("ValidationException"));
}

#[tokio::test]
async fn two_worlds_answer_with_the_same_bytes() {
    let mut transcripts = Vec::new();
    for _ in 0..2 {
        let (world, _) = world();
        let root = world.identities().root();
        let request = world.request(&root, "toys", "MakeToy", &toy("ball-01"));
        transcripts.push(world.transcript(&request).await);
    }
    assert_eq!(transcripts.first(), transcripts.last());
    assert!(transcripts.iter().all(|transcript| transcript.contains("ball-01")));
}

#[tokio::test]
async fn bound_credentials_are_worthless_elsewhere_and_raise_an_alarm() {
    let (world, _) = world();
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let role = world.identities().role("function", &[policy], None);
    let stolen = world.bound_session(&role, 900, None, Some("environment-1")).await;
    let before = world.digest();
    let answer = world.call(&stolen, "toys", "MakeToy", toy("ball-01")).await;
    assert_eq!(answer.code().as_deref(), Some("UnrecognizedClientException"));
    let record = world.last_record();
    assert!(record.alarm.is_some_and(|alarm| alarm.contains("leaked")));
    assert_eq!(record.access_key_id.as_ref(), Some(&stolen.access_key_id), "whose they are is on record");
    assert_eq!(world.digest(), before);

    let function = Arn::regional(world.scope(), "lambda", "function:f");
    let request = world.request(&stolen, "toys", "MakeToy", &toy("ball-01"));
    for (id, fine) in [("environment-2", false), ("environment-1", true)] {
        let peer = Peer::Environment { id: id.to_owned(), function: function.clone(), at_work: true };
        assert_eq!(world.send_from(peer, &request).await.status.is_success(), fine, "{id}");
    }
}

#[tokio::test]
async fn a_decoy_is_refused_as_an_unknown_key_and_raises_an_alarm_wherever_it_is_used() {
    let (world, _) = world();
    let decoy = world.env().plant_decoy("the cellar".to_owned()).unwrap();
    assert!(!format!("{decoy:?}").contains(decoy.access_key_id()));
    let with = |id: &str, secret: &str| casemate_testkit::Credentials {
        access_key_id: id.to_owned(),
        secret: casemate_names::Secret::new(secret.to_owned()),
        ..world.identities().root()
    };
    let (id, secret) = (decoy.access_key_id().to_owned(), decoy.secret_access_key().expose().clone());
    let before = world.digest();
    // With its own secret, and with a guessed one; each answer is that of a key nobody knows.
    let unknown = world.call(&with("AKIAUNKNOWN000000000", "x"), "toys", "MakeToy", toy("ball-01")).await;
    assert!(world.last_record().alarm.is_none());
    for secret in [secret.as_str(), "guessed"] {
        let answer = world.call(&with(&id, secret), "toys", "MakeToy", toy("ball-01")).await;
        assert_eq!((answer.status, answer.code()), (unknown.status, unknown.code()));
        let alarm = world.last_record().alarm.unwrap();
        assert!(alarm.contains("the decoy key of the cellar was used from"), "{alarm}");
    }
    assert_eq!(world.digest(), before);
    // Others are not mistaken for it, and two are not the same.
    let other = world.env().plant_decoy("the attic".to_owned()).unwrap();
    assert_ne!(other.access_key_id(), id);
    // Also when it lies there no more, and where nobody could serve the request.
    drop(decoy);
    world.call(&with(&id, &secret), "toys", "MakeToy", toy("ball-01")).await;
    assert!(world.last_record().alarm.is_some());
    let request = world.request(&with(&id, &secret), "toys", "MakeToy", &toy("ball-01"));
    let mut nowhere = request.clone();
    for (name, value) in &mut nowhere.headers {
        if name == "x-amz-target" {
            *value = http::HeaderValue::from_static("Toys.NoSuchThing");
        }
    }
    assert!(!world.send(&nowhere).await.status.is_success());
    assert!(world.last_record().alarm.is_some());
    // Nor does a listener have to let it through.
    let peer = Peer::Environment {
        id: "environment-1".to_owned(),
        function: Arn::parse("arn:aws:lambda:us-east-1:123456789012:function:f").unwrap(),
        at_work: true,
    };
    world.kernel.refused(&peer, &request.incoming().head, 413, "too large");
    assert!(world.last_record().alarm.is_some());
}

#[tokio::test]
async fn an_unknown_operation_is_refused_and_recorded() {
    let (world, _) = world();
    let root = world.identities().root();
    let mut request = world.request(&root, "toys", "MakeToy", &Document::empty());
    for (name, value) in &mut request.headers {
        if name == "x-amz-target" {
            *value = http::HeaderValue::from_static("Toys.NoSuchThing");
        }
    }
    let before = world.audit.len();
    let answer = world.send(&request).await;
    assert_eq!(answer.code().as_deref(), Some("UnknownOperationException"));
    assert_eq!(world.audit.len(), before + 1);
}
