//! The whole of it, with the engine as the judge.

use std::collections::BTreeSet;

use casemate_policy::Form;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::engine::{Answer, Replay};

const TABLE: &str = "arn:aws:dynamodb:us-east-1:123456789012:table/notes";

fn exact(resource: &str, user: &str, keys: &[(&str, &[&str])]) -> Exact {
    let value = |(name, values): &(&str, &[&str])| {
        let mut texts: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
        let many = crate::keys::rule(name, texts.len() != 1).usage == crate::keys::Use::Set;
        let value = if many { KeyValue::Many(texts) } else { KeyValue::One(texts.remove(0)) };
        ((*name).to_owned(), Some(value))
    };
    Exact {
        resource: resource.to_owned(),
        keys: keys.iter().map(value).collect(),
        variables: vec![("aws:PrincipalTag/user".to_owned(), user.to_owned())],
        facts: Vec::new(),
        called_via: Vec::new(),
    }
}

fn entry(action: &str, exact: Exact) -> Entry {
    Entry { action: action.to_owned(), body: Body::Exact(exact), count: 1 }
}

fn recorded(entries: Vec<Entry>) -> Recorded {
    Recorded { arn: "arn:aws:iam::123456789012:role/r".to_owned(), lost: 0, entries }
}

fn current(statements: &serde_json::Value) -> Vec<Document> {
    let text = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    vec![Document::parse("current", &text).unwrap()]
}

fn made(outcome: &Outcome) -> serde_json::Value {
    let all: Vec<_> =
        outcome.documents.iter().flat_map(|d| d.statements.iter().map(Statement::json)).collect();
    json!(all)
}

#[test]
fn keys_that_are_always_the_callers_tag_become_its_variable() {
    let read = |user: &str, keys: &[&str]| {
        let keys: &[(&str, &[&str])] = &[
            ("dynamodb:LeadingKeys", keys),
            ("dynamodb:Select", &["ALL_ATTRIBUTES"]),
            ("dynamodb:Attributes", &["owner", "id"]),
        ];
        entry("dynamodb:Query", exact(TABLE, user, keys))
    };
    let record = recorded(vec![
        read("alice", &["alice"]),
        read("bobby", &["bobby"]),
        read("bobby", &["inbox#bobby"]),
        read("alice", &["inbox#alice"]),
    ]);
    let outcome =
        minimise(&record, &current(&json!([{ "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*" }])))
            .unwrap();
    assert!(outcome.certificate.holds(), "{:?}", outcome.certificate);
    let wanted = json!([{
        "Sid": "DynamodbQuery",
        "Effect": "Allow",
        "Action": "dynamodb:Query",
        "Resource": TABLE,
        "Condition": {
            "ForAllValues:StringEquals": {
                "dynamodb:LeadingKeys": ["${aws:PrincipalTag/user}", "inbox#${aws:PrincipalTag/user}"]
            },
            "Null": { "dynamodb:LeadingKeys": "false" }
        }
    }]);
    assert_eq!(made(&outcome), wanted);
}

/// Tenants with names of any length, each of whom wrote only what is its own.
#[test]
fn short_names_of_tenants_are_not_listed_for_all_others() {
    let put = |user: &str, key: &str, resource: &str| {
        let resource = format!("{TABLE}/index/{resource}");
        entry("dynamodb:PutItem", exact(&resource, user, &[("dynamodb:LeadingKeys", &[key])]))
    };
    let own = |user: &str| put(user, &format!("USER#{user}"), &format!("by-{user}"));
    let mut entries: Vec<Entry> = ["bob", "alice", "7", "carol"].into_iter().map(own).collect();
    let wide = || current(&json!([{ "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*" }]));
    let outcome = minimise(&recorded(entries.clone()), &wide()).unwrap();
    assert!(outcome.certificate.holds(), "{:?}", outcome.certificate);
    assert_eq!(made(&outcome).as_array().map(Vec::len), Some(1), "{:#}", made(&outcome));
    let keys = |outcome: &Outcome| {
        made(outcome)[0]["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"].clone()
    };
    assert_eq!(keys(&outcome), json!("USER#${aws:PrincipalTag/user}"));
    let resource = format!("{TABLE}/index/by-${{aws:PrincipalTag/user}}");
    assert_eq!(made(&outcome)[0]["Resource"], json!(resource));
    assert_eq!(outcome.notes, BTreeSet::new());
    // Once alice was seen with bob's, it is listed, and that is said.
    entries.push(put("alice", "USER#bob", "by-alice"));
    let outcome = minimise(&recorded(entries), &wide()).unwrap();
    assert!(outcome.certificate.holds(), "{:?}", outcome.certificate);
    assert_eq!(keys(&outcome), json!(["USER#bob", "USER#${aws:PrincipalTag/user}"]));
    let said = "dynamodb:PutItem: values of dynamodb:LeadingKeys are listed beside a variable, open to every caller: USER#bob";
    assert_eq!(outcome.notes, BTreeSet::from([said.to_owned()]));
}

