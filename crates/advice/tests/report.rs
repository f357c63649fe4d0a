//! Templates, and the interchange format.

use casemate_advice::{RULES, Resource, lint, lint_template, sarif};
use casemate_policy::Kind;
use serde_json::{Value as Json, json};

fn resource(logical_id: &str, kind: &str, properties: Json) -> Resource {
    Resource { logical_id: logical_id.to_owned(), kind: kind.to_owned(), line: 7, properties }
}

fn function(id: &str, role: &str) -> Resource {
    resource(id, "AWS::Lambda::Function", json!({"Role": {"Fn::GetAtt": [role, "Arn"]}}))
}

#[test]
fn functions_that_share_a_role_are_found_once() {
    let shared = lint_template(&[function("A", "Role"), function("B", "Role"), function("C", "Other")]);
    assert_eq!(shared.len(), 1);
    assert_eq!(shared[0].rule.id, "CM050");
    assert!(shared[0].message.starts_with("A, B share one role"));
    assert_eq!(lint_template(&[function("A", "One"), function("B", "Two")]), []);
}

#[test]
fn policies_in_a_template_are_looked_at_before_references_are_settled() {
    let statement = json!([
        {"Effect": "Allow", "Action": "dynamodb:*", "Resource": {"Fn::GetAtt": ["Table", "Arn"]}},
    ]);
    let role = resource(
        "Role",
        "AWS::IAM::Role",
        json!({
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": {
                "Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}},
            "Policies": [{"PolicyName": "data", "PolicyDocument": {"Version": "2012-10-17", "Statement": statement}}],
        }),
    );
    let found = lint_template(&[role]);
    let places: Vec<_> =
        found.iter().map(|f| (f.rule.id, f.place.as_deref().unwrap(), f.line.unwrap())).collect();
    assert_eq!(places, [("CM031", "Role/AssumeRolePolicyDocument", 7), ("CM002", "Role/Policies/data", 7)]);
}

#[test]
fn policies_of_queues_topics_and_secrets_are_those_their_services_take() {
    let document = |principal: &str, action: &str| {
        json!({"Version": "2012-10-17", "Statement": {
            "Sid": "One", "Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": {"Ref": "It"}}})
    };
    let of = |kind: &str, property: &str, document: &Json, block: bool| {
        let mut properties = json!({"BlockPublicPolicy": block});
        properties[property] = document.clone();
        let found = lint_template(&[resource("Policy", kind, properties)]);
        found.iter().map(|finding| finding.rule.id).collect::<Vec<_>>()
    };
    for (kind, property, good, bad) in [
        ("AWS::SQS::QueuePolicy", "PolicyDocument", "sqs:SendMessage", "sqs:ListQueues"),
        ("AWS::SNS::TopicPolicy", "PolicyDocument", "sns:Publish", "sns:CreateTopic"),
        (
            "AWS::SecretsManager::ResourcePolicy",
            "ResourcePolicy",
            "secretsmanager:GetSecretValue",
            "kms:Decrypt",
        ),
    ] {
        assert_eq!(of(kind, property, &document("111122223333", good), false), [""; 0], "{kind}");
        assert_eq!(of(kind, property, &document("111122223333", bad), false), ["CM044"], "{kind}");
    }
    let mut open = document("*", "secretsmanager:GetSecretValue");
    open["Statement"]["Resource"] = json!("*");
    let secret = |block| of("AWS::SecretsManager::ResourcePolicy", "ResourcePolicy", &open, block);
    assert_eq!(secret(false), ["CM031"]);
    assert_eq!(secret(true), ["CM031", "CM044"], "the template asks the service to refuse it");
}

