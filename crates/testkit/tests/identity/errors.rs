//! What IAM refuses, in AWS's words.

use casemate_schema::Document;

use crate::scene::{ALLOW_ALL, Scene, input, trust};

const SERVICE: &str = r#"{"Service":"lambda.amazonaws.com"}"#;

#[tokio::test]
async fn what_exists_is_not_made_again_and_what_does_not_is_not_found() {
    let scene = Scene::new().await;
    let root = &scene.root;
    scene.user("ann", None).await;
    scene.role("r", SERVICE, None).await;
    scene.iam(root, "CreatePolicy", &[("PolicyName", "p"), ("PolicyDocument", ALLOW_ALL)]).await;
    let document = trust(SERVICE, "");
    let cases = [
        ("CreateUser", vec![("UserName", "ANN")], "EntityAlreadyExists: User with name ANN already exists."),
        (
            "CreateRole",
            vec![("RoleName", "R"), ("AssumeRolePolicyDocument", document.as_str())],
            "EntityAlreadyExists: Role with name R already exists.",
        ),
        (
            "CreatePolicy",
            vec![("PolicyName", "P"), ("PolicyDocument", ALLOW_ALL)],
            "EntityAlreadyExists: A policy called P already exists. Duplicate names are not allowed.",
        ),
        ("GetUser", vec![("UserName", "x")], "NoSuchEntity: The user with name x cannot be found."),
        ("DeleteUser", vec![("UserName", "x")], "NoSuchEntity: The user with name x cannot be found."),
        ("GetRole", vec![("RoleName", "x")], "NoSuchEntity: The role with name x cannot be found."),
        ("DeleteRole", vec![("RoleName", "x")], "NoSuchEntity: The role with name x cannot be found."),
        (
            "GetRolePolicy",
            vec![("RoleName", "r"), ("PolicyName", "x")],
            "NoSuchEntity: The role policy with name x cannot be found.",
        ),
        (
            "DeleteUserPolicy",
            vec![("UserName", "ann"), ("PolicyName", "x")],
            "NoSuchEntity: The user policy with name x cannot be found.",
        ),
        (
            "DetachRolePolicy",
            vec![("RoleName", "r"), ("PolicyArn", "arn:aws:iam::123456789012:policy/p")],
            "NoSuchEntity: Policy arn:aws:iam::123456789012:policy/p was not found.",
        ),
        ("CreateAccessKey", vec![("UserName", "x")], "NoSuchEntity: The user with name x cannot be found."),
    ];
    for (operation, members, text) in cases {
        assert_eq!(scene.refused(root, operation, &members).await, text, "{operation}");
    }
}

#[tokio::test]
async fn what_still_holds_something_is_not_deleted() {
    let scene = Scene::new().await;
    let root = &scene.root;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    scene.role("r", SERVICE, Some(ALLOW_ALL)).await;
    let delete_user = [("UserName", "ann")];
    let delete_role = [("RoleName", "r")];
    let inline = "DeleteConflict: Cannot delete entity, must delete policies first.";
    assert_eq!(scene.refused(root, "DeleteUser", &delete_user).await, inline);
    assert_eq!(scene.refused(root, "DeleteRole", &delete_role).await, inline);
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    scene.iam(root, "AttachRolePolicy", &[("RoleName", "r"), ("PolicyArn", admin)]).await;
    assert_eq!(
        scene.refused(root, "DeleteRole", &delete_role).await,
        "DeleteConflict: Cannot delete entity, must detach all policies first."
    );
    scene.iam(root, "DeleteUserPolicy", &[("UserName", "ann"), ("PolicyName", "inline")]).await;
    assert_eq!(
        scene.refused(root, "DeleteUser", &delete_user).await,
        "DeleteConflict: Cannot delete entity, must delete access keys first."
    );
    assert_eq!(scene.whoami(&ann).await.status, 200);
}

