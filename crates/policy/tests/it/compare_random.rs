//! The comparer against brute force: random pairs of policies over small alphabets, all requests of a small space put to
//! the engine. What is called equal must not differ anywhere; what is shown must differ where it is shown.

use std::collections::BTreeMap;

use casemate_policy::{
    Kind, Policy, Principal, Request,
    compare::{Comparison, Document, Finding, Given, Options, Why, answer, compare},
};
use proptest::{prelude::*, sample::select};
use serde_json::{Value as Json, json};

use crate::support::{Fact, Facts, session, user};

/// A key, the operators of one type that fit it, what policies want of it, and what requests have.
#[derive(Debug)]
struct Key {
    name: &'static str,
    operators: &'static [&'static str],
    wanted: &'static [&'static str],
    values: &'static [&'static str],
}

const TEXT: Key = Key {
    name: "text",
    operators: &[
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
    ],
    wanted: &["a", "A", "ab", "a*", "*b", "?", "?b*", "", "*"],
    values: &["a", "A", "b", "ab", "aB", "bb", "", "*", "axb"],
};

const ARN: Key = Key {
    name: "arn",
    operators: &["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike", "StringLike", "StringEquals"],
    wanted: &["arn:aws:s3:::b", "arn:aws:s3:*:*:*", "arn:aws:s3:::*", "arn:*:s3:::?", "arn:aws:s3", "x"],
    values: &["arn:aws:s3:::b", "arn:aws:s3:::c", "arn:aws:s3:r::b:c", "arn:x:s3:::b", "x", "arn:aws:s3"],
};

const NUMBER: Key = Key {
    name: "number",
    operators: &[
        "NumericEquals",
        "NumericNotEquals",
        "NumericLessThan",
        "NumericLessThanEquals",
        "NumericGreaterThan",
        "NumericGreaterThanEquals",
    ],
    wanted: &["1", "1.0", "2", "-3", "1.5", "no"],
    values: &["1", "1.25", "1.5", "1.75", "2", "3", "-3", "-4", "0", "no", ""],
};

const DATE: Key = Key {
    name: "date",
    operators: &["DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan"],
    wanted: &["2020-01-01", "2020-01-02", "1577836800", "no"],
    values: &[
        "2019-12-31",
        "2020-01-01",
        "2020-01-01T12:00Z",
        "2020-01-02",
        "2021-01-01",
        "1577836800",
        "no",
    ],
};

const BOOL: Key = Key {
    name: "bool",
    operators: &["Bool"],
    wanted: &["true", "False", "no"],
    values: &["true", "FALSE", "no"],
};

const BINARY: Key = Key {
    name: "binary",
    operators: &["BinaryEquals"],
    wanted: &["AAAA", "BAAA", "no"],
    values: &["AAAA", "BAAA", "CAAA", "no", ""],
};

const NETWORK: Key = Key {
    name: "network",
    operators: &["IpAddress", "NotIpAddress"],
    wanted: &[
        "10.0.0.0/8",
        "10.0.0.0/9",
        "10.128.0.0/9",
        "0.0.0.0/0",
        "::/0",
        "2001:db8::1",
        "::ffff:0:0/96",
        "no",
    ],
    values: &["10.0.0.1", "10.200.0.1", "9.0.0.1", "2001:db8::1", "::2", "::ffff:10.0.0.1", "no"],
};

const KEYS: [&Key; 7] = [&TEXT, &ARN, &NUMBER, &DATE, &BOOL, &BINARY, &NETWORK];

const ACTIONS: [&str; 4] = ["s3:GetA", "s3:GetB", "s3:PutA", "sqs:GetA"];
const ACTION_PATTERNS: [&str; 8] = ["*", "s3:*", "S3:geta", "s3:Get?", "s3:*A", "sqs:*", "*:Get*", "s3:PutA"];
const RESOURCES: [&str; 8] = [
    "*",
    "arn:aws:s3:::b",
    "arn:aws:s3:::b/x",
    "arn:aws:s3:::b/y:z",
    "arn:aws:s3:::ann/x",
    "arn:aws:sqs:r:1:q",
    "arn:aws:sqs:r:1:b/x",
    "arn:aws-cn:s3:::b",
];
const RESOURCE_PATTERNS: [&str; 12] = [
    "*",
    "arn:aws:s3:::b",
    "arn:aws:s3:::b*",
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::*x",
    "arn:aws:s3:::?/x",
    "arn:*:s3:::*",
    "arn:aws:s3",
    "arn:aws:sqs:*:1:*",
    "arn:aws:sqs:r",
    "arn:aws:s3:::${*}",
    "arn:aws:s3:::*/*:z",
];
const VARIABLE_PATTERNS: [&str; 5] = [
    "arn:aws:s3:::${user}/*",
    "arn:aws:s3:::${user, 'b'}/x",
    "arn:aws:s3:::${text}",
    "arn:aws:s3:::b/${user}*",
    "arn:aws:s3:::*${user}",
];
const PRINCIPALS: [&str; 6] = [
    "*",
    "111111111111",
    "arn:aws:iam::111111111111:user/ann",
    "AIDAANNAAAAAAAAAAAAAA",
    "arn:aws:iam::111111111111:role/path/worker",
    "arn:aws:sts::111111111111:assumed-role/worker/s",
];

