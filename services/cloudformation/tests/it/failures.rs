//! Stacks that cannot be made, and templates that are refused before anything is.

use casemate_schema::Document;

use crate::{Scene, of, request, stacks::ROLE_AND_TABLE};

/// Creating it is refused with this text, and nothing is stored.
async fn refused(scene: &Scene, template: &str) -> String {
    let before = scene.world.digest();
    let answer = scene.create("bad", template).await;
    assert_eq!(answer.code().as_deref(), Some("ValidationError"), "{}", answer.text());
    assert_eq!(scene.world.digest(), before, "something was made");
    answer.message()
}

#[tokio::test]
async fn what_is_wrong_with_a_template_is_said_with_id_and_line() {
    let scene = Scene::new().await;
    for (from, to, expected) in [
        (
            "BillingMode: ",
            "BilingMode: ",
            "Encountered unsupported property BilingMode of AWS::DynamoDB::Table (resource Table, line 24)",
        ),
        (
            "AttributeType: S}",
            "AttributeTyp: S}",
            "Encountered unsupported property AttributeTyp (resource Table, line 25)",
        ),
        (
            "AWS::DynamoDB::Table",
            "AWS::DynamoDB::Tabel",
            "Template format error: Unrecognized resource types: [AWS::DynamoDB::Tabel] (resource Table, line 21)",
        ),
        (
            "!GetAtt Table.Arn",
            "!GetAtt Tabel.Arn",
            "Template error: instance of Fn::GetAtt references undefined resource Tabel (resource Role, line 20)",
        ),
        (
            "!GetAtt Table.Arn",
            "!GetAtt Table.Arm",
            "Template error: resource Table does not support attribute type Arm in Fn::GetAtt (resource Role, line 20)",
        ),
        (
            "!Ref Billing",
            "!Ref Biling",
            "Template format error: Unresolved resource dependencies [Biling] in the Resources block of the template (resource Table, line 24)",
        ),
        ("!Ref Billing", "!GetAtt Role.Arn", "Circular dependency between resources: [Role, Table] (line 7)"),
        (
            "      KeySchema",
            "      NotKeySchema",
            "Encountered unsupported property NotKeySchema of AWS::DynamoDB::Table (resource Table, line 26)",
        ),
        (
            "Value: !Ref Table",
            "Value: !Ref Nothing",
            "Template format error: Unresolved resource dependencies [Nothing] in the Outputs block of the template (line 28)",
        ),
    ] {
        assert_eq!(refused(&scene, &ROLE_AND_TABLE.replace(from, to)).await, expected);
    }
}

#[tokio::test]
async fn missing_capabilities_parameters_and_packages_are_refused() {
    let scene = Scene::new().await;
    let mut input = request("bad", ROLE_AND_TABLE);
    let _ = input.take("Capabilities");
    let answer = scene.call("CreateStack", input).await;
    assert_eq!(answer.code().as_deref(), Some("InsufficientCapabilitiesException"));
    assert_eq!(answer.message(), "Requires capabilities : [CAPABILITY_IAM]");
    let needed = ROLE_AND_TABLE.replace(", Default: PAY_PER_REQUEST", "");
    assert_eq!(refused(&scene, &needed).await, "Parameters: [Billing] must have values");
    let function = format!(
        "{}  F:\n    Type: AWS::Lambda::Function\n    Properties: {{Role: !GetAtt Role.Arn, Runtime: python3.11, Handler: a.b, Code: 'casemate-package://{}'}}\n",
        ROLE_AND_TABLE.split("Outputs:").next().unwrap(),
        "0".repeat(64)
    );
    assert!(
        refused(&scene, &function)
            .await
            .contains("has not been uploaded; run `casemate deploy` (resource F, line 29)")
    );
    let local = function.replace(&format!("casemate-package://{}", "0".repeat(64)), "./code");
    assert!(refused(&scene, &local).await.contains("is a local path; run `casemate deploy`"));
    let unsupported = Document::structure([
        ("StackName", "bad".into()),
        ("TemplateURL", "https://s3.amazonaws.com/b/k".into()),
    ]);
    assert!(scene.call("CreateStack", unsupported).await.message().contains("TemplateURL is not supported"));
}

/// The second table's name is taken by the first.
const COLLIDES: &str = r"
Resources:
  First:
    Type: AWS::DynamoDB::Table
    Properties: &table
      TableName: same
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
  Second:
    Type: AWS::DynamoDB::Table
    DependsOn: First
    Properties: *table
";

#[tokio::test]
async fn a_stack_that_cannot_be_made_is_rolled_back() {
    let scene = Scene::new().await;
    assert!(scene.create("notes", COLLIDES).await.status.is_success());
    assert_eq!(scene.settled("notes").await, "ROLLBACK_COMPLETE", "{}", scene.events("notes").await);
    let events = scene.events("notes").await;
    assert!(
        events.contains("The following resource(s) failed to create: [Second]. Rollback requested by user."),
        "{events}"
    );
    assert!(events.contains("Table already exists: same"), "{events}");
    assert!(events.contains("template line 10"), "{events}");
    assert_eq!(scene.tables().await, Vec::<String>::new());
    let update = scene.update("notes", ROLE_AND_TABLE).await;
    assert!(
        update.message().ends_with("is in ROLLBACK_COMPLETE state and can not be updated."),
        "{}",
        update.message()
    );
    assert!(scene.call("DeleteStack", of("notes")).await.status.is_success());
    assert_eq!(scene.settled("notes").await, "gone");
}

