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