fn some_of(all: &'static [&'static str]) -> impl Strategy<Value = Json> {
    prop_oneof![
        2 => select(all).prop_map(|one| json!(one)),
        1 => proptest::collection::vec(select(all), 0..4).prop_map(|many| json!(many)),
        1 => proptest::collection::vec(select(all), 1..3).prop_map(|many| json!(many)),
    ]
}

fn listed(all: &'static [&'static str]) -> impl Strategy<Value = Json> {
    proptest::collection::vec(select(all), 1..3).prop_map(|many| json!(many))
}

/// One operator on one key.
fn test(variables: bool) -> impl Strategy<Value = (String, &'static str, Json)> {
    let typed = select(&KEYS[..]).prop_flat_map(move |key| {
        let operator = (
            select(&["", "", "", "ForAllValues:", "ForAnyValue:"][..]),
            select(key.operators),
            select(&["", "", "IfExists"][..]),
        );
        let wanted = if variables && key.name == "text" {
            prop_oneof![
                some_of(key.wanted),
                select(&["${user}", "${user}*", "${user, 'a'}"][..]).prop_map(|v| json!(v))
            ]
            .boxed()
        } else {
            some_of(key.wanted).boxed()
        };
        (operator, wanted)
            .prop_map(move |((set, name, suffix), wanted)| (format!("{set}{name}{suffix}"), key.name, wanted))
    });
    let null = (select(&KEYS[..]), some_of(&["true", "false"]))
        .prop_map(|(key, wanted)| ("Null".to_owned(), key.name, wanted));
    prop_oneof![6 => typed, 1 => null]
}

fn statement(kind: Kind, variables: bool) -> impl Strategy<Value = Json> {
    let resources = if variables {
        prop_oneof![listed(&RESOURCE_PATTERNS), listed(&VARIABLE_PATTERNS)].boxed()
    } else {
        listed(&RESOURCE_PATTERNS).boxed()
    };
    let parts = (
        select(&["Allow", "Allow", "Allow", "Deny"][..]),
        (select(&["Action", "Action", "Action", "NotAction"][..]), listed(&ACTION_PATTERNS)),
        (select(&["Resource", "Resource", "Resource", "NotResource"][..]), resources),
        proptest::collection::vec(test(variables), 0..3),
        (any::<bool>(), listed(&PRINCIPALS)),
    );
    parts.prop_map(move |(effect, (action, actions), (resource, resources), tests, (not, aws))| {
        let mut block = json!({});
        for (operator, key, wanted) in tests {
            block[operator][key] = wanted;
        }
        let mut made = json!({"Effect": effect, "Condition": block});
        made[action] = actions;
        made[resource] = resources;
        if kind == Kind::Resource {
            let element = if not && effect == "Deny" { "NotPrincipal" } else { "Principal" };
            made[element] = json!({"AWS": aws});
        }
        made
    })
}

/// Two policies of mostly the same statements.
fn pair(kind: Kind, variables: bool) -> impl Strategy<Value = [Vec<Json>; 2]> {
    let statements =
        proptest::collection::vec((statement(kind, variables), select(&[0, 1, 2, 2, 2][..])), 1..6);
    statements.prop_map(|all| {
        let side = |wanted: usize| {
            let kept = all.iter().filter(|(_, at)| *at == 2 || *at == wanted);
            kept.map(|(statement, _)| statement.clone()).collect()
        };
        [side(0), side(1)]
    })
}

fn document(statements: &[Json], kind: Kind) -> Vec<Document> {
    if statements.is_empty() {
        return Vec::new();
    }
    let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    assert!(Policy::parse(&text, kind).is_ok(), "{text}");
    vec![Document::parse("p", &text, kind).unwrap()]
}

fn facts(variables: bool) -> impl Strategy<Value = Facts> {
    let fact = |key: &'static Key| {
        let one = select(key.values).prop_map(|value| Some(Fact::One(value.to_owned())));
        let many = proptest::collection::vec(select(key.values), 0..4)
            .prop_map(|values| Some(Fact::Many(values.into_iter().map(str::to_owned).collect())));
        (Just(key.name), prop_oneof![2 => Just(None), 5 => one, 2 => many])
    };
    let user =
        select(&["ann", "b", "ab", "a", "zed", ""][..]).prop_map(|value| Some(Fact::One(value.to_owned())));
    let user = prop_oneof![1 => Just(None), 4 => user].prop_map(move |user| user.filter(|_| variables));
    let keys: Vec<_> = KEYS.iter().map(|key| fact(key)).collect();
    (keys, user).prop_map(|(keys, user)| {
        let all = keys.into_iter().chain([("user", user)]);
        Facts(all.filter_map(|(key, fact)| Some((key.to_owned(), fact?))).collect())
    })
}

