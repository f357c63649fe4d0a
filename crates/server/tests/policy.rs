//! `casemate policy` as a shell sees it: a gate by exit code, and a request to look at.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use serde_json::{Value as Json, json};

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs `casemate policy diff` in a directory with these files.
fn diff(files: &[(&str, &str)], stdin: &str, arguments: &[&str]) -> Ran {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_casemate"))
        .args(["policy", "diff"])
        .args(arguments)
        .current_dir(directory.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have exited without reading.
    drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn policy(statements: &Json) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn read_only() -> String {
    policy(&json!([{"Sid": "Read", "Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"}]))
}

fn carved() -> String {
    let mut document: Json = serde_json::from_str(&read_only()).unwrap();
    let statements = document.get_mut("Statement").and_then(Json::as_array_mut).unwrap();
    statements.push(json!({"Sid": "Office", "Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}));
    document.to_string()
}

#[test]
fn nothing_more_is_0_and_more_is_1_with_the_statements_of_both_sides() {
    let (read, carved) = (read_only(), carved());
    let files = [("a.json", read.as_str()), ("b.json", carved.as_str())];
    let less = diff(&files, "", &["a.json", "b.json"]);
    assert_eq!(less.code, Some(0), "{}", less.err);
    assert!(
        less.out
            .starts_with("The new policies allow nothing more than the old.\nThe new policies allow less")
    );
    let equal = diff(&files, "", &["b.json", "b.json"]);
    assert_eq!((equal.code, equal.out.lines().count()), (Some(0), 2));
    let more = diff(&files, "", &["b.json", "a.json"]);
    assert_eq!(more.code, Some(1));
    for line in [
        "The new policies allow more than the old. For example:",
        "  context    aws:sourceip = \"0.0.0.0\"",
        "  old        denied by b.json, Statement[1] (Office)",
        "  new        allowed by a.json, Statement[0] (Read)",
        "The new policies allow nothing less than the old.",
    ] {
        assert!(more.out.lines().any(|printed| printed == line), "{line} in {}", more.out);
    }
}

#[test]
fn json_has_the_whole_request() {
    let (read, carved) = (read_only(), carved());
    let files = [("a.json", read.as_str()), ("b.json", carved.as_str())];
    let ran = diff(&files, "", &["--json", "b.json", "a.json"]);
    assert_eq!(ran.code, Some(1));
    let printed: Json = serde_json::from_str(&ran.out).unwrap();
    let at =
        |pointer: &str| printed.pointer(pointer).cloned().unwrap_or_else(|| panic!("{pointer} in {printed}"));
    assert_eq!(at("/relation"), "more");
    assert_eq!(at("/less/result"), "nothing");
    assert_eq!(at("/more/witness/principal"), Json::Null);
    assert_eq!(at("/more/witness/context/aws:sourceip"), "0.0.0.0");
    let old =
        json!({"verdict": "explicitDeny", "decisive": {"policy": "b.json", "sid": "Office", "statement": 1}});
    assert_eq!(at("/more/witness/old"), old);
    assert_eq!(at("/more/witness/new/verdict"), "allowed");
}

#[test]
fn resource_policies_name_the_caller() {
    let to = |principal: Json| {
        policy(
            &json!([{"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": "*"}]),
        )
    };
    let (account, all) = (to(json!({"AWS": "111111111111"})), to(json!("*")));
    let files = [("account.json", account.as_str()), ("all.json", all.as_str())];
    let ran = diff(&files, "", &["--kind", "resource", "account.json", "all.json"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.out.contains("\n  principal  "), "{}", ran.out);
    let same = diff(&files, "", &["--kind", "resource", "account.json", "account.json", "--json"]);
    assert_eq!(same.code, Some(0), "{}", same.err);
    let wrong = diff(&files, "", &["account.json", "all.json"]);
    assert_eq!(wrong.code, Some(2));
    assert!(
        wrong.err.contains("`account.json`: Policy document should not specify a principal."),
        "{}",
        wrong.err
    );
}

#[test]
fn several_files_and_standard_input_make_a_side() {
    let (read, carved) = (read_only(), carved());
    let office = policy(&json!([{"Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}]));
    let files = [("a.json", read.as_str()), ("b.json", carved.as_str()), ("office.json", office.as_str())];
    let ran = diff(&files, "", &["b.json", "a.json", "--new", "office.json"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let ran = diff(&files, &office, &["b.json", "a.json", "--new", "-"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.out, ran.err);
    let twice = diff(&files, &office, &["-", "-"]);
    assert_eq!(twice.code, Some(2));
    assert!(twice.err.contains("standard input can be read only once"), "{}", twice.err);
}

#[test]
fn a_list_of_actions_bounds_what_a_wildcard_means() {
    let listed = policy(
        &json!([{"Effect": "Allow", "Action": ["s3:GetA", "s3:GetB"], "Resource": "arn:aws:s3:::b/*"}]),
    );
    let read = read_only();
    let actions = "# all there is\ns3:GetA\ns3:GetB\n\ns3:PutA\n";
    let files = [
        ("listed.json", listed.as_str()),
        ("a.json", read.as_str()),
        ("actions", actions),
        ("bad", "s3\n"),
        ("none", "#\n"),
    ];
    assert_eq!(diff(&files, "", &["listed.json", "a.json", "--actions", "actions"]).code, Some(0));
    assert_eq!(diff(&files, "", &["listed.json", "a.json"]).code, Some(1));
    for wrong in ["bad", "none", "missing"] {
        assert_eq!(diff(&files, "", &["listed.json", "a.json", "--actions", wrong]).code, Some(2), "{wrong}");
    }
}

#[test]
fn what_cannot_be_proved_is_3_and_never_0() {
    let when = |users: Json| {
        policy(&json!([{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/${aws:username}/*",
            "Condition": {"StringLike": {"aws:username": users}}}]))
    };
    let (one, two) = (when(json!("a*")), when(json!(["a*", "ab*"])));
    let files = [("one.json", one.as_str()), ("two.json", two.as_str())];
    let ran = diff(&files, "", &["one.json", "two.json"]);
    assert_eq!(ran.code, Some(3), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("${aws:username}"), "{}", ran.out);
    let (read, carved) = (read_only(), carved());
    let files = [("a.json", read.as_str()), ("b.json", carved.as_str())];
    let short = diff(&files, "", &["b.json", "a.json", "--steps", "10", "--json"]);
    assert_eq!(short.code, Some(3));
    assert!(short.out.contains("more work than allowed"), "{}", short.out);
}

#[test]
fn input_that_is_no_policy_is_2_and_help_says_the_codes() {
    let read = read_only();
    let files = [("a.json", read.as_str()), ("bad.json", "{"), ("empty.json", "")];
    for wrong in ["bad.json", "empty.json", "missing.json"] {
        for arguments in [["a.json", wrong], [wrong, "a.json"]] {
            let ran = diff(&files, "", &arguments);
            assert_eq!(ran.code, Some(2), "{wrong}");
            assert!(ran.out.is_empty() && ran.err.contains(wrong), "{}", ran.err);
        }
    }
    assert_eq!(diff(&files, "", &["a.json"]).code, Some(2));
    let help = diff(&files, "", &["--help"]);
    assert!(
        help.out.contains("Exit codes") && help.out.contains("\n  3  it could not be proved"),
        "{}",
        help.out
    );
}
