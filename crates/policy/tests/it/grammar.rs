//! What the grammar refuses, with AWS's words.

use casemate_policy::{Kind, Policy};

fn refusal(kind: Kind, text: &str) -> String {
    Policy::parse(text, kind).expect_err(text).to_string()
}

fn statement(kind: Kind, statement: &str) -> String {
    refusal(kind, &format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#))
}

const SYNTAX: &str = "Syntax errors in policy.";

#[test]
fn what_is_no_policy_is_refused() {
    for text in [
        "",
        "This is not a json document",
        "[]",
        "null",
        "{}",
        r#"{"Version":"2012-10-17"}"#,
        r#"{"Version":"2012-10-17","Statement":[]}"#,
        r#"{"Version":"2012-10-17","Statement":["x"]}"#,
        r#"{"Version":"2012-10-17","Statement":"x"}"#,
        r#"{"Version":"2013-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        r#"{"Version":2012,"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        r#"{"Version":"2012-10-17","Id":1,"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        r#"{"Version":"2012-10-17","Extra":1,"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}} x"#,
    ] {
        assert_eq!(refusal(Kind::Identity, text), SYNTAX, "{text}");
    }
}

#[test]
fn repeated_keys_are_refused_at_every_depth() {
    for body in [
        r#""Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*""#,
        r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"a":"1","a":"2"}}"#,
        r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a":"1"},"Bool":{"b":"2"}}"#,
    ] {
        assert_eq!(statement(Kind::Identity, &format!("{{{body}}}")), SYNTAX, "{body}");
    }
}

#[test]
fn elements_outside_the_grammar_are_refused() {
    for body in [
        r#""Effect":"allow","Action":"*","Resource":"*""#,
        r#""Action":"*","Resource":"*""#,
        r#""Effect":"Allow","Action":"*","NotAction":"*","Resource":"*""#,
        r#""Effect":"Allow","Action":"*","Resource":"*","NotResource":"*""#,
        r#""Effect":"Allow","Action":"*","Resource":"*","Conditions":{}"#,
        r#""Effect":"Allow","Action":"*","Resource":"*","Condition":[]"#,
        r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEqual":{"a":"b"}}"#,
        r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForSomeValues:StringEquals":{"a":"b"}}"#,
        r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{"NullIfExists":{"a":"true"}}"#,
        r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":"a"}"#,
        r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"a":null}}"#,
        r#""Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"a":{"b":"c"}}}"#,
        r#""Effect":"Allow","Action":{"a":"b"},"Resource":"*""#,
        r#""Effect":"Allow","Action":[1],"Resource":"*""#,
        r#""Effect":"Allow","Action":"*","Resource":[["*"]]"#,
        r#""Sid":1,"Effect":"Allow","Action":"*","Resource":"*""#,
    ] {
        assert_eq!(statement(Kind::Identity, &format!("{{{body}}}")), SYNTAX, "{body}");
    }
}

