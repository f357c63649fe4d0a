//! Rights that are given and taken over the wire bite on the very next request; identities and keys that are gone stay
//! gone. Here the identity service itself is the directory, without fixtures.

use crate::{
    api::{delete_user, done, iam, input, may_list, new_user, policy, put_policy},
    worlds::with_own_identities,
};

#[tokio::test]
async fn inline_policies_bite_at_once_both_ways() {
    let (world, admin) = with_own_identities().await;
    let alice = new_user(&world, &admin, "alice").await;
    assert!(!may_list(&world, &alice).await);
    for _ in 0..2 {
        put_policy(&world, &admin, "alice", "p", &policy("Allow", "iam:ListUsers")).await;
        assert!(may_list(&world, &alice).await);
        put_policy(&world, &admin, "alice", "q", &policy("Deny", "IAM:listusers")).await;
        assert!(!may_list(&world, &alice).await);
        for name in ["q", "p"] {
            done(&world, &admin, "DeleteUserPolicy", &[("UserName", "alice"), ("PolicyName", name)]).await;
        }
        assert!(!may_list(&world, &alice).await);
    }
}

#[tokio::test]
async fn managed_policies_bite_at_once_including_a_new_default_version() {
    let (world, admin) = with_own_identities().await;
    let alice = new_user(&world, &admin, "alice").await;
    let allow = policy("Allow", "iam:ListUsers");
    let made = done(&world, &admin, "CreatePolicy", &[("PolicyName", "p"), ("PolicyDocument", &allow)]).await;
    let arn = made.element("Arn").unwrap();
    done(&world, &admin, "AttachUserPolicy", &[("UserName", "alice"), ("PolicyArn", &arn)]).await;
    assert!(may_list(&world, &alice).await);
    let mut version = input(&[("PolicyArn", &arn), ("PolicyDocument", &policy("Allow", "iam:GetUser"))]);
    version.push("SetAsDefault", true.into());
    assert!(world.call(&admin, "iam", "CreatePolicyVersion", version).await.status.is_success());
    assert!(!may_list(&world, &alice).await);
    done(&world, &admin, "SetDefaultPolicyVersion", &[("PolicyArn", &arn), ("VersionId", "v1")]).await;
    assert!(may_list(&world, &alice).await);
    // What is attached cannot be deleted from under its users.
    let refused = iam(&world, &admin, "DeletePolicy", &[("PolicyArn", &arn)]).await;
    assert_eq!(refused.code().as_deref(), Some("DeleteConflict"), "{}", refused.text());
    done(&world, &admin, "DetachUserPolicy", &[("UserName", "alice"), ("PolicyArn", &arn)]).await;
    assert!(!may_list(&world, &alice).await);
}

#[tokio::test]
async fn a_permissions_boundary_is_a_ceiling_and_no_grant() {
    let (world, admin) = with_own_identities().await;
    let alice = new_user(&world, &admin, "alice").await;
    let boundary = policy("Allow", "iam:GetUser");
    let made =
        done(&world, &admin, "CreatePolicy", &[("PolicyName", "b"), ("PolicyDocument", &boundary)]).await;
    let arn = made.element("Arn").unwrap();
    put_policy(&world, &admin, "alice", "p", &policy("Allow", "iam:ListUsers")).await;
    assert!(may_list(&world, &alice).await);
    let set = [("UserName", "alice"), ("PermissionsBoundary", arn.as_str())];
    done(&world, &admin, "PutUserPermissionsBoundary", &set).await;
    assert!(!may_list(&world, &alice).await);
    let own = iam(&world, &alice, "GetUser", &[("UserName", "alice")]).await;
    assert_eq!(own.code().as_deref(), Some("AccessDenied"), "a boundary grants nothing");
    done(&world, &admin, "DeleteUserPermissionsBoundary", &[("UserName", "alice")]).await;
    assert!(may_list(&world, &alice).await);
}

