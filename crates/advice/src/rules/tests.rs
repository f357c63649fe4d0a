//! Each rule with a document that it finds and one that it does not.

mod cases;

use casemate_names::Arn;
use casemate_policy::Kind;
use serde_json::{Value as Json, json};

use self::cases::{Case, allow, named, when};
use crate::{Attached, RULES, lint, lint_attached};

const TABLE: &str = "arn:aws:dynamodb:us-east-1:111122223333:table/t";

fn document(statements: &Json) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

fn ids(text: &str, kind: Kind) -> Vec<&'static str> {
    lint(text, kind).iter().map(|finding| finding.rule.id).collect()
}

#[test]
fn every_rule_fires_where_it_should_and_only_there() {
    for Case { id, kind, fires, silent } in cases::all() {
        let found = ids(&document(&fires), kind);
        assert!(found.contains(&id), "{id} does not fire on {fires}: {found:?}");
        let found = ids(&document(&silent), kind);
        assert!(!found.contains(&id), "{id} fires on {silent}: {found:?}");
    }
}

#[test]
fn combinations_are_found_across_the_documents_of_one_principal() {
    let pass =
        |to: &str| when(allow("iam:PassRole", "*"), json!({"StringEquals": {"iam:PassedToService": to}}));
    let together = |documents: &[Json]| -> Vec<(usize, Option<usize>, String)> {
        let texts: Vec<String> = documents.iter().map(document).collect();
        let names = ["first", "second", "third"];
        let named: Vec<(&str, &str)> = names.into_iter().zip(texts.iter().map(String::as_str)).collect();
        let found = crate::lint_together(&named).into_iter();
        found
            .map(|(at, finding)| {
                assert_eq!((finding.rule.id, finding.line), ("CM010", Some(1)));
                (at, finding.statement, finding.message)
            })
            .collect()
    };
    let (create, invoke) = (allow("lambda:CreateFunction", "*"), allow("lambda:InvokeFunction", "*"));
    let text = "with iam:PassRole on any role of `second` and lambda:CreateFunction of `first`, lambda:InvokeFunction of \
                `third` one runs own code in a new function";
    let apart = [
        create.clone(),
        json!([allow("dynamodb:GetItem", TABLE), pass("lambda.amazonaws.com")]),
        invoke.clone(),
    ];
    assert_eq!(together(&apart), [(1, Some(1), text.to_owned())]);
    // Each alone is silent: what they allow together is all there is to find.
    assert!(apart.iter().all(|one| !ids(&document(one), Kind::Identity).contains(&"CM010")));
    // A part is missing, the role goes to another service, or it is denied by whichever document.
    assert_eq!(together(&apart[..2]), []);
    assert_eq!(together(&[create.clone(), pass("ec2.amazonaws.com"), invoke.clone()]), []);
    let deny = json!({"Effect": "Deny", "Action": "iam:*", "Resource": "*"});
    let denied = [json!([create.clone(), deny]), pass("lambda.amazonaws.com"), invoke.clone()];
    assert_eq!(together(&denied), []);
    // One document that has it all is found alone, and not once more.
    let whole = json!([create, pass("lambda.amazonaws.com"), invoke]);
    assert!(ids(&document(&whole), Kind::Identity).contains(&"CM010"));
    assert_eq!(together(&[whole, allow("lambda:InvokeFunction", "*")]), []);
    // The second of two statements that pass roles is looked at, too.
    let two = json!([pass("ec2.amazonaws.com"), pass("lambda.amazonaws.com"), apart[0], apart[2]]);
    assert!(ids(&document(&two), Kind::Identity).contains(&"CM010"));
}

#[test]
fn variables_in_an_old_document_are_found() {
    let statement = json!({"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::b/${aws:userid}/*"});
    let old = json!({"Version": "2008-10-17", "Statement": statement}).to_string();
    assert!(ids(&old, Kind::Resource).contains(&"CM041"));
    assert!(!ids(&document(&statement), Kind::Resource).contains(&"CM041"));
}

#[test]
fn a_good_document_has_no_findings() {
    let good = document(&json!([
        allow("dynamodb:GetItem", TABLE),
        when(
            allow("iam:PassRole", "arn:aws:iam::111122223333:role/app"),
            json!({"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}})
        ),
    ]));
    assert_eq!(lint(&good, Kind::Identity), []);
}

#[test]
fn suggestions_and_lines_are_given() {
    let text = "{\"Version\": \"2012-10-17\", \"Statement\": [\n {\"Effect\": \"Allow\", \"Action\": \"dynamodb:ListTables\", \"Resource\": \"*\"},\n {\"Sid\": \"Put\", \"Effect\": \"Allow\", \"Action\": \"dynamodb:PutItme\", \"Resource\": \"arn:aws:dynamodb:us-east-1:111122223333:table/t\"}]}";
    let found = lint(text, Kind::Identity);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].statement, found[0].line, found[0].sid.as_deref()), (Some(1), Some(3), Some("Put")));
    assert!(found[0].message.ends_with("did you mean dynamodb:PutItem?"), "{}", found[0].message);
}

