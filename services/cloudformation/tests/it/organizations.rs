//! Stacks with an organisation in them.

use casemate_schema::Document;

use crate::Scene;

/// An organisation with one unit, one account in it and one policy on it. `action` is what the policy denies.
fn template(action: &str, target: &str, tag: &str) -> String {
    format!(
        r#"
Resources:
  Company:
    Type: AWS::Organizations::Organization
    Properties: {{FeatureSet: ALL}}
  Unit:
    Type: AWS::Organizations::OrganizationalUnit
    Properties:
      Name: workloads
      ParentId: !GetAtt Company.RootId
      Tags: [{{Key: team, Value: {tag}}}]
  Production:
    Type: AWS::Organizations::Account
    Properties:
      AccountName: production
      Email: production@example.com
      ParentIds: [!Ref Unit]
  Ceiling:
    Type: AWS::Organizations::Policy
    Properties:
      Name: ceiling
      Type: SERVICE_CONTROL_POLICY
      TargetIds: [!Ref {target}]
      Content:
        Version: "2012-10-17"
        Statement: [{{Effect: Deny, Action: "{action}", Resource: "*"}}]
Outputs:
  Unit: {{Value: !Ref Unit}}
  Account: {{Value: !Ref Production}}
  Ceiling: {{Value: !Ref Ceiling}}
  Arn: {{Value: !GetAtt Production.Arn}}
"#
    )
}

async fn output(scene: &Scene, name: &str) -> String {
    let text = scene.describe("company").await.text();
    let after = text.split(&format!("<OutputKey>{name}</OutputKey><OutputValue>")).nth(1);
    after.unwrap_or_else(|| panic!("{name}: {text}")).split('<').next().unwrap().to_owned()
}

async fn targets(scene: &Scene, policy: &str) -> String {
    let input = Document::structure([("PolicyId", policy.into())]);
    scene.other("organizations", "ListTargetsForPolicy", input).await.text()
}

#[tokio::test]
async fn an_organization_is_made_changed_and_taken_down() {
    let scene = Scene::new().await;
    scene.created("company", &template("s3:*", "Unit", "a")).await;
    let (unit, account) = (output(&scene, "Unit").await, output(&scene, "Account").await);
    let policy = output(&scene, "Ceiling").await;
    assert!(output(&scene, "Arn").await.ends_with(&account));
    let below = Document::structure([("ParentId", unit.as_str().into())]);
    let below = scene.other("organizations", "ListAccountsForParent", below).await.text();
    assert!(below.contains(&account), "{below}");
    assert!(targets(&scene, &policy).await.contains(&unit));
    // The policy moves to the account and says something else; the unit gets another tag.
    let changed = scene.update("company", &template("logs:*", "Production", "b")).await;
    assert!(changed.status.is_success(), "{}", changed.text());
    assert_eq!(scene.settled("company").await, "UPDATE_COMPLETE", "{}", scene.events("company").await);
    let attached = targets(&scene, &policy).await;
    assert!(attached.contains(&account) && !attached.contains(&unit), "{attached}");
    let described = Document::structure([("PolicyId", policy.as_str().into())]);
    assert!(scene.other("organizations", "DescribePolicy", described).await.text().contains("logs:*"));
    let tags = Document::structure([("ResourceId", unit.as_str().into())]);
    let tags = scene.other("organizations", "ListTagsForResource", tags).await.json();
    assert_eq!(tags["Tags"], serde_json::json!([{"Key": "team", "Value": "b"}]));
}

#[tokio::test]
async fn whoever_may_not_make_organizations_makes_none_by_a_stack() {
    let scene = Scene::new().await;
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"cloudformation:*","Resource":"*"}}"#;
    let who = scene.user("deployer", policy).await;
    let input = crate::request("company", &template("s3:*", "Unit", "a"));
    let answer = scene.world.call(&who, "cloudformation", "CreateStack", input).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    assert_eq!(scene.settled("company").await, "ROLLBACK_COMPLETE", "{}", scene.events("company").await);
    let found = scene.other("organizations", "DescribeOrganization", Document::empty()).await;
    assert_eq!(found.code().as_deref(), Some("AWSOrganizationsNotInUseException"));
}
