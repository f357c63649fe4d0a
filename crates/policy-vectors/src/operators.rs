//! The matrix of condition operators: each with its qualifiers and suffix, on every kind of value. What must come out is
//! computed by the rules in [`expected`], which are those of the IAM User Guide ("Condition operators", "Set operators
//! for multivalued context keys") and say nothing of how the engine works.

use std::{collections::BTreeMap, sync::Arc};

use casemate_policy::{Kind, Layers, NamedPolicy, Policy, Principal, Request, Verdict, decide};
use serde_json::{Value as Json, json};

use crate::{Miss, Score, ask::Facts};

/// Values of one operator.
#[derive(Clone, Copy)]
struct Sample {
    operator: &'static str,
    /// Holds when the value is none of the listed ones.
    negated: bool,
    /// What the policy lists.
    wanted: [&'static str; 2],
    /// Two values that match the list.
    same: [&'static str; 2],
    /// Two that do not.
    different: [&'static str; 2],
    /// Not readable as the operator's type; `None` for texts.
    garbage: Option<&'static str>,
}

const fn sample(
    operator: &'static str,
    wanted: [&'static str; 2],
    same: [&'static str; 2],
    different: [&'static str; 2],
    garbage: Option<&'static str>,
) -> Sample {
    Sample { operator, negated: false, wanted, same, different, garbage }
}

const fn negated(of: Sample, operator: &'static str) -> Sample {
    Sample { operator, negated: true, ..of }
}

const EXACT: Sample = sample("StringEquals", ["ab", "c*"], ["ab", "c*"], ["AB", "cd"], None);
const IGNORING_CASE: Sample =
    sample("StringEqualsIgnoreCase", ["ab", "Cd"], ["AB", "cD"], ["abc", "c"], None);
const LIKE: Sample = sample("StringLike", ["a*", "?b"], ["abc", "xb"], ["b", "A"], None);
const NUMBER: Sample = sample("NumericEquals", ["10", "2.5"], ["10.0", "2.50"], ["11", "-10"], Some("ten"));
const DATE: Sample = sample(
    "DateEquals",
    ["2026-01-01T00:00:00Z", "2020-02-29"],
    ["1767225600", "2020-02-29T00:00:00Z"],
    ["2026-01-02T00:00:00Z", "0"],
    Some("tomorrow"),
);
const ADDRESS: Sample = sample(
    "IpAddress",
    ["10.0.0.0/8", "2001:db8::/32"],
    ["10.255.0.1", "2001:db8::1"],
    ["11.0.0.1", "2001:db9::1"],
    Some("10.0.0"),
);
const ARN: Sample = sample(
    "ArnEquals",
    ["arn:aws:sns:*:111111111111:t", "arn:aws:s3:::b/*"],
    ["arn:aws:sns:eu-west-1:111111111111:t", "arn:aws:s3:::b/k/l"],
    ["arn:aws:sns:eu-west-1:222222222222:t", "arn:aws:s3:::c/k"],
    Some("topic"),
);

/// All operators but `Null`, which has rules of its own.
const SAMPLES: [Sample; 26] = [
    EXACT,
    negated(EXACT, "StringNotEquals"),
    IGNORING_CASE,
    negated(IGNORING_CASE, "StringNotEqualsIgnoreCase"),
    LIKE,
    negated(LIKE, "StringNotLike"),
    NUMBER,
    negated(NUMBER, "NumericNotEquals"),
    sample("NumericLessThan", ["10", "5"], ["9.99", "-1"], ["10", "10.01"], Some("1e1")),
    sample("NumericLessThanEquals", ["10", "5"], ["10", "4"], ["10.01", "11"], Some("")),
    sample("NumericGreaterThan", ["10", "50"], ["10.01", "60"], ["10", "-11"], Some("0x20")),
    sample("NumericGreaterThanEquals", ["10", "50"], ["10", "11"], ["9.99", "-50"], Some("NaN")),
    DATE,
    negated(DATE, "DateNotEquals"),
    sample(
        "DateLessThan",
        ["2026-01-01", "2020-01-01"],
        ["2025-12-31T23:59:59Z", "0"],
        ["2026-01-01", "2027-01-01"],
        Some("2026-1-1"),
    ),
    sample(
        "DateLessThanEquals",
        ["2026-01-01", "2020-01-01"],
        ["2026-01-01T00:00:00Z", "0"],
        ["2026-01-01T00:00:01Z", "2027-01-01"],
        Some(""),
    ),
    sample(
        "DateGreaterThan",
        ["2026-01-01", "2027-01-01"],
        ["2026-01-01T00:00:01Z", "1800000000"],
        ["2026-01-01", "0"],
        Some("2026-13-01"),
    ),
    sample(
        "DateGreaterThanEquals",
        ["2026-01-01", "2027-01-01"],
        ["2026-01-01", "2026-06-01T12:00:00+02:00"],
        ["2025-12-31", "0"],
        Some("x"),
    ),
    sample("Bool", ["true", "TRUE"], ["true", "True"], ["false", "FALSE"], Some("yes")),
    sample("BinaryEquals", ["aGk=", "AAAA"], ["aGk=", "AAAA"], ["aGo=", "AAAB"], Some("!")),
    ADDRESS,
    negated(ADDRESS, "NotIpAddress"),
    ARN,
    Sample { operator: "ArnLike", ..ARN },
    negated(ARN, "ArnNotEquals"),
    negated(ARN, "ArnNotLike"),
];

/// What stands before and after an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    None,
    ForAllValues,
    ForAnyValue,
}

/// What the request has for the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Absent,
    Empty,
    Unknown,
    SingleMatch,
    SingleOtherMatch,
    SingleMismatch,
    ManyAll,
    ManySome,
    ManyNone,
    GarbageInPolicy,
    GarbageInRequest,
}

const GIVEN: [Given; 11] = [
    Given::Absent,
    Given::Empty,
    Given::Unknown,
    Given::SingleMatch,
    Given::SingleOtherMatch,
    Given::SingleMismatch,
    Given::ManyAll,
    Given::ManySome,
    Given::ManyNone,
    Given::GarbageInPolicy,
    Given::GarbageInRequest,
];

/// Whether the condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
    /// Cannot be told: an Allow does not apply, a Deny does.
    Undecided,
}

/// The rules.
fn expected(negated: bool, set: Set, if_exists: bool, given: Given) -> Holds {
    let yes_if = |holds: bool| if holds { Holds::Yes } else { Holds::No };
    match given {
        Given::Unknown => Holds::Undecided,
        Given::Absent | Given::Empty => match set {
            Set::ForAllValues => Holds::Yes,
            Set::ForAnyValue => Holds::No,
            Set::None => yes_if(if_exists || negated),
        },
        // Several values need a set operator: without one nothing matches, and a Deny is not lost to that.
        Given::ManyAll | Given::ManySome | Given::ManyNone if set == Set::None => {
            if negated {
                Holds::Undecided
            } else {
                Holds::No
            }
        }
        // One value is a list of one for the set operators. Negated operators are NOR over the policy's values.
        Given::SingleMatch | Given::SingleOtherMatch | Given::ManyAll => yes_if(!negated),
        Given::SingleMismatch | Given::ManyNone => yes_if(negated),
        Given::ManySome => yes_if(set == Set::ForAnyValue),
        // What cannot be read equals nothing; and from garbage no Allow follows.
        Given::GarbageInPolicy | Given::GarbageInRequest => {
            if negated {
                Holds::Undecided
            } else {
                Holds::No
            }
        }
    }
}

/// The policy's values and the request's; `None` where the situation does not exist.
fn values(sample: &Sample, given: Given) -> Option<(Json, Option<Json>)> {
    let wanted = json!(sample.wanted);
    let ([first, second], [other, another]) = (sample.same, sample.different);
    Some(match given {
        Given::Absent => (wanted, None),
        Given::Empty => (wanted, Some(json!([]))),
        Given::Unknown => (wanted, Some(Json::Null)),
        Given::SingleMatch => (wanted, Some(json!(first))),
        Given::SingleOtherMatch => (wanted, Some(json!(second))),
        Given::SingleMismatch => (wanted, Some(json!(other))),
        Given::ManyAll => (wanted, Some(json!([first, second]))),
        Given::ManySome => (wanted, Some(json!([other, second]))),
        Given::ManyNone => (wanted, Some(json!([other, another]))),
        Given::GarbageInPolicy => (json!([sample.garbage?]), Some(json!(first))),
        Given::GarbageInRequest => (wanted, Some(json!(sample.garbage?))),
    })
}

/// Asks all cases, each as an Allow and as a Deny.
pub(crate) fn score() -> Score {
    let mut score = Score::new("condition operators");
    for sample in &SAMPLES {
        for set in [Set::None, Set::ForAllValues, Set::ForAnyValue] {
            for if_exists in [false, true] {
                let prefix = match set {
                    Set::None => "",
                    Set::ForAllValues => "ForAllValues:",
                    Set::ForAnyValue => "ForAnyValue:",
                };
                let operator =
                    format!("{prefix}{}{}", sample.operator, if if_exists { "IfExists" } else { "" });
                for given in GIVEN {
                    let Some((wanted, fact)) = values(sample, given) else { continue };
                    let holds = expected(sample.negated, set, if_exists, given);
                    case(&mut score, &operator, &wanted, fact.as_ref(), holds);
                }
            }
        }
    }
    null(&mut score);
    not_operators(&mut score);
    score
}

/// `Null` asks whether the key is there with at least one value.
fn null(score: &mut Score) {
    let facts = [
        (None, true),
        (Some(json!([])), true),
        (Some(json!("")), false),
        (Some(json!("x")), false),
        (Some(json!(["x", "y"])), false),
    ];
    for (fact, absent) in &facts {
        for (wanted, asks_absent) in
            [(json!("true"), true), (json!(true), true), (json!("False"), false), (json!(false), false)]
        {
            let holds = if asks_absent == *absent { Holds::Yes } else { Holds::No };
            case(score, "Null", &wanted, fact.as_ref(), holds);
        }
        case(score, "Null", &json!("maybe"), fact.as_ref(), Holds::No);
    }
    case(score, "Null", &json!("true"), Some(&Json::Null), Holds::Undecided);
    case(score, "Null", &json!("false"), Some(&Json::Null), Holds::Undecided);
}

/// What is no operator is refused when a policy is stored.
fn not_operators(score: &mut Score) {
    for operator in ["StringMatches", "NullIfExists", "ForAllValues:Null", "ForSomeValues:StringEquals", ""] {
        let parsed = Policy::parse(&document("Deny", operator, &json!("x")), Kind::Identity);
        score.count(match parsed {
            Ok(_) => Err((Miss::Allow, format!("{operator:?} is taken for an operator"))),
            Err(_) => Ok(()),
        });
    }
}

fn document(effect: &str, operator: &str, wanted: &Json) -> String {
    let condition = json!({operator: {"Test:Key": wanted}});
    let statement = json!({"Effect": effect, "Action": "*", "Resource": "*", "Condition": condition});
    json!({"Version": "2012-10-17", "Statement": statement}).to_string()
}

fn case(score: &mut Score, operator: &str, wanted: &Json, fact: Option<&Json>, holds: Holds) {
    for (effect, allowed) in [("Allow", holds == Holds::Yes), ("Deny", holds == Holds::No)] {
        let got = is_allowed(effect, operator, wanted, fact);
        let line = || format!("{effect} {operator} {wanted} with {fact:?}: {got:?}, expected {holds:?}");
        score.count(match &got {
            Ok(got) if *got == allowed => Ok(()),
            Ok(true) => Err((Miss::Allow, line())),
            Ok(false) | Err(_) => Err((Miss::Deny, line())),
        });
    }
}

/// Whether access follows: from the statement itself, or from an Allow of everything beside a Deny.
fn is_allowed(effect: &str, operator: &str, wanted: &Json, fact: Option<&Json>) -> Result<bool, String> {
    let parse = |text: &str| Policy::parse(text, Kind::Identity).map_err(|error| error.to_string());
    let named = |policy| NamedPolicy { name: "p".into(), policy: Arc::new(policy) };
    let mut identity = vec![named(parse(&document(effect, operator, wanted))?)];
    if effect == "Deny" {
        let open = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
        identity.push(named(parse(open)?));
    }
    let facts: BTreeMap<String, Json> =
        fact.map(|value| ("test:key".to_owned(), value.clone())).into_iter().collect();
    let principal = Principal::User {
        arn: "arn:aws:iam::111111111111:user/ann".to_owned(),
        unique_id: "AIDAANNAAAAAAAAAAAAAA".to_owned(),
        account: "111111111111".to_owned(),
    };
    let request = Request {
        principal: &principal,
        action: "s3:GetObject",
        resource: "arn:aws:s3:::bucket/key",
        resource_account: None,
        context: &Facts(&facts),
    };
    let layers = Layers { identity: &identity, ..Layers::default() };
    Ok(decide(&layers, &request).verdict == Verdict::Allow)
}
