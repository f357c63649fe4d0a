//! Groups, users, instance profiles and service-linked roles in templates.

use casemate_schema::Document;
use casemate_testkit::{CertificateAndKey, KeyKind};

use crate::{Scene, of};

const PEOPLE: &str = r"
Resources:
  Devs:
    Type: AWS::IAM::Group
    Properties:
      GroupName: devs
      Path: /team/
      ManagedPolicyArns: ['arn:aws:iam::aws:policy/IAMReadOnlyAccess']
      Policies:
        - PolicyName: tables
          PolicyDocument:
            Version: 2012-10-17
            Statement: [{Effect: Allow, Action: 'dynamodb:ListTables', Resource: '*'}]
  Ops:
    Type: AWS::IAM::Group
  Ann:
    Type: AWS::IAM::User
    Properties:
      UserName: ann
      Groups: [!Ref Ops]
      LoginProfile: {Password: Correct-Horse-1, PasswordResetRequired: true}
  Members:
    Type: AWS::IAM::UserToGroupAddition
    Properties: {GroupName: !Ref Devs, Users: [!Ref Ann]}
  Shared:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      Groups: [!Ref Devs]
      PolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Action: 'logs:DescribeLogGroups', Resource: '*'}]
  Worker:
    Type: AWS::IAM::Role
    Properties:
      RoleName: worker
      ManagedPolicyArns: ['arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole']
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: 'sts:AssumeRole'}]
  Box:
    Type: AWS::IAM::InstanceProfile
    Properties: {InstanceProfileName: box, Roles: [!Ref Worker]}
  Linked:
    Type: AWS::IAM::ServiceLinkedRole
    Properties: {AWSServiceName: ecs.amazonaws.com}
Outputs:
  GroupArn: {Value: !GetAtt Devs.Arn}
  ProfileArn: {Value: !GetAtt Box.Arn}
  LinkedName: {Value: !GetAtt Linked.RoleName}
";

async fn iam(scene: &Scene, operation: &str, member: &str, name: &str) -> String {
    scene.other("iam", operation, Document::structure([(member, name.into())])).await.text()
}

#[tokio::test]
async fn groups_users_profiles_and_linked_roles_are_made_changed_and_deleted() {
    let scene = Scene::new().await;
    scene.created("people", PEOPLE).await;
    let outputs = scene.describe("people").await.text();
    for value in [
        "arn:aws:iam::123456789012:group/team/devs",
        "arn:aws:iam::123456789012:instance-profile/box",
        "AWSServiceRoleForECS",
    ] {
        assert!(outputs.contains(value), "{value}: {outputs}");
    }
    let groups = iam(&scene, "ListGroupsForUser", "UserName", "ann").await;
    assert!(
        groups.contains("<GroupName>devs</GroupName>") && groups.matches("<GroupName>").count() == 2,
        "{groups}"
    );
    let attached = iam(&scene, "ListAttachedGroupPolicies", "GroupName", "devs").await;
    assert_eq!(attached.matches("<PolicyArn>").count(), 2, "{attached}");
    let of_role = iam(&scene, "ListAttachedRolePolicies", "RoleName", "worker").await;
    assert!(of_role.contains("service-role/AWSLambdaVPCAccessExecutionRole"), "{of_role}");
    assert!(iam(&scene, "GetLoginProfile", "UserName", "ann").await.contains("true</PasswordResetRequired>"));

    let changed = PEOPLE
        .replace("Path: /team/", "Path: /crew/")
        .replace("      Groups: [!Ref Ops]\n", "")
        .replace("IAMReadOnlyAccess", "AmazonSNSReadOnlyAccess")
        .replace("AWSLambdaVPCAccessExecutionRole", "AWSLambdaBasicExecutionRole");
    let answer = scene.update("people", &changed).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    assert_eq!(scene.settled("people").await, "UPDATE_COMPLETE");
    assert!(scene.describe("people").await.text().contains("group/crew/devs"));
    let groups = iam(&scene, "ListGroupsForUser", "UserName", "ann").await;
    assert!(groups.matches("<GroupName>").count() == 1, "{groups}");
    let of_role = iam(&scene, "ListAttachedRolePolicies", "RoleName", "worker").await;
    assert!(of_role.contains("BasicExecutionRole") && !of_role.contains("VPCAccess"), "{of_role}");
    let attached = iam(&scene, "ListAttachedGroupPolicies", "GroupName", "devs").await;
    assert!(
        attached.contains("AmazonSNSReadOnlyAccess") && !attached.contains("IAMReadOnlyAccess"),
        "{attached}"
    );

    assert!(scene.call("DeleteStack", of("people")).await.status.is_success());
    assert_eq!(scene.settled("people").await, "gone");
    for operation in ["ListUsers", "ListGroups", "ListRoles", "ListInstanceProfiles"] {
        let left = scene.other("iam", operation, Document::empty()).await.text();
        assert!(!left.contains("<Arn>"), "{operation}: {left}");
    }
}