#[test]
fn keys_that_are_always_the_subject_of_a_federated_caller_become_its_variable() {
    let subject = "issuer.example/pool:sub";
    let read = |user: &str, key: &str| {
        let mut exact = exact(TABLE, "", &[("dynamodb:LeadingKeys", &[key])]);
        exact.variables = vec![(subject.to_owned(), user.to_owned())];
        entry("dynamodb:GetItem", exact)
    };
    let wide = || current(&json!([{ "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*" }]));
    let keys = |outcome: &Outcome| {
        made(outcome)[0]["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"].clone()
    };
    let record = recorded(vec![read("8f2a-1", "8f2a-1"), read("77c0-9", "77c0-9")]);
    let outcome = minimise(&record, &wide()).unwrap();
    assert!(outcome.certificate.holds(), "{:?}", outcome.certificate);
    assert_eq!(keys(&outcome), json!("${issuer.example/pool:sub}"));
    // Once it was somebody else's, it is no rule.
    let record = recorded(vec![read("8f2a-1", "8f2a-1"), read("77c0-9", "8f2a-1")]);
    let outcome = minimise(&record, &wide()).unwrap();
    assert!(outcome.certificate.holds(), "{:?}", outcome.certificate);
    assert_eq!(keys(&outcome), json!("8f2a-1"));
}

#[test]
fn attributes_are_listed_together_with_select_as_aws_documents() {
    let keys: &[(&str, &[&str])] = &[
        ("dynamodb:LeadingKeys", &["a"]),
        ("dynamodb:Attributes", &["id", "title"]),
        ("dynamodb:Select", &["SPECIFIC_ATTRIBUTES"]),
        ("dynamodb:ReturnConsumedCapacity", &["NONE"]),
    ];
    let record = recorded(vec![entry("dynamodb:GetItem", exact(TABLE, "zoe", keys))]);
    let outcome =
        minimise(&record, &current(&json!({ "Effect": "Allow", "Action": "*", "Resource": "*" }))).unwrap();
    let condition = &made(&outcome)[0]["Condition"];
    assert_eq!(condition["StringEquals"], json!({ "dynamodb:Select": "SPECIFIC_ATTRIBUTES" }));
    assert_eq!(condition["ForAllValues:StringEquals"]["dynamodb:Attributes"], json!(["id", "title"]));
    assert!(outcome.certificate.holds());
}

/// `Select` must be there, because a read without it returns everything; a write that says nothing returns nothing.
#[test]
fn only_the_key_whose_absence_asks_for_less_may_be_missing() {
    let write = |values: &str| {
        entry("dynamodb:PutItem", exact(TABLE, "zoe", &[("dynamodb:ReturnValues", &[values])]))
    };
    let read =
        entry("dynamodb:GetItem", exact(TABLE, "zoe", &[("dynamodb:Select", &["SPECIFIC_ATTRIBUTES"])]));
    let wide = || json!({ "Effect": "Allow", "Action": "dynamodb:*", "Resource": "*" });
    let made_of = |entries: Vec<Entry>, policy: serde_json::Value| {
        let outcome = minimise(&recorded(entries), &current(&policy)).unwrap();
        assert!(outcome.certificate.holds(), "{:?}", outcome.certificate);
        made(&outcome)
    };
    let conditions = |made: &serde_json::Value, at: usize| made[at]["Condition"].clone();
    let both = made_of(vec![read, write("NONE"), write("ALL_OLD")], wide());
    assert_eq!(conditions(&both, 0), json!({ "StringEquals": { "dynamodb:Select": "SPECIFIC_ATTRIBUTES" } }));
    let values = json!(["ALL_OLD", "NONE"]);
    assert_eq!(conditions(&both, 1), json!({ "StringEqualsIfExists": { "dynamodb:ReturnValues": values } }));
    // Where less was never asked for, absence is nothing that was seen.
    let old = made_of(vec![write("ALL_OLD")], wide());
    assert_eq!(conditions(&old, 0), json!({ "StringEquals": { "dynamodb:ReturnValues": "ALL_OLD" } }));
    // A current condition that wants the key to be there stays, and one that does not is narrowed.
    let when = |operator: &str| {
        let mut statement = wide();
        statement["Condition"] = json!({ operator: { "dynamodb:ReturnValues": ["NONE", "UPDATED_OLD"] } });
        conditions(&made_of(vec![write("NONE")], statement), 0)
    };
    let narrow = json!({ "dynamodb:ReturnValues": "NONE" });
    assert_eq!(when("StringEqualsIfExists"), json!({ "StringEqualsIfExists": narrow }));
    let strict = json!({ "dynamodb:ReturnValues": ["NONE", "UPDATED_OLD"] });
    assert_eq!(when("StringEquals"), json!({ "StringEqualsIfExists": narrow, "StringEquals": strict }));
}

