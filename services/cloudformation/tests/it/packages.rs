//! Uploads of code.

use aws_lc_rs::digest::{SHA256, digest};
use casemate_testkit::{Credentials, Request, Response};
use http::Method;

use crate::Scene;

/// Stores bytes as a package; the name templates give it.
pub(crate) async fn uploaded(scene: &Scene, bytes: &[u8]) -> String {
    let hash = hash(bytes);
    let answer = put(scene, Some(&scene.admin), &hash, bytes).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    format!("casemate-package://{hash}")
}

fn hash(bytes: &[u8]) -> String {
    let digits: Vec<String> =
        digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

async fn put(scene: &Scene, who: Option<&Credentials>, hash: &str, bytes: &[u8]) -> Response {
    let request = Request::new(Method::PUT, &format!("/_casemate/packages/{hash}")).body(bytes.to_vec());
    let request = match who {
        Some(who) => request.signed(who, "cloudformation", "us-east-1", scene.world.now()),
        None => request,
    };
    scene.world.send(&request).await
}

#[tokio::test]
async fn packages_are_kept_for_those_who_may_deploy() {
    let scene = Scene::new().await;
    uploaded(&scene, b"one").await;
    let bob = scene
        .user(
            "bob",
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*"}}"#,
        )
        .await;
    let before = scene.world.digest();
    let two = hash(b"two");
    for (who, name, bytes, status) in [
        (None, &*two, &b"two"[..], 403),
        (Some(&bob), &*two, b"two", 403),
        (Some(&scene.admin), &*two, b"other", 400),
        (Some(&scene.admin), "abc", b"two", 400),
    ] {
        let answer = put(&scene, who, name, bytes).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
        assert_eq!(scene.world.digest(), before);
    }
    let get = Request::new(Method::GET, &format!("/_casemate/packages/{}", hash(b"one")));
    let get = get.signed(&scene.admin, "cloudformation", "us-east-1", scene.world.now());
    assert_eq!(scene.world.send(&get).await.status.as_u16(), 405);
    let mut foreign = Request::new(Method::PUT, &format!("/_casemate/packages/{two}")).body(b"two".to_vec());
    foreign = foreign.signed(&scene.admin, "dynamodb", "us-east-1", scene.world.now());
    assert!(!scene.world.send(&foreign).await.status.is_success(), "signed for another service");
}

#[tokio::test]
async fn large_packages_are_read_only_for_keys_that_exist() {
    let scene = Scene::new().await;
    let kernel = scene.world.env().kernel().unwrap();
    let path = format!("/_casemate/packages/{}", hash(b"one"));
    let request = Request::new(Method::PUT, &path).body(b"one".to_vec());
    let stranger = Credentials::new("AKIAAAAAAAAAAAAAAAAA".to_owned(), "guessed".to_owned());
    let signed = |who: &Credentials, service: &str| {
        let request = request.clone().signed(who, service, "us-east-1", scene.world.now());
        kernel.body_limit(&request.incoming().head)
    };
    assert_eq!(signed(&scene.admin, "cloudformation"), 50 << 20);
    assert_eq!(kernel.body_limit(&request.incoming().head), 1 << 20);
    assert_eq!(signed(&stranger, "cloudformation"), 1 << 20);
    assert_eq!(signed(&scene.admin, "dynamodb"), 1 << 20);
}
