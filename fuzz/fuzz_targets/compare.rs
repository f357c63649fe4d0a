//! What the compiled engine says of a policy and a request is what the slow, literal reference interpreter says.
//!
//! The input is not a document: its bytes choose one, from the grammar, with texts over a small alphabet that is mostly signs
//! with a meaning (`*`, `?`, `:`, `${…}`). Nearly every input so is a question to both; `policy_decision` tries documents as bytes.

#![no_main]
#![allow(dead_code)]

#[path = "../../crates/policy/tests/it/reference/mod.rs"]
mod reference;
#[path = "../../crates/policy/tests/it/support.rs"]
mod support;

use casemate_policy::{Effect3, Kind, Policy, Principal, Request, evaluate};
use libfuzzer_sys::fuzz_target;
use reference::Question;
use serde_json::{Value as Json, json};
use support::{ACCOUNT, Fact, Facts, OTHER, Says};

/// The bytes of the input, one choice each; zeroes after the end, so that every walk ends.
struct Bytes<'a>(std::slice::Iter<'a, u8>);

impl Bytes<'_> {
    fn next(&mut self) -> usize {
        usize::from(self.0.next().copied().unwrap_or_default())
    }

    fn of<'t>(&mut self, all: &[&'t str]) -> &'t str {
        all[self.next() % all.len()]
    }

    fn text(&mut self) -> String {
        let pieces = self.next() % 6;
        (0..pieces).map(|_| self.of(&PIECES)).collect()
    }
}

const PIECES: [&str; 42] = [
    "a", "b", "A", "x", "*", "?", "**", ":", "/", "${aws:username}", "${aws:PrincipalTag/Team}", "${k, 'a*'}", "${*}", "${?}",
    "${$}", "${", "}", "$", "1", "-1", ".5", "0", "10.0.0.0", "/8", "10.1.2.3", "2020-01-01", "1969-12-31", "2021", "AAAA", "true", "False", "bucket",
    "ann", "é", " ", "'", "arn:aws:s3:::", "arn:aws:sqs:us-east-1:111111111111:", "ab", "aab", "YQ==", "YWE=",
];

const KEYS: [&str; 6] = ["aws:username", "aws:PrincipalTag/Team", "AWS:principaltag/team", "k", "aws:SourceIp", "other"];

const OPERATORS: [&str; 29] = [
    "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike",
    "NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan",
    "NumericGreaterThanEquals", "DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan",
    "DateGreaterThanEquals", "Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "ArnEquals", "ArnNotEquals", "ArnLike",
    "ArnNotLike", "Null", "stringlike", "STRINGNOTEQUALS",
];

const ACTIONS: [&str; 6] = ["s3:GetObject", "s3:PutObject", "S3:getobject", "sqs:SendMessage", "s3:a", "s3:aab"];

const PRINCIPALS: [&str; 7] = [
    "*", ACCOUNT, "arn:aws:iam::111111111111:root", "arn:aws:iam::111111111111:user/ann", "AIDAANNAAAAAAAAAAAAAA",
    "arn:aws:iam::111111111111:role/path/worker", "arn:aws:sts::111111111111:assumed-role/worker/s",
];

fn some(bytes: &mut Bytes<'_>, one: impl Fn(&mut Bytes<'_>) -> String) -> Json {
    match bytes.next() % 4 {
        0 | 1 => json!(one(bytes)),
        n => json!((0..n).map(|_| one(bytes)).collect::<Vec<_>>()),
    }
}

fn action(bytes: &mut Bytes<'_>) -> String {
    match bytes.next() % 4 {
        0 => bytes.of(&ACTIONS).to_owned(),
        1 => bytes.of(&["*", "s3:*", "s3:Get*", "S3:?etobject", "s*:GetObject", "s3:*Object", "sqs:*", "s3:*a*b"]).to_owned(),
        _ => format!("{}:{}", bytes.of(&["s3", "S3", "s?", "sqs", "*"]), bytes.text()),
    }
}