fn callers(kind: Kind) -> Vec<Principal> {
    if kind == Kind::Identity {
        return vec![user("ann")];
    }
    let root = Principal::Root { account: "111111111111".to_owned() };
    vec![user("ann"), user("bob"), session("worker", "s"), session("other", "t"), root, Principal::Anonymous]
}

/// How often an allow of one side is no allow of the other, in the whole space: more, less.
fn differences(sides: &[Vec<Document>; 2], kind: Kind, facts: &[Facts]) -> [Option<String>; 2] {
    let mut found = [None, None];
    for principal in &callers(kind) {
        for action in ACTIONS {
            for resource in RESOURCES {
                for context in facts {
                    let request = Request { principal, action, resource, resource_account: None, context };
                    let [old, new] = [&sides[0], &sides[1]].map(|side| answer(side, &request).is_allowed());
                    if old != new {
                        found[usize::from(old)].get_or_insert_with(|| format!("{request:?} {context:?}"));
                    }
                }
            }
        }
    }
    found
}

/// Asks the engine once more, without anything of the comparer's.
fn replays(finding: &Finding, sides: &[Vec<Document>; 2], more: bool) -> bool {
    let Finding::Witness(witness) = finding else { return true };
    let mut facts = BTreeMap::new();
    for (key, given) in &witness.context {
        match given {
            Given::Absent => None,
            Given::One(value) => facts.insert(key.clone(), Fact::One(value.clone())),
            Given::Many(values) => facts.insert(key.clone(), Fact::Many(values.clone())),
        };
    }
    let principal = witness.principal.clone().unwrap_or_else(|| user("ann"));
    let request = Request {
        principal: &principal,
        action: &witness.action,
        resource: &witness.resource,
        resource_account: None,
        context: &Facts(facts),
    };
    let [old, new] = [&sides[0], &sides[1]].map(|side| answer(side, &request).is_allowed());
    (old, new) == (!more, more)
}

fn check(
    pair: &[Vec<Json>; 2],
    kind: Kind,
    facts: &[Facts],
    options: &Options<'_>,
) -> Result<Comparison, TestCaseError> {
    let sides = [document(&pair[0], kind), document(&pair[1], kind)];
    let found = compare(&sides[0], &sides[1], options);
    prop_assert!(replays(&found.more, &sides, true), "{found:?}");
    prop_assert!(replays(&found.less, &sides, false), "{found:?}");
    let [more, less] = differences(&sides, kind, facts);
    for (finding, difference) in [(&found.more, more), (&found.less, less)] {
        if *finding == Finding::Nothing {
            prop_assert_eq!(difference, None);
        }
        prop_assert!(*finding != Finding::Unknown(Why::NotConfirmed), "{:?}", found);
    }
    Ok(found)
}

fn is_unknown(found: &Comparison) -> bool {
    [&found.more, &found.less].into_iter().any(|finding| matches!(finding, Finding::Unknown(_)))
}

const MANY: Options<'static> =
    Options { actions: None, any_key_multivalued: true, steps_max: casemate_policy::compare::STEPS_MAX };

proptest! {
    #![proptest_config(ProptestConfig { cases: 700, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn identity_policies_without_variables_are_compared_exactly(
        pair in pair(Kind::Identity, false), facts in proptest::collection::vec(facts(false), 40),
    ) {
        let found = check(&pair, Kind::Identity, &facts, &MANY)?;
        prop_assert!(!is_unknown(&found), "{:?}", found);
    }

    #[test]
    fn policies_with_variables_are_never_called_equal_when_they_differ(
        pair in pair(Kind::Identity, true), facts in proptest::collection::vec(facts(true), 40),
    ) {
        check(&pair, Kind::Identity, &facts, &MANY)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn resource_policies_without_variables_are_compared_exactly(
        pair in pair(Kind::Resource, false), facts in proptest::collection::vec(facts(false), 12),
    ) {
        let found = check(&pair, Kind::Resource, &facts, &MANY)?;
        prop_assert!(!is_unknown(&found), "{:?}", found);
    }

    #[test]
    fn a_policy_equals_itself_in_other_words(pair in pair(Kind::Identity, true)) {
        let side = &pair[0];
        let mut other: Vec<Json> = Vec::new();
        for statement in side.iter().rev() {
            let parts = statement.get("Action").and_then(Json::as_array);
            for action in parts.map_or(vec![Json::Null], Clone::clone) {
                let mut one = statement.clone();
                if !action.is_null() {
                    one["Action"] = action;
                }
                other.push(one);
            }
        }
        let sides = [document(side, Kind::Identity), document(&other, Kind::Identity)];
        let found = compare(&sides[0], &sides[1], &Options::default());
        prop_assert_eq!((found.more, found.less), (Finding::Nothing, Finding::Nothing));
    }
}