#[tokio::test]
async fn a_key_that_is_inactive_or_deleted_is_refused_at_once() {
    let (world, admin) = with_own_identities().await;
    let alice = new_user(&world, &admin, "alice").await;
    put_policy(&world, &admin, "alice", "p", &policy("Allow", "iam:ListUsers")).await;
    let id = alice.access_key_id.clone();
    assert!(may_list(&world, &alice).await);
    let status =
        |status: &'static str| input(&[("UserName", "alice"), ("AccessKeyId", &id), ("Status", status)]);
    assert!(world.call(&admin, "iam", "UpdateAccessKey", status("Inactive")).await.status.is_success());
    let refused = iam(&world, &alice, "ListUsers", &[]).await;
    assert_eq!(refused.code().as_deref(), Some("InvalidClientTokenId"));
    assert!(world.call(&admin, "iam", "UpdateAccessKey", status("Active")).await.status.is_success());
    assert!(may_list(&world, &alice).await);
    done(&world, &admin, "DeleteAccessKey", &[("UserName", "alice"), ("AccessKeyId", &id)]).await;
    let refused = iam(&world, &alice, "ListUsers", &[]).await;
    assert_eq!(refused.code().as_deref(), Some("InvalidClientTokenId"));
}

#[tokio::test]
async fn a_user_recreated_under_the_same_name_inherits_nothing() {
    let (world, admin) = with_own_identities().await;
    let old = new_user(&world, &admin, "alice").await;
    put_policy(&world, &admin, "alice", "p", &policy("Allow", "iam:ListUsers")).await;
    assert!(may_list(&world, &old).await);
    // A user with keys or policies cannot be deleted.
    let refused = iam(&world, &admin, "DeleteUser", &[("UserName", "alice")]).await;
    assert_eq!(refused.code().as_deref(), Some("DeleteConflict"), "{}", refused.text());
    delete_user(&world, &admin, "alice", &old, &["p"]).await;
    let new = new_user(&world, &admin, "alice").await;
    assert!(!may_list(&world, &new).await);
    let refused = iam(&world, &old, "ListUsers", &[]).await;
    assert_eq!(refused.code().as_deref(), Some("InvalidClientTokenId"));
}

#[tokio::test]
async fn documents_that_cannot_be_understood_are_refused_when_written() {
    let (world, admin) = with_own_identities().await;
    done(&world, &admin, "CreateUser", &[("UserName", "alice")]).await;
    let before = world.digest();
    for text in [
        "{}",
        "not json",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"allow","Action":"*","Resource":"*"}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","NotAction":[],"Resource":"*"}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","NotResource":[]}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringSortOf":{"a":"b"}}}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}]}"#,
        r#"{"Version":"2099-01-01","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Extra":1}]}"#,
    ] {
        let members = [("UserName", "alice"), ("PolicyName", "p"), ("PolicyDocument", text)];
        let refused = iam(&world, &admin, "PutUserPolicy", &members).await;
        assert_eq!(refused.code().as_deref(), Some("MalformedPolicyDocument"), "{text}: {}", refused.text());
    }
    assert_eq!(world.digest(), before);
}

#[tokio::test]
async fn a_user_cannot_raise_its_own_rights() {
    let (world, admin) = with_own_identities().await;
    let alice = new_user(&world, &admin, "alice").await;
    put_policy(&world, &admin, "alice", "p", &policy("Allow", "iam:Get*")).await;
    let before = world.digest();
    let all = policy("Allow", "*");
    for (operation, members) in [
        ("PutUserPolicy", vec![("UserName", "alice"), ("PolicyName", "x"), ("PolicyDocument", all.as_str())]),
        (
            "AttachUserPolicy",
            vec![("UserName", "alice"), ("PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess")],
        ),
        ("CreateAccessKey", vec![("UserName", "alice")]),
        ("CreateUser", vec![("UserName", "mallory")]),
        ("CreatePolicy", vec![("PolicyName", "x"), ("PolicyDocument", all.as_str())]),
        ("DeleteUserPolicy", vec![("UserName", "alice"), ("PolicyName", "p")]),
    ] {
        let refused = iam(&world, &alice, operation, &members).await;
        assert_eq!(refused.code().as_deref(), Some("AccessDenied"), "{operation}: {}", refused.text());
    }
    assert_eq!(world.digest(), before);
}