#[test]
fn a_document_for_a_known_resource_must_be_for_that_one() {
    let queue = Arn::parse("arn:aws:sqs:us-east-1:111122223333:q").unwrap();
    let attached = Attached::to(&queue).unwrap();
    let found = |resource: &str| {
        let mut statement = named(&json!({"AWS": "111122223333"}), "sqs:SendMessage", Some(resource));
        statement["Sid"] = json!("Send");
        lint_attached(&document(&statement), &attached)
    };
    assert_eq!(found("*"), []);
    assert_eq!(found(queue.as_str()), []);
    let other = found("arn:aws:sqs:us-east-1:111122223333:q2");
    assert_eq!(other.len(), 1, "{other:?}");
    assert_eq!(
        (other[0].rule.id, other[0].statement, other[0].sid.as_deref()),
        ("CM044", Some(0), Some("Send"))
    );
    let said = "`arn:aws:sqs:us-east-1:111122223333:q2` is not the queue that the policy is for; the service says \
                InvalidAttributeValue: Invalid value for the parameter Policy.";
    assert_eq!(other[0].message, said);
    let bucket = Arn::parse("arn:aws:s3:::b").unwrap();
    assert!(Attached::to(&bucket).is_none(), "its service's rules are not known");
}

#[test]
fn a_document_that_is_too_long_for_its_service_is_found() {
    let mut statement = named(&json!({"AWS": "111122223333"}), "sqs:SendMessage", Some("*"));
    assert_eq!(ids(&document(&statement), Kind::Resource), [""; 0]);
    statement["Sid"] = json!("s".repeat(8_192));
    assert_eq!(ids(&document(&statement), Kind::Resource), ["CM044"]);
}

#[test]
fn what_was_never_used_is_named_at_its_statement() {
    let text = "{\"Version\": \"2012-10-17\", \"Statement\": [\n{\"Sid\": \"A\"},\n{\"Sid\": \"B\"}]}";
    let found = crate::unused(text, 1, Some("B".to_owned()), &["s3:Get*".to_owned(), "s3:Put*".to_owned()]);
    assert_eq!((found.rule.id, found.line, found.statement), ("CM060", Some(3), Some(1)));
    assert_eq!(found.message, "never used: s3:Get*, s3:Put*");
}

#[test]
fn a_condition_that_binds_nobody_is_named() {
    let everybody = named(&json!("*"), "sqs:SendMessage", Some("arn:aws:sqs:us-east-1:111122223333:q"));
    let text = document(&when(everybody, json!({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}})));
    let said: Vec<String> = lint(&text, Kind::Resource).into_iter().map(|finding| finding.message).collect();
    let expected =
        "everybody is admitted: `Principal` is `*` (StringEqualsIfExists on aws:PrincipalOrgID binds nobody)";
    assert_eq!(said, [expected]);
}

/// Where the analysis that blocks public policies finds nothing, nothing is said either; where it does, there is a finding
/// but for the values it takes for public only because they are patterns.
#[test]
fn everybody_is_whom_the_public_analysis_means() {
    let vectors: Vec<Json> =
        serde_json::from_str(include_str!("../../../policy-vectors/vectors/public.json")).unwrap();
    for vector in &vectors {
        let policy = &vector["policy"];
        let text = if policy.get("Statement").is_some() { policy.to_string() } else { document(policy) };
        let found = ids(&text, Kind::Resource).contains(&"CM031");
        let (name, public) = (vector["name"].as_str().unwrap(), vector["public"] == true);
        assert!(public || !found, "{name}: {text}");
        let pattern = ["with a wildcard", "with a question mark", "pattern of aws:userid"];
        assert!(!public || found || pattern.iter().any(|part| name.contains(part)), "{name}: {text}");
    }
}

#[test]
fn ids_are_in_order_and_unique() {
    assert!(RULES.windows(2).all(|pair| pair[0].id < pair[1].id));
}

#[test]
fn garbage_is_a_finding_not_a_panic() {
    for text in [
        "",
        "[]",
        "{}",
        "{\"Statement\": []}",
        "{\"Statement\": [1, null, \"x\"]}",
        "{\"Statement\": {\"Condition\": 3}}",
    ] {
        assert!(ids(text, Kind::Identity).contains(&"CM000"), "{text}");
    }
}
