//! Short words for calls to the identity services, in tests that use the wire only.

use casemate_schema::Document;
use casemate_testkit::{Credentials, Response, World};

/// A structure of texts.
pub(crate) fn input(members: &[(&str, &str)]) -> Document {
    let mut document = Document::empty();
    for (name, value) in members {
        document.push(name, (*value).into());
    }
    document
}

pub(crate) async fn iam(
    world: &World,
    who: &Credentials,
    operation: &str,
    members: &[(&str, &str)],
) -> Response {
    world.call(who, "iam", operation, input(members)).await
}

/// The administrator does something that must succeed.
pub(crate) async fn done(
    world: &World,
    admin: &Credentials,
    operation: &str,
    members: &[(&str, &str)],
) -> Response {
    let answer = iam(world, admin, operation, members).await;
    assert!(answer.status.is_success(), "{operation}: {}", answer.text());
    answer
}

pub(crate) async fn new_user(world: &World, admin: &Credentials, user: &str) -> Credentials {
    done(world, admin, "CreateUser", &[("UserName", user)]).await;
    let answer = done(world, admin, "CreateAccessKey", &[("UserName", user)]).await;
    Credentials::new(answer.element("AccessKeyId").unwrap(), answer.element("SecretAccessKey").unwrap())
}

/// Deletes a user with everything that hangs on it.
pub(crate) async fn delete_user(
    world: &World,
    admin: &Credentials,
    user: &str,
    key: &Credentials,
    policies: &[&str],
) {
    for name in policies {
        done(world, admin, "DeleteUserPolicy", &[("UserName", user), ("PolicyName", name)]).await;
    }
    let key = [("UserName", user), ("AccessKeyId", key.access_key_id.as_str())];
    done(world, admin, "DeleteAccessKey", &key).await;
    done(world, admin, "DeleteUser", &[("UserName", user)]).await;
}

/// A policy of one statement on everything.
pub(crate) fn policy(effect: &str, action: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","Action":"{action}","Resource":"*"}}]}}"#
    )
}

pub(crate) async fn put_policy(world: &World, admin: &Credentials, user: &str, name: &str, text: &str) {
    let members = [("UserName", user), ("PolicyName", name), ("PolicyDocument", text)];
    done(world, admin, "PutUserPolicy", &members).await;
}

/// May `who` list users?
pub(crate) async fn may_list(world: &World, who: &Credentials) -> bool {
    let answer = iam(world, who, "ListUsers", &[]).await;
    assert!(
        answer.status.is_success() || answer.code().as_deref() == Some("AccessDenied"),
        "{}",
        answer.text()
    );
    answer.status.is_success()
}
