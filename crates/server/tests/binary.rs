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
    for command in ["up", "serve", "deploy", "user", "outbox", "log", "policy", "doctor"] {
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