#[test]
fn what_a_key_is_need_not_be_said_where_the_key_is_named() {
    let key = "arn:aws:kms:us-east-1:123456789012:key/1";
    let constants: &[(&str, &[&str])] = &[
        ("kms:CustomerMasterKeySpec", &["SYMMETRIC_DEFAULT"]),
        ("kms:CustomerMasterKeyUsage", &["ENCRYPT_DECRYPT"]),
        ("kms:KeyOrigin", &["AWS_KMS"]),
        ("kms:KeySpec", &["SYMMETRIC_DEFAULT"]),
        ("kms:KeyUsage", &["ENCRYPT_DECRYPT"]),
        ("kms:MultiRegion", &["false"]),
    ];
    let with = |more: &[(&'static str, &'static [&'static str])]| [constants, more].concat();
    let conditions = |resource: &str, action: &str, keys: &[(&str, &[&str])]| {
        let record = recorded(vec![entry(action, exact(resource, "zoe", keys))]);
        let policy = current(&json!({ "Effect": "Allow", "Action": "kms:*", "Resource": "*" }));
        let outcome = minimise(&record, &policy).unwrap();
        assert!(outcome.certificate.holds(), "{:?}", outcome.certificate);
        made(&outcome)[0].get("Condition").cloned().unwrap_or_default()
    };
    let symmetric = with(&[
        ("kms:EncryptionAlgorithm", &["SYMMETRIC_DEFAULT"]),
        ("kms:EncryptionContext:app", &["notes"]),
    ]);
    let context = json!({ "StringEquals": { "kms:EncryptionContext:app": "notes" } });
    assert_eq!(conditions(key, "kms:Encrypt", &symmetric), context);
    // Of the algorithms that a key has several of, the request chooses one.
    let asymmetric = with(&[("kms:EncryptionAlgorithm", &["RSAES_OAEP_SHA_256"])]);
    let chosen = json!({ "StringEquals": { "kms:EncryptionAlgorithm": "RSAES_OAEP_SHA_256" } });
    assert_eq!(conditions(key, "kms:Encrypt", &asymmetric), chosen);
    // A key that is yet to be made is none that is named.
    let new = conditions("*", "kms:CreateKey", &[("kms:KeySpec", &["SYMMETRIC_DEFAULT"])]);
    assert_eq!(new, json!({ "StringEquals": { "kms:KeySpec": "SYMMETRIC_DEFAULT" } }));
}

#[test]
fn a_scan_without_leading_keys_gets_a_statement_of_its_own() {
    let query = entry("dynamodb:Query", exact(TABLE, "alice", &[("dynamodb:LeadingKeys", &["alice"])]));
    let outcome = minimise(
        &recorded(vec![query, entry("dynamodb:Scan", exact(TABLE, "alice", &[]))]),
        &current(&json!({ "Effect": "Allow", "Action": "dynamodb:*", "Resource": TABLE })),
    )
    .unwrap();
    assert_eq!(outcome.documents[0].statements.len(), 2);
    assert!(outcome.certificate.holds());
}

#[test]
fn passing_a_role_names_the_service_and_calls_through_services_say_so() {
    let role = "arn:aws:iam::123456789012:role/worker";
    let pass = exact(role, "x", &[("iam:PassedToService", &["lambda.amazonaws.com"])]);
    let through =
        Exact { called_via: vec!["cloudformation.amazonaws.com".to_owned()], ..exact("*", "x", &[]) };
    let outcome = minimise(
        &recorded(vec![entry("iam:PassRole", pass), entry("iam:ListRoles", through)]),
        &current(&json!({ "Effect": "Allow", "Action": "iam:*", "Resource": "*" })),
    )
    .unwrap();
    let made = made(&outcome);
    assert_eq!(
        made[0]["Condition"],
        json!({ "ForAnyValue:StringEquals": { "aws:CalledVia": "cloudformation.amazonaws.com" } })
    );
    assert_eq!(
        made[1]["Condition"],
        json!({ "StringEquals": { "iam:PassedToService": "lambda.amazonaws.com" } })
    );
    assert!(outcome.certificate.holds());
}

#[test]
fn conditions_and_denials_of_the_current_policies_stay_where_they_matter() {
    let office = json!({ "IpAddress": { "aws:SourceIp": "192.0.2.0/24" } });
    let policies = current(&json!([
        { "Sid": "Office", "Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": office },
        { "Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::secret/*" },
        { "Effect": "Deny", "Action": "s3:Get*", "Resource": "arn:aws:s3:::open/hidden*" },
        { "Effect": "Deny", "Action": "sqs:*", "Resource": "*" },
        { "Sid": "Unused", "Effect": "Allow", "Action": "sns:*", "Resource": "*" },
    ]));
    let texts: Vec<Entry> = (0..30)
        .map(|n| entry("s3:GetObject", exact(&format!("arn:aws:s3:::open/h/{n}"), "x", &[])))
        .collect();
    let outcome = minimise(&recorded(texts), &policies).unwrap();
    let made = made(&outcome);
    assert_eq!(made[0]["Condition"], office, "copied");
    assert_eq!(made[0]["Resource"], "arn:aws:s3:::open/h/*");
    assert_eq!(made.as_array().unwrap().len(), 1, "no denial touches it: {made}");
    assert_eq!(outcome.certificate.replay.assuming, BTreeSet::from(["aws:SourceIp".to_owned()]));
    assert!(outcome.certificate.holds(), "{:?}", outcome.certificate);
    assert_eq!(outcome.unused.len(), 1);
    let wider = vec![entry("s3:GetObject", exact("arn:aws:s3:::open/hid", "x", &[]))];
    let outcome = minimise(&recorded(wider), &policies).unwrap();
    assert_eq!(outcome.documents[0].statements.len(), 1);
}

#[test]
fn a_denial_that_cuts_into_what_was_used_is_kept_and_counts_as_needed() {
    let policies = current(&json!([
        { "Effect": "Allow", "Action": "s3:*", "Resource": "*" },
        { "Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::open/h/secret*" },
    ]));
    let texts: Vec<Entry> = (0..30)
        .map(|n| entry("s3:GetObject", exact(&format!("arn:aws:s3:::open/h/{n}"), "x", &[])))
        .collect();
    let outcome = minimise(&recorded(texts), &policies).unwrap();
    let statements = &outcome.documents[0].statements;
    assert!(
        !statements[1].allows && statements[1].sid.as_deref() == Some("Denys3")
            || statements[1].sid.is_some()
    );
    assert!(outcome.certificate.holds(), "{:?}", outcome.certificate);
}

#[test]
fn what_the_current_policies_do_not_grant_is_left_out_and_said() {
    let record = recorded(vec![
        entry("s3:GetObject", exact("arn:aws:s3:::a/1", "x", &[])),
        entry("s3:PutObject", exact("arn:aws:s3:::a/1", "x", &[])),
        Entry {
            action: "sqs:SendMessage".to_owned(),
            body: Body::Refused(Refused { resource: "*".to_owned(), ..Refused::default() }),
            count: 3,
        },
    ]);
    let outcome =
        minimise(&record, &current(&json!({ "Effect": "Allow", "Action": "s3:Get*", "Resource": "*" })))
            .unwrap();
    let pair = ("s3:PutObject".to_owned(), "arn:aws:s3:::a/1".to_owned());
    assert_eq!(outcome.ungranted, BTreeSet::from([pair]), "and refusals are no use");
    assert_eq!(made(&outcome)[0]["Action"], "s3:GetObject");
}

#[test]
fn long_policies_are_cut_below_awss_limit() {
    let entries = (0..60).map(|n| {
        let letter = char::from(b'a' + u8::try_from(n % 26).unwrap());
        entry("s3:GetObject", exact(&format!("arn:aws:s3:::{letter}{n}{}/x", "b".repeat(200)), "x", &[]))
    });
    let outcome = minimise(
        &recorded(entries.collect()),
        &current(&json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": (0..60).map(|n| {
            let letter = char::from(b'a' + u8::try_from(n % 26).unwrap());
            format!("arn:aws:s3:::{letter}{n}{}/x", "b".repeat(200))
        }).collect::<Vec<_>>() })),
    )
    .unwrap();
    assert!(outcome.documents.len() > 1);
    for document in &outcome.documents {
        assert!(document.json().to_string().len() <= DOCUMENT_CHARS_MAX);
    }
    assert!(outcome.certificate.holds(), "{:?}", outcome.certificate);
}

