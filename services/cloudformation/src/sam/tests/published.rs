//! What hangs on a function: version, alias, URL, asynchronous requests.

use super::*;
use crate::template::Deletion;

const PUBLISHED: &str = r#"
Transform: AWS::Serverless-2016-10-31
Parameters: {Stage: {Type: String, Default: dev}}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: 'x = "é😀"'
      Runtime: python3.13
      Handler: index.handler
      MemorySize: 256
      Environment: {Variables: {STAGE: !Ref Stage, ADDRESS: !Sub '${Stage}.example'}}
      AutoPublishAlias: live
      VersionDescription: one
      ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 2}
      FunctionUrlConfig: {AuthType: NONE, Cors: {AllowOrigins: ['*']}, InvokeMode: BUFFERED}
      EventInvokeConfig:
        MaximumRetryAttempts: 1
        DestinationConfig:
          OnFailure: {Type: Lambda, Destination: 'arn:aws:lambda:us-east-1:123456789012:function:g'}
          OnSuccess: {Type: SQS, Destination: 'arn:aws:sqs:us-east-1:123456789012:q'}
      Events:
        Get: {Type: Api, Properties: {Path: /, Method: get}}
"#;

fn version(text: &str) -> Resource {
    let template = expanded(text).unwrap();
    template.resources.into_iter().find(|resource| resource.kind == "AWS::Lambda::Version").unwrap()
}

fn refused(from: &str, to: &str) -> String {
    assert!(PUBLISHED.contains(from), "{from}");
    expanded(&PUBLISHED.replace(from, to)).unwrap_err()
}

#[test]
fn what_hangs_on_a_function_is_called_as_aws_calls_it() {
    let listing = listing(PUBLISHED);
    let own: Vec<&str> = listing.lines().filter(|line| !line.contains("ApiGateway")).collect();
    assert_eq!(
        own,
        [
            "FRole AWS::IAM::Role",
            "F AWS::Lambda::Function",
            // Computed with Python: sha1(json.dumps(…, separators=(",", ":"), sort_keys=True)).
            "FVersion450e28053f AWS::Lambda::Version",
            "FAliaslive AWS::Lambda::Alias",
            "FUrl AWS::Lambda::Url",
            "FUrlPublicPermissions AWS::Lambda::Permission",
            "FUrlInvokePermissions AWS::Lambda::Permission",
            "FEventInvokeConfig AWS::Lambda::EventInvokeConfig",
            "FGetPermissionProd AWS::Lambda::Permission",
        ]
    );
    let kept = version(PUBLISHED);
    assert_eq!(kept.deletion, Deletion::Retain);
    assert_eq!(
        kept.properties.to_json(),
        serde_json::json!({"FunctionName": {"Ref": "F"}, "Description": "one"})
    );
}

#[test]
fn the_alias_leads_to_the_version_and_everything_leads_to_the_alias() {
    let alias = properties(PUBLISHED, "FAliaslive");
    assert_eq!(alias["FunctionVersion"]["Fn::GetAtt"][0], version(PUBLISHED).logical_id.as_str());
    assert_eq!(alias["ProvisionedConcurrencyConfig"]["ProvisionedConcurrentExecutions"], 2);
    assert_eq!(properties(PUBLISHED, "FUrl")["TargetFunctionArn"]["Ref"], "FAliaslive");
    for id in ["FUrlPublicPermissions", "FUrlInvokePermissions", "FGetPermissionProd"] {
        assert_eq!(properties(PUBLISHED, id)["FunctionName"]["Ref"], "FAliaslive", "{id}");
    }
    let template = expanded(PUBLISHED).unwrap();
    let method = template.resources.iter().find(|resource| resource.kind.ends_with("::Method")).unwrap();
    assert!(method.properties.to_json().to_string().contains("functions/${FAliaslive}/invocations"));
    assert_eq!(template.resource("FEventInvokeConfig").unwrap().depends_on, ["FAliaslive"]);
}

#[test]
fn a_public_url_is_opened_through_itself_only_and_others_not_at_all() {
    let call = properties(PUBLISHED, "FUrlPublicPermissions");
    assert_eq!(
        (&call["Action"], &call["FunctionUrlAuthType"]),
        (&"lambda:InvokeFunctionUrl".into(), &"NONE".into())
    );
    let invoke = properties(PUBLISHED, "FUrlInvokePermissions");
    assert_eq!(
        (&invoke["Action"], &invoke["InvokedViaFunctionUrl"]),
        (&"lambda:InvokeFunction".into(), &true.into())
    );
    for closed in ["AWS_IAM", "!Ref Stage"] {
        let listing = listing(&PUBLISHED.replace("AuthType: NONE", &format!("AuthType: {closed}")));
        assert!(listing.contains("FUrl AWS::Lambda::Url"), "{closed}");
        assert!(!listing.contains("FUrlPublic") && !listing.contains("FUrlInvoke"), "{closed}");
    }
}

