//! Credentials of a session: good with their own secret, and those of an execution environment on its own socket only.

use casemate_kernel::Peer;
use casemate_names::Arn;
use casemate_testkit::{Credentials, Request, Response, World};
use http::StatusCode;

use crate::toys::{toy, world};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;

async fn make(world: &World, who: &Credentials, peer: Peer) -> Response {
    let request = Request::of(world.operation("toys", "MakeToy"), &toy("ball-01"));
    world.send_from(peer, &request.signed(who, "toys", "us-east-1", world.now())).await
}

fn network() -> Peer {
    Peer::Network { address: ([203, 0, 113, 7], 50_000).into(), tls: true }
}

#[tokio::test]
async fn a_session_is_refused_without_its_own_secret() {
    let (world, _) = world();
    let role = world.identities().role("worker", &[ALL], None);
    let (own, other) = (world.session(&role, 900, None).await, world.session(&role, 900, None).await);
    let token = own.session_token.clone().unwrap();
    let guessed = Credentials::new(own.access_key_id.clone(), "guessed").with_token(token);
    let borrowed = Credentials { secret: other.secret.clone(), ..own.clone() };
    for wrong in [&guessed, &borrowed] {
        let before = world.digest();
        let answer = make(&world, wrong, network()).await;
        assert_eq!(answer.code().as_deref(), Some("InvalidSignatureException"), "{}", answer.text());
        assert_eq!(world.digest(), before, "refused, yet something happened");
    }
    assert_eq!(make(&world, &own, network()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_an_environment_was_given_is_good_on_its_own_socket_and_nowhere_else() {
    let (world, _) = world();
    let role = world.identities().role("worker", &[ALL], None);
    let function = Arn::regional(world.scope(), "lambda", "function:f");
    let of = |id: &str| Peer::Environment { id: id.to_owned(), function: function.clone(), at_work: true };
    let bound = world.bound_session(&role, 900, None, Some("env-1")).await;
    for elsewhere in [network(), of("env-2"), of("env-1x"), of(""), Peer::Internal] {
        let before = world.digest();
        let answer = make(&world, &bound, elsewhere).await;
        assert_eq!(answer.code().as_deref(), Some("UnrecognizedClientException"), "{}", answer.text());
        assert_eq!(world.digest(), before, "refused, yet something happened");
    }
    assert_eq!(make(&world, &bound, of("env-1")).await.status, StatusCode::OK);
    assert!(world.last_record().alarm.is_none());
    let before = world.digest();
    let idle = Peer::Environment { id: "env-1".to_owned(), function, at_work: false };
    let answer = make(&world, &bound, idle).await;
    assert_eq!(answer.code().as_deref(), Some("UnrecognizedClientException"), "{}", answer.text());
    assert_eq!(world.digest(), before, "refused, yet something happened");
    let alarm = world.last_record().alarm.unwrap();
    assert!(alarm.ends_with("were used while no request was running"), "{alarm}");
}
