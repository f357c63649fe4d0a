//! Stacks made, looked at and deleted.

use casemate_schema::Document;

use crate::{Scene, of, request};

pub(crate) const ROLE_AND_TABLE: &str = r"
Description: a role and a table
Parameters:
  Billing: {Type: String, Default: PAY_PER_REQUEST}
  Secret: {Type: String, Default: hidden-value, NoEcho: true}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement:
          - Effect: Allow
            Principal: {Service: lambda.amazonaws.com}
            Action: sts:AssumeRole
      Policies:
        - PolicyName: table
          PolicyDocument:
            Version: 2012-10-17
            Statement: [{Effect: Allow, Action: 'dynamodb:GetItem', Resource: !GetAtt Table.Arn}]
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: !Ref Billing
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
Outputs:
  TableName: {Value: !Ref Table, Description: the table}
  RoleArn: {Value: !GetAtt Role.Arn}
";

#[tokio::test]
async fn a_role_and_a_table_are_created_and_deleted() {
    let scene = Scene::new().await;
    scene.created("notes", ROLE_AND_TABLE).await;
    let text = scene.describe("notes").await.text();
    assert!(text.contains("<OutputKey>TableName</OutputKey>"), "{text}");
    assert!(
        text.contains("<ParameterValue>****</ParameterValue>") && !text.contains("hidden-value"),
        "{text}"
    );
    let tables = scene.tables().await;
    assert!(tables[0].starts_with("notes-Table-"), "{tables:?}");
    let role = scene.call("DescribeStackResource", resource("notes", "Role")).await;
    let name = role.element("PhysicalResourceId").unwrap();
    let policy = Document::structure([("RoleName", name.into()), ("PolicyName", "table".into())]);
    assert!(scene.other("iam", "GetRolePolicy", policy).await.status.is_success());
    assert!(scene.call("DeleteStack", of("notes")).await.status.is_success());
    assert_eq!(scene.settled("notes").await, "gone");
    let answer = scene.describe("notes").await;
    assert_eq!(answer.code().as_deref(), Some("ValidationError"));
    assert_eq!(answer.message(), "Stack with id notes does not exist");
    assert_eq!(scene.tables().await, Vec::<String>::new());
    assert_eq!(scene.other("iam", "ListRoles", Document::empty()).await.element("RoleName"), None);
}

fn resource(stack: &str, logical_id: &str) -> Document {
    Document::structure([("StackName", stack.into()), ("LogicalResourceId", logical_id.into())])
}

#[tokio::test]
async fn a_stack_can_be_looked_at_in_every_way() {
    let scene = Scene::new().await;
    scene.created("notes", ROLE_AND_TABLE).await;
    let events = scene.events("notes").await;
    let first = events.rfind("CREATE_IN_PROGRESS").unwrap();
    let last = events.find("CREATE_COMPLETE").unwrap();
    assert!(last < first, "newest first: {events}");
    for text in ["User Initiated", "AWS::IAM::Role", "AWS::CloudFormation::Stack"] {
        assert!(events.contains(text), "{text}: {events}");
    }
    let resources = scene.call("DescribeStackResources", of("notes")).await.text();
    assert!(
        resources.contains("notes-Table-")
            && resources.contains("<LogicalResourceId>Role</LogicalResourceId>")
    );
    let listed = scene.call("ListStackResources", of("notes")).await.text();
    assert!(listed.contains("<ResourceType>AWS::DynamoDB::Table</ResourceType>"), "{listed}");
    let stacks = scene.call("ListStacks", Document::empty()).await.text();
    assert!(stacks.contains("<TemplateDescription>a role and a table</TemplateDescription>"), "{stacks}");
    let template = scene.call("GetTemplate", of("notes")).await;
    assert!(template.text().contains("NoEcho: true"), "{}", template.text());
    let all = scene.call("DescribeStacks", Document::empty()).await.text();
    assert!(all.contains("<StackName>notes</StackName>"));
    for (operation, input, message) in [
        ("DescribeStackEvents", of("no"), "Stack [no] does not exist"),
        ("DescribeStackResource", resource("notes", "No"), "Resource No does not exist for stack notes"),
        ("DescribeStackResources", of("no"), "Stack with id no does not exist"),
        ("ListStackResources", of("no"), "Stack with id no does not exist"),
        ("GetTemplate", of("no"), "Stack with id no does not exist"),
    ] {
        let answer = scene.call(operation, input).await;
        assert_eq!((answer.code().as_deref(), answer.message().as_str()), (Some("ValidationError"), message));
    }
}