#[test]
fn policies_that_aws_manages_are_looked_at_where_they_are_attached() {
    let found = |arns: Json| -> Vec<(String, String)> {
        let role = resource("Role", "AWS::IAM::Role", json!({"ManagedPolicyArns": arns}));
        let found = lint_template(&[role]).into_iter();
        found
            .map(|finding| {
                assert_eq!(
                    (finding.place.as_deref(), finding.line),
                    (Some("Role/ManagedPolicyArns"), Some(7))
                );
                (finding.rule.id.to_owned(), finding.message)
            })
            .collect()
    };
    let ids = |arns: Json| -> Vec<String> { found(arns).into_iter().map(|(id, _)| id).collect() };
    let all = found(json!(["arn:aws:iam::aws:policy/AdministratorAccess"]));
    assert_eq!(all[0], ("CM001".to_owned(), "`AdministratorAccess`: allows `*`".to_owned()));
    assert_eq!(all.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["CM001", "CM010", "CM011"]);
    let iam = found(json!("arn:aws:iam::aws:policy/IAMFullAccess"));
    assert!(iam.iter().any(|(id, text)| id == "CM010" && text.ends_with("more of the kind")), "{iam:?}");
    // However the partition is left open.
    let by_sub = json!([{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/PowerUserAccess"}]);
    assert!(ids(by_sub).contains(&"CM004".to_owned()));
    let parts = json!(["arn:", {"Ref": "AWS::Partition"}, ":iam::aws:policy/AdministratorAccess"]);
    assert_eq!(ids(json!([{"Fn::Join": ["", parts]}])).len(), 3);
    // What gives little, what is the account's own, and what is not known.
    for quiet in [
        json!("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"),
        json!("arn:aws:iam::aws:policy/ReadOnlyAccess"),
        json!({"Ref": "Policy"}),
        json!({"Fn::ImportValue": "arn:aws:iam::aws:policy/AdministratorAccess"}),
        json!("arn:aws:iam::111122223333:policy/AdministratorAccess"),
        Json::Null,
    ] {
        assert_eq!(found(quiet.clone()), [], "{quiet}");
    }
}

#[test]
fn what_policies_of_a_template_allow_only_together_is_found() {
    let inline = |action: &str| {
        json!({"PolicyName": action, "PolicyDocument": {"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Action": action, "Resource": "arn:aws:iam::111122223333:role/*"}}})
    };
    let found = |pass: &str| -> Vec<String> {
        let policies = json!([inline(pass), inline("codebuild:*")]);
        let found = lint_template(&[resource("Role", "AWS::IAM::Role", json!({"Policies": policies}))]);
        let together = found.into_iter().filter(|finding| finding.place.as_deref() == Some("Role/Policies"));
        together.map(|finding| finding.rule.id.to_owned()).collect()
    };
    assert_eq!(found("iam:PassRole"), ["CM010"]);
    assert_eq!(found("iam:GetRole"), [""; 0]);
}

#[test]
fn permissions_of_functions_are_looked_at_like_the_statements_they_become() {
    let found = |properties: Json| -> Vec<(String, String)> {
        let found = lint_template(&[resource("P", "AWS::Lambda::Permission", properties)]).into_iter();
        found
            .map(|finding| {
                assert_eq!((finding.place.as_deref(), finding.line), (Some("P/Principal"), Some(7)));
                (finding.rule.id.to_owned(), finding.message)
            })
            .collect()
    };
    let permission = |principal: &str, more: Json| {
        let mut properties = json!({"FunctionName": {"Ref": "F"}, "Action": "lambda:InvokeFunction",
            "Principal": principal});
        properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        properties
    };
    let bucket = "arn:aws:s3:::bucket";
    for (id, principal, more) in [
        ("CM030", "s3.amazonaws.com", json!({})),
        ("CM030", "s3.amazonaws.com", json!({"SourceArn": "*"})),
        ("CM030", "sns.amazonaws.com", json!({"SourceArn": "arn:aws:sns:*:*:*"})),
        ("CM031", "*", json!({})),
        ("CM031", "*", json!({"FunctionUrlAuthType": "AWS_IAM"})),
        ("CM033", "*", json!({"FunctionUrlAuthType": "NONE"})),
        ("CM033", "*", json!({"InvokedViaFunctionUrl": true})),
    ] {
        let found = found(permission(principal, more.clone()));
        assert_eq!(found.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), [id], "{principal} {more}");
    }
    for (principal, more) in [
        ("s3.amazonaws.com", json!({"SourceArn": bucket})),
        ("s3.amazonaws.com", json!({"SourceAccount": {"Ref": "AWS::AccountId"}})),
        ("events.amazonaws.com", json!({"SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]}})),
        ("alexa-appkit.amazon.com", json!({"EventSourceToken": "amzn1.ask.skill.1"})),
        ("*", json!({"PrincipalOrgID": "o-1"})),
        ("*", json!({"FunctionUrlAuthType": "AWS_IAM", "PrincipalOrgID": "o-1"})),
        ("111122223333", json!({})),
        ("arn:aws:iam::111122223333:role/a.b", json!({})),
    ] {
        assert_eq!(found(permission(principal, more.clone())), [], "{principal} {more}");
    }
    assert_eq!(found(json!({"Principal": {"Ref": "Account"}})), []);
}

/// The part of it that says where.
fn location() -> Json {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "physicalLocation": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "artifactLocation": {
                        "type": "object",
                        "properties": {"uri": {"type": "string", "pattern": "^[A-Za-z0-9/._~%-]+$"}},
                        "additionalProperties": false,
                    },
                    "region": {
                        "type": "object",
                        "properties": {"startLine": {"type": "integer", "minimum": 1}},
                        "additionalProperties": false,
                    },
                },
            },
            "logicalLocations": {"type": "array", "uniqueItems": true, "items": {
                "type": "object",
                "properties": {"fullyQualifiedName": {"type": "string"}},
                "additionalProperties": false,
            }},
        },
    })
}