fn resource(bytes: &mut Bytes<'_>) -> String {
    match bytes.next() % 5 {
        0 => "*".to_owned(),
        1 => bytes.of(&["arn:aws:s3", "arn:aws:sqs:us-*", "arn:*:s3:::a", "arn:aws:s3:::*", "arn:aws:sqs:*:q"]).to_owned(),
        2 => ["arn:aws:sqs", &bytes.text(), &bytes.text(), &bytes.text()].join(":"),
        _ => ["arn:aws:s3:::", &bytes.text()].concat(),
    }
}

fn conditions(bytes: &mut Bytes<'_>) -> Json {
    let mut block = json!({});
    for _ in 0..bytes.next() % 3 {
        let set = bytes.of(&["", "", "ForAllValues:", "ForAnyValue:"]);
        let operator = bytes.of(&OPERATORS);
        let (set, if_exists) = match operator {
            "Null" => ("", ""),
            _ => (set, bytes.of(&["", "", "IfExists"])),
        };
        let key = bytes.of(&KEYS);
        let values = match operator {
            "Null" => some(bytes, |b| b.of(&["true", "false", "True"]).to_owned()),
            _ => some(bytes, |b| b.text()),
        };
        block[format!("{set}{operator}{if_exists}")][key] = values;
    }
    block
}

fn statement(bytes: &mut Bytes<'_>, kind: Kind) -> Json {
    let effect = bytes.of(&["Allow", "Allow", "Deny"]);
    let mut made = json!({"Effect": effect});
    made[bytes.of(&["Action", "Action", "Action", "NotAction"])] = some(bytes, action);
    made[bytes.of(&["Resource", "Resource", "Resource", "NotResource"])] = some(bytes, resource);
    made["Condition"] = conditions(bytes);
    if kind == Kind::Resource {
        let element = if effect == "Deny" { bytes.of(&["Principal", "NotPrincipal"]) } else { "Principal" };
        made[element] = json!({"AWS": some(bytes, |b| b.of(&PRINCIPALS).to_owned())});
        if bytes.next() % 3 == 0 {
            made[element]["Service"] = json!("lambda.amazonaws.com");
        }
    }
    made
}

fn facts(bytes: &mut Bytes<'_>) -> Facts {
    let mut facts = Facts::default();
    for key in KEYS {
        let fact = match bytes.next() % 6 {
            0 => continue,
            1 => Fact::Unknown,
            2 => Fact::Many((0..bytes.next() % 3).map(|_| bytes.text()).collect()),
            _ => Fact::One(bytes.text()),
        };
        facts.0.insert(key.to_ascii_lowercase(), fact);
    }
    facts
}

fn principal(bytes: &mut Bytes<'_>) -> Principal {
    match bytes.next() % 6 {
        0 => support::session("worker", "s"),
        1 => Principal::Anonymous,
        2 => Principal::Service { name: "lambda.amazonaws.com".to_owned() },
        3 => Principal::Root { account: OTHER.to_owned() },
        4 => support::user("bob"),
        _ => support::user("ann"),
    }
}

fuzz_target!(|input: &[u8]| {
    let mut bytes = Bytes(input.iter());
    let kind = if bytes.next() % 3 == 0 { Kind::Resource } else { Kind::Identity };
    let version = if kind == Kind::Resource { bytes.of(&["2012-10-17", "2008-10-17"]) } else { "2012-10-17" };
    let statements: Vec<Json> = (0..1 + bytes.next() % 4).map(|_| statement(&mut bytes, kind)).collect();
    let policy = json!({"Version": version, "Statement": statements});
    let Ok(compiled) = Policy::parse(&policy.to_string(), kind) else { return };
    for _ in 0..3 {
        let principal = principal(&mut bytes);
        let (action, resource) = (bytes.of(&ACTIONS), resource(&mut bytes));
        let facts = facts(&mut bytes);
        let question = Question { principal: &principal, action, resource: &resource, facts: &facts };
        let request =
            Request { principal: &principal, action, resource: &resource, resource_account: None, context: &facts };
        let fast = match evaluate(&compiled, &request) {
            Effect3::Allow(_) => Says::Allow,
            Effect3::Deny(_) => Says::Deny,
            Effect3::None => Says::Nothing,
        };
        let slow = reference::evaluate(&policy, &question);
        assert_eq!(fast, slow, "{policy} {principal:?} {action} {resource} {facts:?}");
    }
});