#[test]
fn destinations_are_configured_and_allowed_to_the_role() {
    let config = properties(PUBLISHED, "FEventInvokeConfig");
    assert_eq!((&config["Qualifier"], &config["MaximumRetryAttempts"]), (&"live".into(), &1.into()));
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:g";
    assert_eq!(config["DestinationConfig"]["OnFailure"], serde_json::json!({"Destination": arn}));
    let role = properties(PUBLISHED, "FRole");
    let policies = role["Policies"].as_array().unwrap();
    let names: Vec<&str> = policies.iter().map(|policy| policy["PolicyName"].as_str().unwrap()).collect();
    let expected = ["FEventInvokeConfigOnFailureLambdaPolicy", "FEventInvokeConfigOnSuccessSQSPolicy"];
    assert_eq!(names[1..], expected);
    let statement = &policies[1]["PolicyDocument"]["Statement"][0];
    assert_eq!(
        (&statement["Action"], &statement["Resource"]),
        (&"lambda:InvokeFunction".into(), &arn.into())
    );

    let plain = PUBLISHED
        .replace("      AutoPublishAlias: live\n", "")
        .replace("      ProvisionedConcurrencyConfig: {ProvisionedConcurrentExecutions: 2}\n", "");
    assert_eq!(properties(&plain, "FEventInvokeConfig")["Qualifier"], "$LATEST");
    assert_eq!(properties(&plain, "FUrl")["TargetFunctionArn"]["Ref"], "F");
}

#[test]
fn a_version_is_another_when_what_it_publishes_is_another() {
    let id = |text: &str| version(text).logical_id;
    let same = id(PUBLISHED);
    assert_eq!(id(&PUBLISHED.replace("Handler: index.handler", "Handler: index.other")), same);
    for (from, to) in [
        ("x = ", "y = "),
        ("MemorySize: 256", "MemorySize: 512"),
        ("Default: dev", "Default: prod"),
        ("${Stage}.example", "${Stage}.${AWS::StackName}"),
    ] {
        assert_ne!(id(&PUBLISHED.replace(from, to)), same, "{to}");
    }
    // A parameter beside a resource in one text counts as well.
    let mixed = PUBLISHED.replace("STAGE: !Ref Stage, ", "").replace("${Stage}.example", "${Stage}-${G}");
    assert_ne!(id(&mixed), id(&mixed.replace("Default: dev", "Default: prod")));
    let package = PUBLISHED.replace("InlineCode: 'x = \"é😀\"'", "CodeUri: casemate-package://aa");
    assert_ne!(id(&package), id(&package.replace("://aa", "://ab")));

    let all = PUBLISHED.replace("VersionDescription: one", "AutoPublishAliasAllProperties: true");
    assert_ne!(id(&all), id(&all.replace("index.handler", "index.other")));
    let given = PUBLISHED.replace("VersionDescription: one", "AutoPublishCodeSha256: 6b86b273ff34fce1");
    assert_eq!(id(&given), "FVersion6b86b273ff");
}

#[test]
fn what_is_not_there_or_not_known_is_refused() {
    let error = refused("VersionDescription: one", "DeploymentPreference: {Type: AllAtOnce}");
    assert!(error.starts_with("DeploymentPreference is not supported"), "{error}");
    let error = refused("      AutoPublishAlias: live\n", "");
    assert!(error.contains("AutoPublishALias must be defined on the function (resource F"), "{error}");
    for (from, to, expected) in [
        ("Alias: live", "Alias: a-b", "must have letters and digits only"),
        ("Alias: live", "Alias: ''", "must have letters and digits only"),
        ("Alias: live", "Alias: !Ref F", "Unresolved resource dependencies"),
        ("VersionDescription: one", "AutoPublishCodeSha256: a/b", "must be a hash"),
        ("VersionDescription: one", "AutoPublishAliasAllProperties: maybe", "must be true or false"),
        ("InvokeMode:", "Mode:", "unsupported property Mode of FunctionUrlConfig"),
        ("AuthType: NONE, ", "", "AuthType is required to configure function property"),
        ("AuthType: NONE", "AuthType: OPEN", "Please provide either AWS_IAM or NONE"),
        ("MaximumRetryAttempts", "Retries", "unsupported property Retries of EventInvokeConfig"),
        ("OnFailure:", "OnError:", "unsupported property OnError of DestinationConfig"),
        ("Type: SQS,", "Type: S3,", "'Type: S3' must be one of"),
        ("Type: SQS,", "", "'Type: (none)' must be one of"),
        ("SQS, Destination", "SQS, Arn", "unsupported property Arn of OnSuccess"),
        (
            ", Destination: 'arn:aws:sqs:us-east-1:123456789012:q'",
            "",
            "that SAM makes itself is not supported",
        ),
        ("'arn:aws:sqs:us-east-1:123456789012:q'", "!If [C, x, !Ref 'AWS::NoValue']", "makes itself"),
        (
            ", Destination: 'arn:aws:lambda:us-east-1:123456789012:function:g'",
            "",
            "Destination is required if Type",
        ),
    ] {
        let error = refused(from, to);
        assert!(error.contains(expected) && error.contains("resource F"), "{to}: {error}");
    }
}

#[test]
fn a_name_that_the_transform_makes_is_not_taken_over() {
    for id in ["FRole", "FUrl", "FAliaslive"] {
        let text = format!("{PUBLISHED}  {id}: {{Type: AWS::Logs::LogGroup}}\n");
        assert!(expanded(&text).unwrap_err().contains("there is another of that name"), "{id}");
    }
}