#[tokio::test]
async fn malformed_documents_cannot_be_stored() {
    let scene = Scene::new().await;
    let root = &scene.root;
    scene.user("ann", None).await;
    scene.role("r", SERVICE, None).await;
    let before = scene.world.digest();
    let bad = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEqualz":{"a":"b"}}}}"#;
    let cases = [
        ("PutUserPolicy", vec![("UserName", "ann"), ("PolicyName", "x"), ("PolicyDocument", bad)]),
        ("PutRolePolicy", vec![("RoleName", "r"), ("PolicyName", "x"), ("PolicyDocument", "not json")]),
        ("CreatePolicy", vec![("PolicyName", "p"), ("PolicyDocument", bad)]),
    ];
    for (operation, members) in cases {
        assert_eq!(
            scene.refused(root, operation, &members).await,
            "MalformedPolicyDocument: Syntax errors in policy.",
            "{operation}"
        );
    }
    for (document, text) in [
        (ALLOW_ALL, "Missing required field Principal"),
        (&trust("\"*\"", r#","Resource":"*""#), "Has prohibited field Resource"),
        ("{", "This policy contains invalid Json"),
    ] {
        let expected = format!("MalformedPolicyDocument: {text}");
        let create = [("RoleName", "new"), ("AssumeRolePolicyDocument", document)];
        assert_eq!(scene.refused(root, "CreateRole", &create).await, expected);
        let update = [("RoleName", "r"), ("PolicyDocument", document)];
        assert_eq!(scene.refused(root, "UpdateAssumeRolePolicy", &update).await, expected);
    }
    assert_eq!(scene.world.digest(), before, "nothing was stored");
}

#[tokio::test]
async fn quotas_are_kept() {
    let scene = Scene::new().await;
    let root = &scene.root;
    scene.user("ann", None).await;
    scene.key("ann").await;
    assert_eq!(
        scene.refused(root, "CreateAccessKey", &[("UserName", "ann")]).await,
        "LimitExceeded: Cannot exceed quota for AccessKeysPerUser: 2"
    );
    let long = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::{}"}}}}"#,
        "x".repeat(2048)
    );
    let put = [("UserName", "ann"), ("PolicyName", "x"), ("PolicyDocument", long.as_str())];
    assert_eq!(
        scene.refused(root, "PutUserPolicy", &put).await,
        "LimitExceeded: Maximum policy size of 2048 bytes exceeded for user ann"
    );
    for n in 0..11 {
        let name = format!("p{n}");
        let arn = format!("arn:aws:iam::123456789012:policy/{name}");
        scene.iam(root, "CreatePolicy", &[("PolicyName", &name), ("PolicyDocument", ALLOW_ALL)]).await;
        let attach = [("UserName", "ann"), ("PolicyArn", arn.as_str())];
        if n < 10 {
            scene.iam(root, "AttachUserPolicy", &attach).await;
        } else {
            assert_eq!(
                scene.refused(root, "AttachUserPolicy", &attach).await,
                "LimitExceeded: Cannot exceed quota for PoliciesPerUser: 10"
            );
        }
    }
    scene
        .iam(
            root,
            "AttachUserPolicy",
            &[("UserName", "ann"), ("PolicyArn", "arn:aws:iam::123456789012:policy/p3")],
        )
        .await;
}

#[tokio::test]
async fn inputs_outside_the_model_are_refused() {
    let scene = Scene::new().await;
    let root = &scene.root;
    for members in
        [vec![("UserName", "a b")], vec![("UserName", "")], vec![], vec![("UserName", "x"), ("Path", "nope")]]
    {
        let refused = scene.refused(root, "CreateUser", &members).await;
        assert!(refused.starts_with("ValidationError:"), "{members:?}: {refused}");
    }
    let name = "x".repeat(10_000);
    assert!(scene.refused(root, "GetUser", &[("UserName", &name)]).await.starts_with("ValidationError:"));
    assert!(scene.refused(root, "DeleteRole", &[("RoleName", &name)]).await.starts_with("ValidationError:"));
    let mut twice = input(&[("UserName", "x")]);
    let tag = |key: &str| input(&[("Key", key), ("Value", "1")]);
    twice.push("Tags", Document::List(vec![tag("a"), tag("A")]));
    let answer = scene.world.call(root, "iam", "CreateUser", twice).await;
    assert_eq!(answer.code().unwrap(), "InvalidInput");
}

#[tokio::test]
async fn another_accounts_policies_do_not_exist_here() {
    let scene = Scene::new().await;
    let arn = "arn:aws:iam::999999999999:policy/p";
    scene.user("ann", None).await;
    assert!(
        scene.refused(&scene.root, "GetPolicy", &[("PolicyArn", arn)]).await.starts_with("AccessDenied:")
    );
    assert_eq!(
        scene.refused(&scene.root, "AttachUserPolicy", &[("UserName", "ann"), ("PolicyArn", arn)]).await,
        format!("NoSuchEntity: Policy {arn} does not exist or is not attachable.")
    );
}
