//! Events that are queues and streams.

use super::*;

const FED: &str = r"
Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: 'x = 1'
      Runtime: python3.13
      Handler: index.handler
      Events:
        Orders: {Type: SQS, Properties: {Queue: 'arn:aws:sqs:us-east-1:123456789012:q', BatchSize: 5}}
        Returns: {Type: SQS, Properties: {Queue: 'arn:aws:sqs:us-east-1:123456789012:r'}}
        Changes:
          Type: DynamoDB
          Properties:
            Stream: 'arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/x'
            StartingPosition: LATEST
            DestinationConfig: {OnFailure: {Type: SQS, Destination: 'arn:aws:sqs:us-east-1:123456789012:dead'}}
        Get: {Type: Api, Properties: {Path: /, Method: get}}
";

#[test]
fn each_becomes_a_mapping_and_the_role_may_read_it() {
    let listing = listing(FED);
    let own: Vec<&str> = listing.lines().filter(|line| line.contains("EventSourceMapping")).collect();
    let mapping = |name: &str| format!("F{name} AWS::Lambda::EventSourceMapping");
    assert_eq!(own, [mapping("Orders"), mapping("Returns"), mapping("Changes")]);
    assert_eq!(
        properties(FED, "FOrders"),
        serde_json::json!({
            "EventSourceArn": "arn:aws:sqs:us-east-1:123456789012:q",
            "FunctionName": {"Ref": "F"},
            "BatchSize": 5,
        })
    );
    let changes = properties(FED, "FChanges");
    assert_eq!(
        changes["DestinationConfig"]["OnFailure"]["Destination"],
        "arn:aws:sqs:us-east-1:123456789012:dead"
    );
    assert!(changes["DestinationConfig"]["OnFailure"].get("Type").is_none());
    let role = properties(FED, "FRole");
    assert_eq!(role["ManagedPolicyArns"].as_array().unwrap().len(), 2, "{role}");
    let text = role.to_string();
    for part in ["AWSLambdaSQSQueueExecutionRole", "AWSLambdaDynamoDBExecutionRole", "FChangesSQSPolicy"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let aliased = FED.replace("InlineCode", "AutoPublishAlias: live\n      InlineCode");
    assert_eq!(properties(&aliased, "FOrders")["FunctionName"]["Ref"], "FAliaslive");
}

#[test]
fn what_a_kind_of_event_does_not_know_is_refused() {
    for (from, to, expected) in [
        (
            "BatchSize: 5",
            "StartingPosition: LATEST",
            "Encountered unsupported property StartingPosition of event Orders",
        ),
        ("Stream: 'arn", "Queue: 'arn", "Encountered unsupported property Queue of event Changes"),
        (
            "Type: SQS, Properties: {Queue: 'arn:aws:sqs:us-east-1:123456789012:r'}",
            "Type: SQS",
            "event Returns needs Queue",
        ),
        ("OnFailure: {Type: SQS", "OnSuccess: {Type: SQS", "Encountered unsupported property OnSuccess"),
        ("Type: DynamoDB", "Type: MSK", "the type MSK is not supported"),
    ] {
        assert!(FED.contains(from), "{from}");
        let error = expanded(&FED.replace(from, to)).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
