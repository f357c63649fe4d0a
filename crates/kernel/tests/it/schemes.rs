//! Authorization headers of other schemes. They are no signature: whoever sends one is nobody, both where an operation is for
//! whoever is identified and where policies decide, whatever the header holds.

use casemate_kernel::Caller;
use casemate_names::Arn;
use casemate_testkit::{Credentials, Request, World};
use http::StatusCode;

use crate::toys::{toy, world};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
/// Unsigned, and of which the payload says that it is the root.
const JWT: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhcm46YXdzOmlhbTo6MTIzNDU2Nzg5MDEyOnJvb3QifQ.";
/// For whoever is identified; where policies decide.
const CLOSED_TO_STRANGERS: [&str; 2] = ["WhoPlays", "MakeToy"];

/// The header that makes a request of `who`.
fn genuine(world: &World, who: &Credentials, operation: &str) -> String {
    let request = world.request(who, "toys", operation, &toy("ball-01"));
    let mut values = request.headers.iter().filter(|(name, _)| name == "authorization");
    values.next().unwrap().1.to_str().unwrap().to_owned()
}

/// What people put into this header, some of it with a key or a signature that is right.
fn schemes(world: &World, who: &Credentials, operation: &str) -> Vec<String> {
    let (id, secret) = (&who.access_key_id, who.secret.expose());
    let signature = genuine(world, who, operation);
    let mut all = vec![
        String::new(),
        "Bearer".to_owned(),
        format!("Bearer {JWT}"),
        format!("bearer {JWT}"),
        format!("DPoP {JWT}"),
        format!("Bearer {id}"),
        format!("Bearer {}", who.session_token.as_deref().unwrap_or(secret)),
        format!("Basic {id}:{secret}"),
        format!("Digest username=\"{id}\""),
        "Negotiate YII=".to_owned(),
        id.clone(),
        secret.clone(),
        JWT.to_owned(),
        format!("Bearer {signature}"),
        format!("Bearer, {signature}"),
        signature.to_ascii_lowercase(),
    ];
    all.extend(signature.strip_prefix("AWS4-").map(str::to_owned));
    all
}

/// Nobody is let in, nothing happens, and the record names nobody.
async fn refused(world: &World, request: &Request, scheme: &str) {
    let before = world.digest();
    let answer = world.send(request).await;
    let code = Some("MissingAuthenticationTokenException");
    assert_eq!(answer.code().as_deref(), code, "{scheme}: {}", answer.text());
    assert_eq!(world.digest(), before, "{scheme}: refused, yet something happened");
    let record = world.last_record();
    assert_eq!((record.caller.as_str(), record.access_key_id), ("anonymous", None), "{scheme}");
}

#[tokio::test]
async fn whoever_sends_another_scheme_is_nobody() {
    let (world, _) = world();
    let role = world.identities().role("worker", &[ALL], None);
    let session = world.session(&role, 900, None).await;
    for who in [world.identities().root(), session] {
        for operation in CLOSED_TO_STRANGERS {
            let unsigned = Request::of(world.operation("toys", operation), &toy("ball-01"));
            for scheme in schemes(&world, &who, operation) {
                let mut request = unsigned.clone().header("authorization", &scheme);
                // All else that a signed request has is there.
                let signed = world.request(&who, "toys", operation, &toy("ball-01"));
                let rest = signed.headers.into_iter().filter(|(name, _)| {
                    name != "authorization" && !request.headers.iter().any(|(other, _)| other == name)
                });
                request.headers.extend(rest.collect::<Vec<_>>());
                refused(&world, &request, &scheme).await;
            }
            assert_eq!(world.call(&who, "toys", operation, toy("ball-01")).await.status, StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn a_second_header_does_not_vouch_for_the_first() {
    let (world, _) = world();
    let root = world.identities().root();
    for operation in CLOSED_TO_STRANGERS {
        let signature = genuine(&world, &root, operation);
        let signed = world.request(&root, "toys", operation, &toy("ball-01"));
        for other in [format!("Bearer {JWT}"), signature.clone()] {
            for front in [true, false] {
                let mut request = signed.clone();
                let added = Request::new(http::Method::POST, "/").header("authorization", &other).headers;
                let at = if front { 0 } else { request.headers.len() };
                request.headers.splice(at..at, added);
                let before = world.digest();
                let answer = world.send(&request).await;
                let code = Some("IncompleteSignatureException");
                assert_eq!(answer.code().as_deref(), code, "{other}: {}", answer.text());
                assert_eq!(world.digest(), before);
            }
        }
    }
}

/// Whom a policy opens something to is decided by who calls, and the bearer of whatever is only one of everybody.
#[tokio::test]
async fn what_is_open_to_everybody_is_open_to_a_bearer_as_to_any_stranger() {
    let (world, shelf) = world();
    let arn = Arn::regional(world.scope(), "toys", "toy/ball-01");
    let request = Request::of(world.operation("toys", "MakeToy"), &toy("ball-01"))
        .header("authorization", &format!("Bearer {JWT}"));
    let root = world.identities().root();
    let named = root.caller.as_ref().map(Caller::arn_text).unwrap();
    for (principal, fine) in [
        (r#""*""#.to_owned(), true),
        (format!(r#"{{"AWS":"{named}"}}"#), false),
        (format!(r#"{{"AWS":"{}"}}"#, world.scope().account.as_str()), false),
        (r#"{"Federated":"*"}"#.to_owned(), false),
    ] {
        shelf.policy(
            &arn,
            &format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{principal},"Action":"*","Resource":"*"}}}}"#
            ),
        );
        let answer = world.send(&request).await;
        assert_eq!(answer.status.is_success(), fine, "{principal}: {}", answer.text());
        assert_eq!(world.last_record().caller, "anonymous");
    }
}