/// The parts of the SARIF 2.1.0 schema that a report of ours touches, with its requirements and closed lists.
fn schema() -> Json {
    let message = json!({"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}});
    let level = json!({"enum": ["none", "note", "warning", "error"]});
    let rule = json!({
        "type": "object",
        "required": ["id"],
        "additionalProperties": false,
        "properties": {
            "id": {"type": "string"},
            "name": {"type": "string"},
            "shortDescription": message,
            "fullDescription": message,
            "help": message,
            "defaultConfiguration": {"type": "object", "properties": {"level": level}, "additionalProperties": false},
        },
    });
    let result = json!({
        "type": "object",
        "required": ["message"],
        "additionalProperties": false,
        "properties": {
            "ruleId": {"type": "string"},
            "ruleIndex": {"type": "integer", "minimum": 0},
            "level": level,
            "message": message,
            "locations": {"type": "array", "items": location()},
        },
    });
    let driver = json!({
        "type": "object",
        "required": ["name"],
        "additionalProperties": false,
        "properties": {
            "name": {"type": "string"},
            "version": {"type": "string"},
            "rules": {"type": "array", "uniqueItems": true, "items": rule},
        },
    });
    json!({
        "type": "object",
        "required": ["version", "runs"],
        "additionalProperties": false,
        "properties": {
            "$schema": {"type": "string", "format": "uri"},
            "version": {"const": "2.1.0"},
            "runs": {"type": "array", "items": {
                "type": "object",
                "required": ["tool"],
                "additionalProperties": false,
                "properties": {
                    "tool": {"type": "object", "required": ["driver"], "properties": {"driver": driver}},
                    "results": {"type": "array", "items": result},
                },
            }},
        },
    })
}

#[test]
fn a_report_is_sarif_and_points_to_rules_and_lines() {
    let text = "{\"Version\": \"2012-10-17\",\n\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"*\", \"Resource\": \"*\"}}";
    let files =
        [("policies/ä b.json".to_owned(), lint(text, Kind::Identity)), ("good.json".to_owned(), Vec::new())];
    let report = sarif::report("1.0.0", &files);
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let problems: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
    assert_eq!(problems, Vec::<String>::new());
    let results = report["runs"][0]["results"].as_array().unwrap();
    assert!(!results.is_empty());
    for result in results {
        let rule = RULES[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(result["ruleId"], rule.id);
        assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 2);
        assert_eq!(
            result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            "policies/%C3%A4%20b.json"
        );
    }
    let mut broken = report.clone();
    broken["version"] = json!("2.0.0");
    assert!(!validator.is_valid(&broken));
}