#[tokio::test]
async fn a_server_certificate_is_made_moved_tagged_replaced_and_deleted() {
    let scene = Scene::new().await;
    let made = || CertificateAndKey::new("example.com", KeyKind::P256, (2020, 2040), None);
    let (first, second) = (made(), made());
    let template = |path: &str, tag: &str, made: &CertificateAndKey| {
        let indented = |pem: &str| pem.lines().flat_map(|line| ["        ", line, "\n"]).collect::<String>();
        format!(
            "Resources:\n  Web:\n    Type: AWS::IAM::ServerCertificate\n    Properties:\n      Path: {path}\n      \
             Tags: [{{Key: {tag}, Value: x}}]\n      CertificateBody: |\n{}      PrivateKey: |\n{}\
             Outputs:\n  Arn: {{Value: !GetAtt Web.Arn}}\n  Name: {{Value: !Ref Web}}\n",
            indented(&made.body),
            indented(&made.key),
        )
    };
    scene.created("tls", &template("/a/", "team", &first)).await;
    let outputs = scene.describe("tls").await.text();
    assert!(outputs.contains(":server-certificate/a/tls-Web-"), "{outputs}");
    let list = || async { scene.other("iam", "ListServerCertificates", Document::empty()).await };
    let before = list().await.element("ServerCertificateId").unwrap();

    assert!(scene.update("tls", &template("/b/", "colour", &first)).await.status.is_success());
    assert_eq!(scene.settled("tls").await, "UPDATE_COMPLETE");
    assert!(scene.describe("tls").await.text().contains(":server-certificate/b/tls-Web-"));
    let name = list().await.element("ServerCertificateName").unwrap();
    let tags = iam(&scene, "ListServerCertificateTags", "ServerCertificateName", &name).await;
    assert!(tags.contains("colour") && !tags.contains("team"), "{tags}");
    assert_eq!(list().await.element("ServerCertificateId").unwrap(), before);

    assert!(scene.update("tls", &template("/b/", "colour", &second)).await.status.is_success());
    assert_eq!(scene.settled("tls").await, "UPDATE_COMPLETE");
    let after = list().await;
    assert_ne!(after.element("ServerCertificateId").unwrap(), before);
    assert_eq!(after.text().matches("<ServerCertificateId>").count(), 1);

    let mut mismatched = made();
    mismatched.key.clone_from(&first.key);
    assert!(scene.update("tls", &template("/b/", "colour", &mismatched)).await.status.is_success());
    assert_eq!(scene.settled("tls").await, "UPDATE_ROLLBACK_COMPLETE");
    let events = scene.events("tls").await;
    assert!(events.contains("does not belong to the certificate"), "{events}");
    let secret = first.key.lines().nth(1).unwrap().trim();
    assert!(!events.contains(secret) && !scene.describe("tls").await.text().contains(secret));

    assert!(scene.call("DeleteStack", of("tls")).await.status.is_success());
    assert_eq!(scene.settled("tls").await, "gone");
    assert!(!list().await.text().contains("<Arn>"));
}
