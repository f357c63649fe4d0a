//! Roles that belong to others: service-linked roles, which only their service changes, and roles in instance profiles,
//! which are passed.

use crate::scene::{ALLOW_ALL, Scene, role_arn};

const PROTECTED: &str = "UnmodifiableEntity: Cannot perform the operation on the protected role 'AWSServiceRoleForAutoScaling' - this role is only modifiable by AWS";

#[tokio::test]
async fn a_service_linked_role_is_made_by_name_of_the_service_and_changed_by_nobody() {
    let scene = Scene::new().await;
    let service = [("AWSServiceName", "autoscaling.amazonaws.com")];
    let made = scene.iam(&scene.root, "CreateServiceLinkedRole", &service).await;
    assert_eq!(
        made.element("Arn").unwrap(),
        "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    );
    assert_eq!(
        scene.refused(&scene.root, "CreateServiceLinkedRole", &service).await,
        "InvalidInput: Service role name AWSServiceRoleForAutoScaling has been taken in this account, please try a different suffix."
    );
    let suffixed = |service: &'static str| [("AWSServiceName", service), ("CustomSuffix", "x")];
    scene.iam(&scene.root, "CreateServiceLinkedRole", &suffixed("autoscaling.amazonaws.com")).await;
    assert_eq!(
        scene.refused(&scene.root, "CreateServiceLinkedRole", &suffixed("ecs.amazonaws.com")).await,
        "InvalidInput: Custom suffix is not allowed for ecs.amazonaws.com"
    );
    let role = ("RoleName", "AWSServiceRoleForAutoScaling");
    let policy = ("PolicyArn", "arn:aws:iam::aws:policy/aws-service-role/AutoScalingServiceRolePolicy");
    let trust = crate::scene::trust(r#"{"AWS":"123456789012"}"#, "");
    for (operation, more) in [
        ("DeleteRole", vec![]),
        ("AttachRolePolicy", vec![("PolicyArn", "arn:aws:iam::aws:policy/AdministratorAccess")]),
        ("DetachRolePolicy", vec![policy]),
        ("PutRolePolicy", vec![("PolicyName", "p"), ("PolicyDocument", ALLOW_ALL)]),
        ("DeleteRolePolicy", vec![("PolicyName", "p")]),
        ("UpdateAssumeRolePolicy", vec![("PolicyDocument", trust.as_str())]),
        ("PutRolePermissionsBoundary", vec![("PermissionsBoundary", "arn:aws:iam::aws:policy/AWSDenyAll")]),
        ("DeleteRolePermissionsBoundary", vec![]),
    ] {
        let members = [vec![role], more].concat();
        assert_eq!(scene.refused(&scene.root, operation, &members).await, PROTECTED, "{operation}");
    }
    scene.iam(&scene.root, "UpdateRole", &[role, ("Description", "mine")]).await;
}

#[tokio::test]
async fn nobody_assumes_a_service_linked_role_or_makes_one_by_hand() {
    let scene = Scene::new().await;
    let ann = scene.user("ann", Some(ALLOW_ALL)).await;
    let service = [("AWSServiceName", "autoscaling.amazonaws.com")];
    scene.iam(&scene.root, "CreateServiceLinkedRole", &service).await;
    let role = "aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";
    let refused = scene.assume(&ann, role, casemate_schema::Document::empty()).await;
    assert_eq!(refused.code().as_deref(), Some("AccessDenied"), "{}", refused.text());
    let trust = crate::scene::trust(r#"{"AWS":"123456789012"}"#, "");
    let by_hand = [
        ("RoleName", "r"),
        ("Path", "/aws-service-role/ecs.amazonaws.com/"),
        ("AssumeRolePolicyDocument", trust.as_str()),
    ];
    assert!(scene.refused(&scene.root, "CreateRole", &by_hand).await.starts_with("InvalidInput"));
    scene.role("plain", r#"{"AWS":"123456789012"}"#, None).await;
    let attach = [
        ("RoleName", "plain"),
        ("PolicyArn", "arn:aws:iam::aws:policy/aws-service-role/AutoScalingServiceRolePolicy"),
    ];
    assert_eq!(
        scene.refused(&scene.root, "AttachRolePolicy", &attach).await,
        "PolicyNotAttachable: Cannot attach a Service Role Policy to a Customer Role."
    );
    let only = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:CreateServiceLinkedRole","Resource":"*","Condition":{"StringEquals":{"iam:AWSServiceName":"ecs.amazonaws.com"}}}}"#;
    let bob = scene.user("bob", Some(only)).await;
    let ecs = [("AWSServiceName", "ecs.amazonaws.com")];
    assert_eq!(scene.tried(&bob, "CreateServiceLinkedRole", &ecs).await.status, 200);
    let rds = [("AWSServiceName", "rds.amazonaws.com")];
    assert_eq!(scene.tried(&bob, "CreateServiceLinkedRole", &rds).await.status, 403);
}

#[tokio::test]
async fn a_service_linked_role_is_deleted_by_its_own_operation_only() {
    let scene = Scene::new().await;
    let service = [("AWSServiceName", "autoscaling.amazonaws.com")];
    let role = [("RoleName", "AWSServiceRoleForAutoScaling")];
    scene.iam(&scene.root, "CreateServiceLinkedRole", &service).await;
    scene.role("plain", r#"{"AWS":"123456789012"}"#, None).await;
    assert!(
        scene
            .refused(&scene.root, "DeleteServiceLinkedRole", &[("RoleName", "plain")])
            .await
            .starts_with("NoSuchEntity")
    );
    let deleted = scene.iam(&scene.root, "DeleteServiceLinkedRole", &role).await;
    let task = deleted.element("DeletionTaskId").unwrap();
    assert!(
        task.starts_with("task/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling/")
    );
    let status = [("DeletionTaskId", task.as_str())];
    let answer = scene.iam(&scene.root, "GetServiceLinkedRoleDeletionStatus", &status).await;
    assert_eq!(answer.element("Status").unwrap(), "SUCCEEDED");
    let forged = format!("{task}0");
    assert!(
        scene
            .refused(&scene.root, "GetServiceLinkedRoleDeletionStatus", &[("DeletionTaskId", &forged)])
            .await
            .starts_with("NoSuchEntity")
    );
    assert!(scene.refused(&scene.root, "GetRole", &role).await.starts_with("NoSuchEntity"));
    scene.iam(&scene.root, "CreateServiceLinkedRole", &service).await;
}

#[tokio::test]
async fn a_role_enters_an_instance_profile_only_with_the_right_to_pass_it() {
    let scene = Scene::new().await;
    scene.role("worker", r#"{"Service":"ec2.amazonaws.com"}"#, None).await;
    scene.role("other", r#"{"Service":"ec2.amazonaws.com"}"#, None).await;
    scene.iam(&scene.root, "CreateInstanceProfile", &[("InstanceProfileName", "box"), ("Path", "/p/")]).await;
    let pair = |role: &'static str| [("InstanceProfileName", "box"), ("RoleName", role)];
    let add = r#"{"Effect":"Allow","Action":"iam:AddRoleToInstanceProfile","Resource":"arn:aws:iam::123456789012:instance-profile/p/box"}"#;
    let pass = |service: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{add},{{"Effect":"Allow","Action":"iam:PassRole","Resource":"{}","Condition":{{"StringEquals":{{"iam:PassedToService":"{service}"}}}}}}]}}"#,
            role_arn("worker")
        )
    };
    let wrong = scene.user("wrong", Some(&pass("lambda.amazonaws.com"))).await;
    assert!(
        scene
            .refused(&wrong, "AddRoleToInstanceProfile", &pair("worker"))
            .await
            .contains("iam:PassRole on resource")
    );
    let right = scene.user("right", Some(&pass("ec2.amazonaws.com"))).await;
    assert_eq!(scene.tried(&right, "AddRoleToInstanceProfile", &pair("other")).await.status, 403);
    assert_eq!(scene.tried(&right, "AddRoleToInstanceProfile", &pair("worker")).await.status, 200);
    assert_eq!(
        scene.refused(&scene.root, "AddRoleToInstanceProfile", &pair("other")).await,
        "LimitExceeded: Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"
    );
}

#[tokio::test]
async fn roles_and_profiles_hold_each_other_until_they_are_parted() {
    let scene = Scene::new().await;
    scene.role("worker", r#"{"Service":"ec2.amazonaws.com"}"#, None).await;
    let profile = [("InstanceProfileName", "box")];
    let both = [("InstanceProfileName", "box"), ("RoleName", "worker")];
    scene.iam(&scene.root, "CreateInstanceProfile", &profile).await;
    assert_eq!(
        scene.refused(&scene.root, "CreateInstanceProfile", &[("InstanceProfileName", "BOX")]).await,
        "EntityAlreadyExists: Instance Profile BOX already exists."
    );
    scene.iam(&scene.root, "AddRoleToInstanceProfile", &both).await;
    let of_role = scene.iam(&scene.root, "ListInstanceProfilesForRole", &[("RoleName", "worker")]).await;
    assert_eq!(of_role.element("Arn").unwrap(), "arn:aws:iam::123456789012:instance-profile/box");
    let shown = scene.iam(&scene.root, "GetInstanceProfile", &profile).await;
    assert_eq!(shown.element("RoleName").unwrap(), "worker");
    let conflict = "DeleteConflict: Cannot delete entity, must remove roles from instance profile first.";
    assert_eq!(scene.refused(&scene.root, "DeleteRole", &[("RoleName", "worker")]).await, conflict);
    assert_eq!(scene.refused(&scene.root, "DeleteInstanceProfile", &profile).await, conflict);
    scene.iam(&scene.root, "RemoveRoleFromInstanceProfile", &both).await;
    assert!(
        scene.refused(&scene.root, "RemoveRoleFromInstanceProfile", &both).await.starts_with("NoSuchEntity")
    );
    scene.iam(&scene.root, "DeleteRole", &[("RoleName", "worker")]).await;
    scene.iam(&scene.root, "DeleteInstanceProfile", &profile).await;
    assert_eq!(
        scene.refused(&scene.root, "GetInstanceProfile", &profile).await,
        "NoSuchEntity: Instance Profile box cannot be found."
    );
}

#[tokio::test]
async fn tags_of_instance_profiles_are_kept_and_decide() {
    let scene = Scene::new().await;
    let tag = |value: &'static str| {
        let mut asked = crate::scene::input(&[("InstanceProfileName", "box")]);
        let tag = casemate_schema::Document::structure([("Key", "team".into()), ("Value", value.into())]);
        asked.push("Tags", casemate_schema::Document::List(vec![tag]));
        asked
    };
    let created = scene.world.call(&scene.root, "iam", "CreateInstanceProfile", tag("a")).await;
    assert_eq!(created.status, 200, "{}", created.text());
    let only = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["iam:GetInstanceProfile","iam:TagInstanceProfile"],"Resource":"*","Condition":{"StringEquals":{"aws:ResourceTag/team":"a"}}}}"#;
    let ann = scene.user("ann", Some(only)).await;
    let profile = [("InstanceProfileName", "box")];
    assert_eq!(scene.tried(&ann, "GetInstanceProfile", &profile).await.status, 200);
    assert_eq!(scene.world.call(&ann, "iam", "TagInstanceProfile", tag("b")).await.status, 200);
    assert_eq!(scene.tried(&ann, "GetInstanceProfile", &profile).await.status, 403);
    let listed = scene.iam(&scene.root, "ListInstanceProfileTags", &profile).await;
    assert_eq!(listed.element("Value").unwrap(), "b");
    let mut untag = crate::scene::input(&profile);
    untag.push("TagKeys", casemate_schema::Document::List(vec!["TEAM".into()]));
    assert_eq!(scene.world.call(&scene.root, "iam", "UntagInstanceProfile", untag).await.status, 200);
    let listed = scene.iam(&scene.root, "ListInstanceProfileTags", &profile).await;
    assert_eq!(listed.element("Value"), None);
}

#[tokio::test]
async fn descriptions_are_changed_the_old_way_too() {
    let scene = Scene::new().await;
    scene.role("worker", r#"{"Service":"ec2.amazonaws.com"}"#, None).await;
    let members = [("RoleName", "worker"), ("Description", "does work")];
    let changed = scene.iam(&scene.root, "UpdateRoleDescription", &members).await;
    assert_eq!(changed.element("Description").unwrap(), "does work");
    let missing = [("RoleName", "none"), ("Description", "x")];
    assert_eq!(
        scene.refused(&scene.root, "UpdateRoleDescription", &missing).await,
        "NoSuchEntity: The role with name none cannot be found."
    );
}
