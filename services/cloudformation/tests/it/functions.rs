//! Functions with all that belongs to them: layers, versions, aliases, URLs and what becomes of asynchronous requests.

use casemate_schema::Document;
use serde_json::Value;

use crate::{Scene, of, packages::uploaded};

/// A zip with one empty file called `x`.
const ZIP: &[u8] = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0xPK\x01\x02\x14\x03\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x80\x01\0\0\0\0xPK\x05\x06\0\0\0\0\x01\0\x01\0\x2f\0\0\0\x1f\0\0\0\0\0";

fn template(layer: &str, version: &str, description: &str) -> String {
    format!(
        "Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement: [{{Effect: Allow, Action: 'sts:AssumeRole', Principal: {{Service: lambda.amazonaws.com}}}}]
  Tools:
    Type: AWS::Lambda::LayerVersion
    Properties: {{LayerName: tools, Content: '{layer}'}}
  F:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: f
      Description: {description}
      Role: !GetAtt Role.Arn
      Runtime: python3.11
      Handler: index.handler
      Layers: [!Ref Tools]
      Code: {{ZipFile: 'x = 1'}}
  {version}:
    Type: AWS::Lambda::Version
    Properties: {{FunctionName: !Ref F}}
  Prod:
    Type: AWS::Lambda::Alias
    Properties: {{FunctionName: !Ref F, FunctionVersion: !GetAtt {version}.Version, Name: prod}}
  Address:
    Type: AWS::Lambda::Url
    Properties: {{TargetFunctionArn: !Ref F, Qualifier: prod, AuthType: AWS_IAM}}
    DependsOn: Prod
  Events:
    Type: AWS::Lambda::EventInvokeConfig
    Properties: {{FunctionName: !Ref F, Qualifier: prod, MaximumRetryAttempts: 1}}
    DependsOn: Prod
Outputs:
  Url: {{Value: !GetAtt Address.FunctionUrl}}
"
    )
}

async fn shown(scene: &Scene, operation: &str, more: &[(&str, &str)]) -> Value {
    let mut input = Document::structure([("FunctionName", "f".into())]);
    for (name, value) in more {
        input.push(name, (*value).into());
    }
    let answer = scene.other("lambda", operation, input).await;
    assert!(answer.status.is_success(), "{operation}: {}", answer.text());
    answer.json()
}