#[test]
fn generalised_requests_are_covered_within_the_current_policies() {
    let general = General {
        resources: Some(BTreeSet::from([
            Form::Prefix("arn:aws:s3:::a/home/".to_owned()),
            Form::Literal("arn:aws:s3:::b/1".to_owned()),
        ])),
        folded: 200,
        ..General::default()
    };
    let record =
        recorded(vec![Entry { action: "s3:GetObject".to_owned(), body: Body::General(general), count: 200 }]);
    let policies = current(&json!([
        { "Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::a/home/x/*" },
        { "Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*" },
    ]));
    let outcome = minimise(&record, &policies).unwrap();
    assert_eq!(made(&outcome)[0]["Resource"], json!(["arn:aws:s3:::a/home/x/*", "arn:aws:s3:::b/1"]));
    assert!(outcome.certificate.holds(), "{:?}", outcome.certificate);
    assert_eq!(outcome.certificate.replay.generalised_requests, 200);
}

#[test]
fn a_forged_result_is_not_certified() {
    let policies =
        current(&json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a/*" }));
    let record = recorded(vec![entry("s3:GetObject", exact("arn:aws:s3:::a/1", "x", &[]))]);
    let draft = narrow::narrow(&record, &policies).unwrap();
    let proofs =
        |statements: serde_json::Value| certify::certify(&draft, &current(&statements), &policies).unwrap();
    let good = json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a/1" });
    assert!(proofs(good.clone()).holds());
    let other = json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a/2" });
    assert!(!proofs(other.clone()).replay.holds);
    assert!(!proofs(json!([good, other])).minimal.holds);
    for wide in [
        json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::*" }),
        json!({ "Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::a/1" }),
        json!({ "Effect": "Allow", "NotAction": "s3:PutObject", "Resource": "arn:aws:s3:::a/1" }),
        json!({ "Effect": "Allow", "Action": "s3:GetObject", "NotResource": "arn:aws:s3:::b" }),
    ] {
        assert!(!proofs(wide.clone()).subset.holds, "{wide}");
    }
}

#[test]
fn templates_for_sam_name_account_and_region_by_parameter() {
    let record = recorded(vec![entry(
        "dynamodb:Query",
        exact(TABLE, "alice", &[("dynamodb:LeadingKeys", &["alice"])]),
    )]);
    let outcome =
        minimise(&record, &current(&json!({ "Effect": "Allow", "Action": "*", "Resource": "*" }))).unwrap();
    let place = sam::Place {
        account: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        partition: "aws".to_owned(),
        ..sam::Place::default()
    };
    let text = sam::policies(&outcome.documents, &place, 6);
    assert!(text.starts_with("      Policies:\n        - Version: \"2012-10-17\"\n          Statement:\n            - Sid: \"DynamodbQuery\"\n              Effect: \"Allow\"\n"), "{text}");
    assert!(text.contains(
        "Resource: !Sub \"arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/notes\""
    ));
    assert!(text.contains("\"dynamodb:LeadingKeys\": \"${aws:PrincipalTag/user}\""), "{text}");
}

/// Requests over small alphabets, so that policies and requests meet.
fn request() -> impl Strategy<Value = Entry> {
    let actions =
        prop::sample::select(vec!["s3:GetObject", "s3:PutObject", "dynamodb:Query", "dynamodb:Scan"]);
    let users = prop::sample::select(vec!["alice", "bobby", "eve"]);
    let keys = prop::sample::select(vec!["alice", "bobby", "inbox#alice", "inbox#eve", "c*"]);
    let keys = prop::collection::btree_set(keys, 0..3);
    let prefix = prop::option::of(prop::sample::select(vec!["home/alice", "home/bobby", "home/eve", "x?"]));
    (actions, "[ab]/[ab]{1,2}", users, keys, prefix).prop_map(|(action, resource, user, keys, prefix)| {
        let mut all = Vec::new();
        if !keys.is_empty() {
            let values = keys.into_iter().map(str::to_owned).collect();
            all.push(("dynamodb:LeadingKeys".to_owned(), Some(KeyValue::Many(values))));
        }
        if let Some(prefix) = prefix {
            all.push(("s3:prefix".to_owned(), Some(KeyValue::One(prefix.to_owned()))));
        }
        let own = exact(&format!("arn:aws:s3:::{resource}"), user, &[]);
        entry(action, Exact { keys: all, ..own })
    })
}

fn policy_statement() -> impl Strategy<Value = serde_json::Value> {
    let actions = prop::sample::select(vec!["s3:*", "s3:GetObject", "dynamodb:*", "*", "dynamodb:Query"]);
    let resources = prop::sample::select(vec![
        "*",
        "arn:aws:s3:::a/*",
        "arn:aws:s3:::*",
        "arn:aws:s3:::?/a",
        "arn:aws:s3:::b/${aws:PrincipalTag/user}*",
    ]);
    let conditions = prop::sample::select(vec![
        json!({}),
        json!({ "ForAllValues:StringLike": { "dynamodb:LeadingKeys": ["*alice", "bobby"] } }),
        json!({ "StringLike": { "s3:prefix": "home/*" } }),
        json!({ "StringNotEquals": { "aws:PrincipalTag/user": "bobby" } }),
        json!({ "Null": { "dynamodb:LeadingKeys": "true" } }),
    ]);
    let inverted = prop::bool::weighted(0.2);
    (prop::bool::weighted(0.8), actions, resources, conditions, inverted).prop_map(
        |(allow, action, resource, condition, inverted)| {
            let effect = if allow { "Allow" } else { "Deny" };
            let name = if inverted { "NotResource" } else { "Resource" };
            let resource = if inverted && resource == "*" { "arn:aws:s3:::zz" } else { resource };
            json!({ "Effect": effect, "Action": action, name: resource, "Condition": condition })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// On random policies: the proofs hold, and random further requests confirm that nothing new is granted.
    #[test]
    fn results_keep_every_recorded_request_and_grant_nothing_new(
        used in prop::collection::vec(request(), 1..14),
        others in prop::collection::vec(request(), 40),
        statements in prop::collection::vec(policy_statement(), 1..5),
    ) {
        let policies = current(&json!(statements));
        let outcome = minimise(&recorded(used.clone()), &policies).unwrap();
        let proofs = &outcome.certificate;
        prop_assert!(proofs.replay.holds && proofs.minimal.holds, "{:#?}", outcome);
        // What `NotResource` leaves to a variable cannot be narrowed to a list: then the proof must be missing, or hold.
        let inverted = statements.iter().any(|statement| statement.get("NotResource").is_some());
        prop_assert!(proofs.subset.holds || inverted, "{:#?}", outcome);
        // The two ways of comparing agree as far as the coarser one can tell.
        let flat = |documents: &[Document]| -> Vec<Statement> {
            documents.iter().flat_map(|d| d.statements.clone()).collect()
        };
        let coarse = certify::not_within(&flat(&outcome.documents), &flat(&policies));
        prop_assert!(proofs.subset.holds || !coarse.is_empty(), "{:#?}", outcome);
        let all = |documents: &[Document]| {
            let statements: Vec<Statement> = documents.iter().flat_map(|d| d.statements.clone()).collect();
            Replay::of(&statements).unwrap()
        };
        let (new, old) = (all(&outcome.documents), all(&policies));
        for entry in used.iter().chain(&others) {
            let Body::Exact(exact) = &entry.body else { continue };
            let before = old.ask(&entry.action, exact);
            if proofs.subset.holds && new.ask(&entry.action, exact) == Answer::Allowed {
                prop_assert_eq!(before, Answer::Allowed, "{:?} by {:#?}", entry, outcome.documents);
            }
        }
        for entry in &used {
            let Body::Exact(exact) = &entry.body else { continue };
            if old.ask(&entry.action, exact) == Answer::Allowed {
                prop_assert_eq!(new.ask(&entry.action, exact), Answer::Allowed);
            }
        }
    }

    /// The order in which things were recorded changes nothing.
    #[test]
    fn results_do_not_depend_on_order(used in prop::collection::vec(request(), 1..10)) {
        let policies = current(&json!({ "Effect": "Allow", "Action": "*", "Resource": "*" }));
        let forwards = minimise(&recorded(used.clone()), &policies).unwrap();
        let backwards = minimise(&recorded(used.into_iter().rev().collect()), &policies).unwrap();
        prop_assert_eq!(forwards.documents, backwards.documents);
    }
}