#[tokio::test]
async fn rollback_can_be_switched_off_or_delete_the_stack() {
    let scene = Scene::new().await;
    let with = |name: &str, key: &str, value: Document| {
        let mut input = request(name, COLLIDES);
        input.push(key, value);
        input
    };
    scene.call("CreateStack", with("kept", "DisableRollback", true.into())).await;
    assert_eq!(scene.settled("kept").await, "CREATE_FAILED");
    assert_eq!(scene.tables().await, ["same"]);
    scene.call("DeleteStack", of("kept")).await;
    assert_eq!(scene.settled("kept").await, "gone", "{}", scene.events("kept").await);
    assert_eq!(scene.tables().await, Vec::<String>::new());
    scene.call("CreateStack", with("gone", "OnFailure", "DELETE".into())).await;
    assert_eq!(scene.settled("gone").await, "gone");
    assert_eq!(scene.tables().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_stack_is_made_with_the_callers_rights_and_no_more() {
    let scene = Scene::new().await;
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"cloudformation:*","Resource":"*"},
        {"Effect":"Allow","Action":"dynamodb:*","Resource":"*"}]}"#;
    let bob = scene.user("bob", policy).await;
    let answer =
        scene.world.call(&bob, "cloudformation", "CreateStack", request("bobs", ROLE_AND_TABLE)).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    assert_eq!(scene.settled("bobs").await, "ROLLBACK_COMPLETE");
    let events = scene.events("bobs").await;
    assert!(events.contains("is not authorized to perform: iam:CreateRole"), "{events}");
    assert_eq!(scene.tables().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_service_role_must_be_passed_and_then_acts() {
    let scene = Scene::new().await;
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"cloudformation.amazonaws.com"}}}"#;
    let role =
        Document::structure([("RoleName", "deployer".into()), ("AssumeRolePolicyDocument", trust.into())]);
    let arn = scene.other("iam", "CreateRole", role).await.element("Arn").unwrap();
    let tables =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*"}}"#;
    let policy = Document::structure([
        ("RoleName", "deployer".into()),
        ("PolicyName", "p".into()),
        ("PolicyDocument", tables.into()),
    ]);
    assert!(scene.other("iam", "PutRolePolicy", policy).await.status.is_success());
    let only = |actions: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":[{actions}],"Resource":"*"}}}}"#
        )
    };
    let bob = scene.user("bob", &only(r#""cloudformation:*""#)).await;
    let table = COLLIDES.split("  Second:").next().unwrap();
    let input = |name: &str| {
        let mut input = request(name, table);
        input.push("RoleARN", arn.as_str().into());
        input
    };
    let refused = scene.world.call(&bob, "cloudformation", "CreateStack", input("one")).await;
    assert_eq!(refused.code().as_deref(), Some("AccessDenied"));
    assert!(refused.message().contains("iam:PassRole"), "{}", refused.message());
    let ann = scene.user("ann", &only(r#""cloudformation:*", "iam:PassRole""#)).await;
    let answer = scene.world.call(&ann, "cloudformation", "CreateStack", input("two")).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    assert_eq!(scene.settled("two").await, "CREATE_COMPLETE", "{}", scene.events("two").await);
}

#[tokio::test]
async fn hidden_parameters_are_not_shown_in_the_reasons_of_failures() {
    let scene = Scene::new().await;
    let template = "
Parameters: {Password: {Type: String, NoEcho: true}}
Resources: {Group: {Type: 'AWS::Logs::LogGroup', Properties: {LogGroupName: !Sub 'no name ${Password}'}}}
";
    let mut asked = request("hidden", template);
    let parameter = Document::structure([
        ("ParameterKey", "Password".into()),
        ("ParameterValue", "hunter2secret".into()),
    ]);
    asked.push("Parameters", Document::List(vec![parameter]));
    let made = scene.call("CreateStack", asked).await;
    assert!(made.status.is_success(), "{}", made.text());
    assert_eq!(scene.settled("hidden").await, "ROLLBACK_COMPLETE");
    let events = scene.events("hidden").await;
    assert!(events.contains("****") && !events.contains("hunter2secret"), "{events}");
    assert!(!scene.describe("hidden").await.text().contains("hunter2secret"));
}

#[tokio::test]
async fn a_stack_cut_short_by_a_stop_is_marked_at_the_next_start() {
    let scene = Scene::idle().await;
    assert!(scene.create("notes", ROLE_AND_TABLE).await.status.is_success());
    let busy = scene.update("notes", ROLE_AND_TABLE).await;
    assert!(
        busy.message().ends_with("is in CREATE_IN_PROGRESS state and can not be updated."),
        "{}",
        busy.message()
    );
    // The next start: the service is opened again over the same store, and its task runs until the service is gone.
    let next = casemate_cloudformation::open(scene.world.env()).unwrap();
    drop(next.operations);
    for task in next.tasks {
        task.work.await;
    }
    assert_eq!(scene.settled("notes").await, "CREATE_FAILED");
    let text = scene.describe("notes").await.text();
    assert!(
        text.contains("The server stopped during this operation. Delete the stack and create it again."),
        "{text}"
    );
}
