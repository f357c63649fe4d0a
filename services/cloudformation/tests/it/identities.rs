//! Groups, users, instance profiles and service-linked roles in templates.

use casemate_schema::Document;

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
        .replace("IAMReadOnlyAccess", "AmazonSNSReadOnlyAccess");
    let answer = scene.update("people", &changed).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    assert_eq!(scene.settled("people").await, "UPDATE_COMPLETE");
    assert!(scene.describe("people").await.text().contains("group/crew/devs"));
    let groups = iam(&scene, "ListGroupsForUser", "UserName", "ann").await;
    assert!(groups.matches("<GroupName>").count() == 1, "{groups}");
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