#[test]
fn each_mistake_has_its_message() {
    let cases = [
        (r#"{"Effect":"Allow","Resource":"*"}"#, "Policy statement must contain actions."),
        (r#"{"Effect":"Allow","Action":[],"Resource":"*"}"#, "Policy statement must contain actions."),
        (r#"{"Effect":"Allow","NotAction":[],"Resource":"*"}"#, "Policy statement must contain actions."),
        (r#"{"Effect":"Allow","Action":"*"}"#, "Policy statement must contain resources."),
        (r#"{"Effect":"Allow","Action":"*","Resource":[]}"#, "Policy statement must contain resources."),
        (r#"{"Effect":"Allow","Action":"*","NotResource":[]}"#, "Policy statement must contain resources."),
        (
            r#"{"Effect":"Allow","Action":"GetObject","Resource":"*"}"#,
            "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        ),
        (
            r#"{"Effect":"Allow","Action":"s3:a:b","Resource":"*"}"#,
            "Actions/Condition can contain only one colon.",
        ),
        (
            r#"{"Effect":"Allow","Action":"*","Resource":"bucket"}"#,
            r#"Resource bucket must be in ARN format or "*"."#,
        ),
        (
            r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:s*:::b"}"#,
            "Resource vendor must be fully qualified and cannot contain regexes.",
        ),
        (
            r#"{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}"#,
            "Policy document should not specify a principal.",
        ),
        (
            r#"{"Effect":"Allow","Action":"*","Resource":"*","NotPrincipal":"*"}"#,
            "Policy document should not specify a principal.",
        ),
        (
            r#"{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"}"#,
            "Statement IDs (SID) in a single policy must be unique.",
        ),
        (
            r#"{"Sid":"a b","Effect":"Allow","Action":"*","Resource":"*"}"#,
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
        ),
    ];
    for (body, message) in cases {
        assert_eq!(statement(Kind::Identity, body), message, "{body}");
    }
}

#[test]
fn identity_policies_need_the_new_version() {
    let message = "Policy document must be version 2012-10-17 or greater.";
    let body = r#""Statement":{"Effect":"Allow","Action":"*","Resource":"*"}"#;
    assert_eq!(refusal(Kind::Identity, &format!("{{{body}}}")), message);
    assert_eq!(refusal(Kind::Session, &format!(r#"{{"Version":"2008-10-17",{body}}}"#)), message);
    assert!(Policy::parse(&format!("{{{body}}}"), Kind::Authorizer).is_ok());
}

#[test]
fn trust_policies_speak_of_assuming_the_role_only() {
    let cases = [
        (r#"{"Effect":"Allow","Action":"sts:AssumeRole"}"#, "Missing required field Principal"),
        (r#"{"Effect":"Allow","Principal":"*"}"#, "Missing required field Action"),
        (
            r#"{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}"#,
            "Has prohibited field Resource",
        ),
        (
            r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}"#,
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            r#"{"Effect":"Allow","Principal":"*","Action":"*"}"#,
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            r#"{"Effect":"Allow","Principal":"*","NotAction":"sts:AssumeRole"}"#,
            "AssumeRole policy may only specify STS AssumeRole actions.",
        ),
        (
            r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/*"},"Action":"sts:AssumeRole"}"#,
            r#"Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:user/*""#,
        ),
        (
            r#"{"Effect":"Allow","Principal":{"Servant":"x.y"},"Action":"sts:AssumeRole"}"#,
            r#"Invalid principal in policy: "Servant":"x.y""#,
        ),
        (r#"{"Effect":"Allow","Principal":{},"Action":"sts:AssumeRole"}"#, SYNTAX),
        (r#"{"Effect":"Allow","Principal":{"AWS":[]},"Action":"sts:AssumeRole"}"#, SYNTAX),
        (r#"{"Effect":"Allow","Principal":"123456789012","Action":"sts:AssumeRole"}"#, SYNTAX),
        (
            r#"{"Effect":"Deny","NotPrincipal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}"#,
            "Has prohibited field NotPrincipal",
        ),
    ];
    for (body, message) in cases {
        assert_eq!(statement(Kind::Trust, body), message, "{body}");
    }
    assert_eq!(refusal(Kind::Trust, "{"), "This policy contains invalid Json");
    let fine = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}"#;
    assert!(Policy::parse(fine, Kind::Trust).is_ok());
}

#[test]
fn resource_policies_must_name_a_principal_and_never_allow_by_exception() {
    assert_eq!(
        statement(Kind::Resource, r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#),
        "Missing required field Principal"
    );
    assert_eq!(
        statement(
            Kind::Resource,
            r#"{"Effect":"Allow","NotPrincipal":{"AWS":"123456789012"},"Action":"*","Resource":"*"}"#
        ),
        "Allow with NotPrincipal is not allowed."
    );
    assert_eq!(
        statement(Kind::ResourceControl, r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#),
        "A resource control policy can only deny."
    );
}

#[test]
fn oversized_documents_are_refused_before_they_are_read() {
    let text = " ".repeat(Policy::LENGTH_MAX + 1);
    assert!(refusal(Kind::Identity, &text).contains("131072"));
    let largest = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let largest = format!("{largest}{}", " ".repeat(Policy::LENGTH_MAX - largest.len()));
    assert!(Policy::parse(&largest, Kind::Identity).is_ok());
    let deep = format!("{}{}", "[".repeat(60_000), "]".repeat(60_000));
    assert_eq!(refusal(Kind::Identity, &deep), SYNTAX);
}

#[test]
fn places_are_named() {
    let text = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"*","Resource":"*"},
        {"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEqual":{"a":"b"}}}]}"#;
    assert_eq!(
        Policy::parse(text, Kind::Identity).unwrap_err().place(),
        "Statement[1].Condition.StringEqual"
    );
}