#[tokio::test]
async fn a_name_is_used_once_and_again_after_deletion() {
    let scene = Scene::new().await;
    scene.created("notes", ROLE_AND_TABLE).await;
    let again = scene.create("notes", ROLE_AND_TABLE).await;
    assert_eq!(again.code().as_deref(), Some("AlreadyExistsException"));
    assert_eq!(again.message(), "Stack [notes] already exists");
    scene.call("DeleteStack", of("notes")).await;
    assert_eq!(scene.settled("notes").await, "gone");
    scene.created("notes", ROLE_AND_TABLE).await;
    let listed = scene.call("ListStacks", Document::empty()).await.text();
    assert!(listed.contains("DELETE_COMPLETE") && listed.contains("CREATE_COMPLETE"), "{listed}");
}

#[tokio::test]
async fn protected_stacks_stay_and_absent_ones_are_deleted_already() {
    let scene = Scene::new().await;
    let mut input = request("kept", ROLE_AND_TABLE);
    input.push("EnableTerminationProtection", true.into());
    assert!(scene.call("CreateStack", input).await.status.is_success());
    assert_eq!(scene.settled("kept").await, "CREATE_COMPLETE");
    let refused = scene.call("DeleteStack", of("kept")).await;
    assert_eq!(refused.message(), "Stack [kept] cannot be deleted while TerminationProtection is enabled");
    assert!(scene.call("DeleteStack", of("nobody")).await.status.is_success());
}

#[tokio::test]
async fn retained_resources_stay_when_the_stack_goes() {
    let scene = Scene::new().await;
    let template = ROLE_AND_TABLE.replace(
        "    Type: AWS::DynamoDB::Table\n",
        "    Type: AWS::DynamoDB::Table\n    DeletionPolicy: Retain\n",
    );
    scene.created("notes", &template).await;
    scene.call("DeleteStack", of("notes")).await;
    assert_eq!(scene.settled("notes").await, "gone");
    assert_eq!(scene.tables().await.len(), 1);
}

#[tokio::test]
async fn templates_are_validated_without_a_stack() {
    let scene = Scene::new().await;
    let body = |text: &str| Document::structure([("TemplateBody", text.into())]);
    let fine = scene.call("ValidateTemplate", body(ROLE_AND_TABLE)).await.text();
    assert!(fine.contains("<Capabilities><member>CAPABILITY_IAM</member></Capabilities>"), "{fine}");
    assert!(fine.contains("<ParameterKey>Billing</ParameterKey>"));
    let summary = scene.call("GetTemplateSummary", body(ROLE_AND_TABLE)).await.text();
    assert!(summary.contains("<ResourceTypes><member>AWS::DynamoDB::Table</member>"), "{summary}");
    assert!(summary.contains("<ParameterType>String</ParameterType>"), "{summary}");
    let absent = scene.call("GetTemplateSummary", of("nobody")).await;
    assert_eq!(absent.message(), "Stack with id nobody does not exist");
    let wrong = scene.call("ValidateTemplate", body("Resources:\n  A: 1\n")).await;
    assert_eq!(wrong.code().as_deref(), Some("ValidationError"));
    assert!(wrong.message().contains("(line 2)"), "{}", wrong.message());
}
