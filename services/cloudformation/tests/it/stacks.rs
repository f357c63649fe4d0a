//! Stacks made, changed, taken back and deleted.

use casemate_schema::Document;

use crate::{Scene, request};

const ROLE_AND_TABLE: &str = r"
Parameters:
  Billing: {Type: String, Default: PAY_PER_REQUEST}
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
    let scene = Scene::new();
    let made = scene.create("notes", ROLE_AND_TABLE).await;
    assert!(made.status.is_success(), "{}", made.text());
    assert_eq!(scene.settled("notes").await, "CREATE_COMPLETE", "{}", scene.events("notes").await);
    let stack = scene.describe("notes").await;
    let text = stack.text();
    assert!(text.contains("<OutputKey>TableName</OutputKey>"), "{text}");
    assert!(text.contains("notes-Table-"), "{text}");
    let tables = scene.other("dynamodb", "ListTables", Document::empty()).await;
    let table = tables.json()["TableNames"][0].as_str().unwrap().to_owned();
    assert!(table.starts_with("notes-Table-"));
    let gone = scene.call("DeleteStack", Document::structure([("StackName", "notes".into())])).await;
    assert!(gone.status.is_success(), "{}", gone.text());
    for _ in 0..2_000 {
        if !scene.describe("notes").await.status.is_success() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let answer = scene.describe("notes").await;
    assert_eq!(answer.code().as_deref(), Some("ValidationError"));
    assert_eq!(answer.message(), "Stack with id notes does not exist");
    let tables = scene.other("dynamodb", "ListTables", Document::empty()).await;
    assert_eq!(tables.json()["TableNames"].as_array().unwrap().len(), 0);
    let _ = request;
}