#[tokio::test]
async fn what_belongs_to_a_function_is_made_follows_it_and_goes() {
    let scene = Scene::new().await;
    let layer = uploaded(&scene, ZIP).await;
    scene.created("app", &template(&layer, "First", "one")).await;
    let alias = shown(&scene, "GetAlias", &[("Name", "prod")]).await;
    assert_eq!(alias["FunctionVersion"], "1");
    let version = shown(&scene, "GetFunctionConfiguration", &[("Qualifier", "1")]).await;
    assert!(version["Layers"][0]["Arn"].as_str().unwrap().ends_with(":layer:tools:1"));
    let url = shown(&scene, "GetFunctionUrlConfig", &[("Qualifier", "prod")]).await;
    assert!(scene.describe("app").await.text().contains(url["FunctionUrl"].as_str().unwrap()));
    assert_eq!(
        shown(&scene, "GetFunctionEventInvokeConfig", &[("Qualifier", "prod")]).await["MaximumRetryAttempts"],
        1
    );

    let answer = scene.update("app", &template(&layer, "Second", "two")).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    assert_eq!(scene.settled("app").await, "UPDATE_COMPLETE", "{}", scene.events("app").await);
    assert_eq!(shown(&scene, "GetAlias", &[("Name", "prod")]).await["FunctionVersion"], "2");
    let versions = shown(&scene, "ListVersionsByFunction", &[]).await;
    assert_eq!(versions["Versions"].as_array().unwrap().len(), 2, "the first version went: {versions}");

    assert!(scene.call("DeleteStack", of("app")).await.status.is_success());
    assert_eq!(scene.settled("app").await, "gone", "{}", scene.events("app").await);
    let layers = scene.other("lambda", "ListLayers", Document::empty()).await.json();
    assert_eq!(layers["Layers"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_version_of_an_unchanged_function_is_refused_and_the_one_before_stays() {
    let scene = Scene::new().await;
    let layer = uploaded(&scene, ZIP).await;
    scene.created("app", &template(&layer, "First", "one")).await;
    let answer = scene.update("app", &template(&layer, "Second", "one")).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    assert_eq!(scene.settled("app").await, "UPDATE_ROLLBACK_COMPLETE");
    assert!(scene.events("app").await.contains("A version for this Lambda function exists ( 1 )"));
    assert_eq!(shown(&scene, "GetAlias", &[("Name", "prod")]).await["FunctionVersion"], "1");
}

#[tokio::test]
async fn a_layer_that_is_no_package_is_refused_before_anything_is_made() {
    let scene = Scene::new().await;
    let answer = scene.create("app", &template("./layer", "First", "one")).await;
    assert!(
        answer.message().contains("the content of a layer must be a local directory"),
        "{}",
        answer.text()
    );
}

fn sam_template(code: &str, more: &str) -> String {
    format!(
        "Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: f
      Runtime: python3.11
      Handler: index.handler
      InlineCode: '{code}'
      AutoPublishAlias: live
      FunctionUrlConfig: {{AuthType: NONE}}
      EventInvokeConfig:
        MaximumRetryAttempts: 1
        DestinationConfig: {{OnFailure: {{Type: Lambda, Destination: !GetAtt G.Arn}}}}
{more}
  G:
    Type: AWS::Serverless::Function
    Properties: {{Runtime: python3.11, Handler: index.handler, InlineCode: 'x = 1'}}
"
    )
}

#[tokio::test]
async fn a_function_of_sam_is_published_and_its_alias_follows() {
    let scene = Scene::new().await;
    let provisioned = "      ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 1}";
    scene.created("app", &sam_template("x = 1", provisioned)).await;
    let live = [("Name", "live")];
    assert_eq!(shown(&scene, "GetAlias", &live).await["FunctionVersion"], "1");
    let at_live = [("Qualifier", "live")];
    assert_eq!(shown(&scene, "GetFunctionUrlConfig", &at_live).await["AuthType"], "NONE");
    let policy = shown(&scene, "GetPolicy", &at_live).await["Policy"].as_str().unwrap().to_owned();
    let policy: Value = serde_json::from_str(&policy).unwrap();
    for statement in policy["Statement"].as_array().unwrap() {
        let condition = match statement["Action"].as_str().unwrap() {
            "lambda:InvokeFunctionUrl" => {
                &statement["Condition"]["StringEquals"]["lambda:FunctionUrlAuthType"]
            }
            _ => &statement["Condition"]["Bool"]["lambda:InvokedViaFunctionUrl"],
        };
        assert!(condition == "NONE" || condition == "true", "open for more than the URL: {statement}");
    }
    assert_eq!(policy["Statement"].as_array().unwrap().len(), 2);
    let config = shown(&scene, "GetFunctionEventInvokeConfig", &at_live).await;
    assert!(
        config["DestinationConfig"]["OnFailure"]["Destination"]
            .as_str()
            .unwrap()
            .contains(":function:app-G-")
    );
    let kept_ready = shown(&scene, "GetProvisionedConcurrencyConfig", &at_live).await;
    assert_eq!(kept_ready["RequestedProvisionedConcurrentExecutions"], 1);

    let answer = scene.update("app", &sam_template("x = 2", "")).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    assert_eq!(scene.settled("app").await, "UPDATE_COMPLETE", "{}", scene.events("app").await);
    assert_eq!(shown(&scene, "GetAlias", &live).await["FunctionVersion"], "2");
    let versions = shown(&scene, "ListVersionsByFunction", &[]).await;
    assert_eq!(versions["Versions"].as_array().unwrap().len(), 3, "the first version stays: {versions}");
    let input = Document::structure([("FunctionName", "f".into()), ("Qualifier", "live".into())]);
    let gone = scene.other("lambda", "GetProvisionedConcurrencyConfig", input).await;
    assert!(
        gone.text().contains("No Provisioned Concurrency Config found for this function"),
        "{}",
        gone.text()
    );

    assert!(scene.call("DeleteStack", of("app")).await.status.is_success());
    assert_eq!(scene.settled("app").await, "gone", "{}", scene.events("app").await);
}

fn fed(properties: &str, events: &str) -> String {
    format!(
        "Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: f
      Runtime: python3.11
      Handler: index.handler
      InlineCode: 'x = 1'
      Events:
        Orders: {{Type: SQS, Properties: {{Queue: 'arn:aws:sqs:us-east-1:123456789012:q'{events}}}}}
  Second:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {{FunctionName: !Ref F, EventSourceArn: 'arn:aws:sqs:us-east-1:123456789012:r'{properties}}}
"
    )
}

#[tokio::test]
async fn event_sources_are_mapped_change_in_place_and_go() {
    let scene = Scene::new().await;
    let all = async || {
        let listed = shown(&scene, "ListEventSourceMappings", &[]).await;
        let mut all = listed["EventSourceMappings"].as_array().unwrap().clone();
        all.sort_by_key(|one| one["EventSourceArn"].as_str().unwrap().to_owned());
        all
    };
    let tagged = ", BatchSize: 3, Enabled: false, Tags: [{Key: team, Value: a}]";
    scene.created("app", &fed(tagged, ", BatchSize: 5")).await;
    let before = all().await;
    assert_eq!((before.len(), &before[0]["BatchSize"], &before[1]["BatchSize"]), (2, &5.into(), &3.into()));
    assert_eq!(before[1]["StateTransitionReason"], "USER_INITIATED");
    let answer = scene.update("app", &fed("", "")).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    assert_eq!(scene.settled("app").await, "UPDATE_COMPLETE", "{}", scene.events("app").await);
    let after = all().await;
    assert_eq!((after.len(), &after[0]["BatchSize"], &after[1]["BatchSize"]), (2, &10.into(), &10.into()));
    assert_eq!((&after[0]["UUID"], &after[1]["UUID"]), (&before[0]["UUID"], &before[1]["UUID"]));
    assert_ne!(after[1]["StateTransitionReason"], "USER_INITIATED");
    let arn = after[1]["EventSourceMappingArn"].as_str().unwrap();
    let tags = scene.other("lambda", "ListTags", Document::structure([("Resource", arn.into())])).await;
    assert_eq!(tags.json()["Tags"], serde_json::json!({}));
    assert!(scene.call("DeleteStack", of("app")).await.status.is_success());
    assert_eq!(scene.settled("app").await, "gone", "{}", scene.events("app").await);
    let none = scene.other("lambda", "ListEventSourceMappings", Document::empty()).await.json();
    assert_eq!(none["EventSourceMappings"], serde_json::json!([]));
}

#[tokio::test]
async fn code_signing_is_made_given_to_a_function_and_taken_away() {
    let scene = Scene::new().await;
    let template = |policy: &str, used: &str| {
        format!(
            "Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement: [{{Effect: Allow, Action: 'sts:AssumeRole', Principal: {{Service: lambda.amazonaws.com}}}}]
  Signing:
    Type: AWS::Lambda::CodeSigningConfig
    Properties:
      AllowedPublishers:
        SigningProfileVersionArns: ['arn:aws:signer:us-east-1:123456789012:/signing-profiles/p/0123456789']
      {policy}
  F:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: f
      Role: !GetAtt Role.Arn
      Runtime: python3.11
      Handler: index.handler
      Code: {{ZipFile: 'x = 1'}}
      {used}
"
        )
    };
    let used = "CodeSigningConfigArn: !Ref Signing";
    scene.created("app", &template("Description: d", used)).await;
    let arn = shown(&scene, "GetFunctionCodeSigningConfig", &[]).await["CodeSigningConfigArn"].clone();
    let config = async || {
        let input = Document::structure([("CodeSigningConfigArn", arn.as_str().unwrap().into())]);
        scene.other("lambda", "GetCodeSigningConfig", input).await.json()["CodeSigningConfig"].clone()
    };
    assert_eq!(config().await["CodeSigningPolicies"]["UntrustedArtifactOnDeployment"], "Warn");
    let enforced = "CodeSigningPolicies: {UntrustedArtifactOnDeployment: Enforce}";
    let answer = scene.update("app", &template(enforced, "")).await;
    assert!(answer.status.is_success(), "{}", answer.text());
    assert_eq!(scene.settled("app").await, "UPDATE_COMPLETE", "{}", scene.events("app").await);
    let after = config().await;
    assert_eq!(after["CodeSigningPolicies"]["UntrustedArtifactOnDeployment"], "Enforce");
    assert_eq!(after["Description"], "");
    assert_eq!(shown(&scene, "GetFunctionCodeSigningConfig", &[]).await["CodeSigningConfigArn"], "");
    assert!(scene.call("DeleteStack", of("app")).await.status.is_success());
    assert_eq!(scene.settled("app").await, "gone", "{}", scene.events("app").await);
}
