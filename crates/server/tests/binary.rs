//! The built binary as a shell sees it. The real clients in `suites/` do the rest.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

fn casemate(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_casemate")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_names_every_command_and_wrong_usage_exits_with_2() {
    let (code, out, _) = casemate(&["--help"]);
    assert_eq!(code, Some(0));
    let commands = [
        "up",
        "serve",
        "deploy",
        "user",
        "outbox",
        "log",
        "explain",
        "least-privilege",
        "shadow",
        "policy",
        "doctor",
    ];
    for command in commands {
        assert!(out.contains(&format!("\n  {command} ")), "{command} in {out}");
    }
    assert_eq!(casemate(&["no-such-command"]).0, Some(2));
    assert_eq!(casemate(&["serve", "--account", "12"]).0, Some(2));
}

#[test]
fn commands_without_a_server_or_data_say_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("none");
    let data_dir = data_dir.to_str().unwrap();
    let (code, _, said) = casemate(&["log", "verify", "--data-dir", data_dir]);
    assert_eq!(code, Some(1));
    assert!(said.contains("root.key"), "{said}");
    let (code, _, said) =
        casemate(&["user", "--endpoint-url", "http://127.0.0.1:1", "--client-id", "x", "confirm", "a", "1"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot reach http://127.0.0.1:1"), "{said}");
    let (code, _, said) = casemate(&["outbox", "--endpoint-url", "localhost:4566", "--data-dir", data_dir]);
    assert_eq!(code, Some(1));
    assert!(said.contains("not a complete URL"), "{said}");
}

const GOOD: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "dynamodb:GetItem",
    "Resource": "arn:aws:dynamodb:us-east-1:111122223333:table/t"}}"#;

#[test]
fn policies_are_linted_with_exit_codes_for_scripts() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file("good.json", GOOD);
    let bad = file("bad.json", &GOOD.replace("dynamodb:GetItem", "dynamodb:GetItme"));
    let wide = file("wide.json", &GOOD.replace("dynamodb:GetItem", "dynamodb:*"));
    let template = file(
        "template.yaml",
        "Resources:\n  Role:\n    Type: AWS::IAM::Role\n    Properties:\n      AssumeRolePolicyDocument:\n        Version: '2012-10-17'\n        Statement: {Effect: Allow, Principal: '*', Action: sts:AssumeRole}\n",
    );
    let lint = |arguments: &[&str]| casemate(&[&["policy", "lint"], arguments].concat());
    assert_eq!(lint(&[&good]), (Some(0), String::new(), String::new()));
    let (code, out, _) = lint(&[&good, &bad]);
    assert_eq!(code, Some(1));
    assert!(
        out.contains("bad.json:1: error CM043") && out.contains("did you mean dynamodb:GetItem?"),
        "{out}"
    );
    assert_eq!(lint(&[&wide]).0, Some(1));
    assert_eq!(lint(&[&wide, "--fail-on", "error"]).0, Some(0));
    let (code, out, _) = lint(&[&template, "--sarif"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("\"ruleId\": \"CM031\"") && out.contains("Role/AssumeRolePolicyDocument"), "{out}");
    let (code, _, said) = lint(&[&good, "/nonexistent/file"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("/nonexistent/file"), "{said}");
    let queue = "arn:aws:sqs:us-east-1:111122223333:q";
    let shared = file(
        "queue.json",
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "111122223333"},
            "Action": "sqs:SendMessage", "Resource": "arn:aws:sqs:us-east-1:111122223333:q"}}"#,
    );
    assert_eq!(lint(&[&shared, "--resource", queue]), (Some(0), String::new(), String::new()));
    let (code, out, _) = lint(&[&shared, "--resource", &format!("{queue}2")]);
    assert_eq!(code, Some(1));
    assert!(out.contains("queue.json:1: error CM044") && out.contains("is not the queue"), "{out}");
    assert_eq!(lint(&[&shared, "--resource", "arn:aws:s3:::b"]).0, Some(2), "no rules are known for it");
    assert_eq!(lint(&[&template, "--resource", queue]).0, Some(2), "a template is for no single resource");
    assert_eq!(lint(&[&good, "--kind", "trust"]).0, Some(1), "a trust policy names principals");
    assert_eq!(lint(&[]).0, Some(2));
}

#[test]
fn explanations_that_cannot_be_had_exit_with_2() {
    let keys =
        ["--access-key-id", "AKIA", "--secret-access-key", "x", "--endpoint-url", "http://127.0.0.1:1"];
    let explain = |arguments: &[&str]| casemate(&[&["explain"], arguments].concat());
    let (code, _, said) = explain(&[&keys[..], &["0b0b"]].concat());
    assert_eq!(code, Some(2));
    assert!(said.contains("cannot reach"), "{said}");
    assert_eq!(explain(&[]).0, Some(2));
    assert_eq!(explain(&["--principal", "p"]).0, Some(2), "without an action");
    assert_eq!(explain(&["id", "--principal", "p", "--action", "a:b"]).0, Some(2), "both ways at once");
    assert_eq!(explain(&["--principal", "p", "--action", "a:b", "--context", "novalue"]).0, Some(2));
}
