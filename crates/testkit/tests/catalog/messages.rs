//! Encoded authorization messages over the wire: who gets them, who can read them, and what they keep to themselves.

use casemate_testkit::{Credentials, Response, World};
use serde_json::Value;

use crate::{
    api::{iam, input, new_user, policy, put_policy},
    worlds::with_own_identities,
};

const HEADER: &str = "x-casemate-encoded-authorization-message";

pub(crate) fn message_of(refused: &Response) -> String {
    refused.headers.get(HEADER).unwrap().to_str().unwrap().to_owned()
}

pub(crate) async fn decode(world: &World, who: &Credentials, message: &str) -> Response {
    world.call(who, "sts", "DecodeAuthorizationMessage", input(&[("EncodedMessage", message)])).await
}

pub(crate) async fn decoded(world: &World, who: &Credentials, message: &str) -> Value {
    let answer = decode(world, who, message).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    serde_json::from_str(&answer.element("DecodedMessage").unwrap().replace("&quot;", "\"")).unwrap()
}

#[tokio::test]
async fn a_denial_can_be_decoded_by_whoever_may_and_by_nobody_else() {
    let (world, root) = with_own_identities().await;
    let ann = new_user(&world, &root, "ann").await;
    let deny = r#"{"Version":"2012-10-17","Statement":[{"Sid":"NoUsers","Effect":"Deny","Action":"iam:*",
        "Resource":"*","Condition":{"StringLike":{"aws:username":"a*","aws:Referer":"*"}}},
        {"Sid":"NoRoles","Effect":"Deny","Action":"iam:ListRoles","Resource":"*"}]}"#;
    put_policy(&world, &root, "ann", "limits", deny).await;
    let refused = iam(&world, &ann, "ListRoles", &[]).await;
    assert_eq!(refused.code().as_deref(), Some("AccessDenied"));
    let message = message_of(&refused);
    assert!(!message.contains("ann") && message.len() <= 4096, "{message}");

    let unreadable = decode(&world, &ann, &message).await;
    assert_eq!(unreadable.code().as_deref(), Some("AccessDenied"), "{}", unreadable.text());

    let told = decoded(&world, &root, &message).await;
    assert_eq!(told["allowed"], false);
    assert_eq!(told["explicitDeny"], true);
    assert_eq!(told["layer"], "identity-based");
    assert_eq!(told["matchedStatements"]["items"][0]["statementId"], "NoRoles");
    assert_eq!(told["failures"]["items"], serde_json::json!([]));
    let context = &told["context"];
    assert_eq!(context["action"], "iam:ListRoles");
    assert!(context["principal"]["arn"].as_str().unwrap().ends_with(":user/ann"));
    assert!(context["principal"]["id"].as_str().unwrap().starts_with("AIDA"));
    let items = context["conditions"]["items"].as_array().unwrap();
    let shown = |key: &str| items.iter().find(|item| item["key"] == key);
    assert_eq!(shown("aws:username").unwrap()["values"]["items"][0]["value"], "ann");
    assert!(shown("aws:referer").is_none(), "the request had none");

    put_policy(&world, &root, "ann", "decode", &policy("Allow", "sts:DecodeAuthorizationMessage")).await;
    assert_eq!(decoded(&world, &ann, &message).await, told);
}

#[tokio::test]
async fn a_message_keeps_what_may_prove_something_to_itself() {
    let (world, root) = with_own_identities().await;
    let ann = new_user(&world, &root, "ann").await;
    let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*",
        "Condition":{"StringEquals":{"aws:Referer":"other","aws:UserAgent":"other"}}}}"#;
    put_policy(&world, &root, "ann", "p", text).await;
    let request = world
        .request(&ann, "iam", "ListUsers", &input(&[]))
        .header("referer", "https://example.com/?token=hush")
        .header("user-agent", "a-client");
    let message = message_of(&world.send(&request).await);
    let told = decoded(&world, &root, &message).await.to_string();
    assert!(!told.contains("hush") && told.contains("aws:referer") && told.contains("a-client"), "{told}");
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    let (world, root) = with_own_identities().await;
    let ann = new_user(&world, &root, "ann").await;
    let message = message_of(&iam(&world, &ann, "ListUsers", &[]).await);
    let mut wrong =
        vec![message.get(..message.len() - 4).unwrap().to_owned(), "A".to_owned(), "§".to_owned()];
    wrong.push("A".repeat(4097));
    for at in [0, 10, 40, 80, message.len() - 2] {
        let other = if message.as_bytes()[at] == b'A' { "B" } else { "A" };
        let mut changed = message.clone();
        changed.replace_range(at..=at, other);
        wrong.push(changed);
    }
    for text in wrong {
        let refused = decode(&world, &root, &text).await;
        assert_eq!(refused.code().as_deref(), Some("InvalidAuthorizationMessageException"), "{text}");
    }
    let refused = decode(&world, &root, &"A".repeat(10_241)).await;
    assert_eq!(refused.code().as_deref(), Some("ValidationError"), "{}", refused.text());
    assert!(decode(&world, &root, &message).await.status.is_success());
}

#[tokio::test]
async fn who_did_not_sign_gets_no_message() {
    let (world, root) = with_own_identities().await;
    let unsigned = casemate_testkit::Request::new(http::Method::POST, "/")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("Action=ListUsers&Version=2010-05-08");
    let refused = world.send(&unsigned).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    assert!(refused.headers.get(HEADER).is_none());
    assert!(iam(&world, &root, "ListUsers", &[]).await.headers.get(HEADER).is_none(), "nothing was refused");
}
