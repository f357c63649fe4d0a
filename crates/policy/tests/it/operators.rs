//! The truth table of the condition operators: value present, different, absent, unknown, unreadable, multi-valued.

use crate::support::{Facts, Says, identity, says};

/// Whether an Allow and a Deny with this condition apply.
fn applies(operator: &str, wanted: &str, facts: &Facts) -> (bool, bool) {
    let one = |effect: &str| {
        let statement = format!(
            r#"{{"Effect":"{effect}","Action":"*","Resource":"*","Condition":{{"{operator}":{{"K:x":{wanted}}}}}}}"#
        );
        says(&identity(&statement), "s3:GetObject", "*", facts) != Says::Nothing
    };
    (one("Allow"), one("Deny"))
}

const YES: (bool, bool) = (true, true);
const NO: (bool, bool) = (false, false);
/// Cannot be told: the Allow does not apply, the Deny does.
const UNDECIDED: (bool, bool) = (false, true);

/// Operator, wanted, a value that matches, one that does not, one that cannot be read (if the type has such).
const POSITIVE: [(&str, &str, &str, &str, Option<&str>); 19] = [
    ("StringEquals", r#"["ab","cd"]"#, "cd", "CD", None),
    ("StringEqualsIgnoreCase", r#""aÉ""#, "Aé", "b", None),
    ("StringLike", r#""a*?""#, "abc", "a", None),
    ("NumericEquals", "10", "10.0", "11", Some("ten")),
    ("NumericLessThan", r#""10""#, "9.99", "10", Some("")),
    ("NumericLessThanEquals", r#""10""#, "10", "10.01", Some("1e1")),
    ("NumericGreaterThan", r#""-1""#, "0", "-1", Some("0x1")),
    ("NumericGreaterThanEquals", r#""10""#, "10", "9", Some("NaN")),
    ("DateEquals", r#""2026-01-01T00:00:00Z""#, "1767225600", "2026-01-02", Some("today")),
    ("DateLessThan", r#""2026-01-01""#, "2025-12-31T23:59:59Z", "2026-01-01", Some("2026-1-1")),
    ("DateLessThanEquals", r#""2026-01-01""#, "2026-01-01", "2026-01-02", Some("")),
    ("DateGreaterThan", r#""2026-01-01""#, "2026-01-02", "2026-01-01", Some("x")),
    ("DateGreaterThanEquals", r#""2026-01-01""#, "2026-01-01", "2025-01-01", Some("x")),
    ("Bool", "true", "True", "false", Some("yes")),
    ("BinaryEquals", r#""aGk=""#, "aGk=", "aGo=", Some("!")),
    ("IpAddress", r#"["10.0.0.0/8","2001:db8::/32"]"#, "10.9.8.7", "11.0.0.1", Some("10.0.0")),
    (
        "ArnEquals",
        r#""arn:aws:sns:*:1:t""#,
        "arn:aws:sns:us-east-1:1:t",
        "arn:aws:sns:us-east-1:2:t",
        Some("t"),
    ),
    ("ArnLike", r#""arn:aws:s3:::b/*""#, "arn:aws:s3:::b/k", "arn:aws:s3:::c/k", Some("arn:aws:s3")),
    ("stringequals", r#""ab""#, "ab", "b", None),
];

const NEGATED: [(&str, &str, &str, &str, Option<&str>); 8] = [
    ("StringNotEquals", r#"["ab","cd"]"#, "cd", "CD", None),
    ("StringNotEqualsIgnoreCase", r#""ab""#, "AB", "b", None),
    ("StringNotLike", r#""a*""#, "abc", "b", None),
    ("NumericNotEquals", "[10,11]", "10.0", "12", Some("ten")),
    ("DateNotEquals", r#""2026-01-01""#, "2026-01-01", "2026-01-02", Some("today")),
    ("NotIpAddress", r#"["10.0.0.0/8","11.0.0.0/8"]"#, "10.9.8.7", "2001:db8::1", Some("10.0.0")),
    ("ArnNotEquals", r#""arn:aws:s3:::b/*""#, "arn:aws:s3:::b/k", "arn:aws:s3:::c/k", Some("k")),
    ("ArnNotLike", r#""arn:aws:s3:::b/*""#, "arn:aws:s3:::b/k", "arn:aws:s3:::c/k", Some("k")),
];

#[test]
fn positive_operators() {
    for (operator, wanted, same, different, garbage) in POSITIVE {
        let with = |value: &str| applies(operator, wanted, &Facts::default().one("k:X", value));
        assert_eq!(with(same), YES, "{operator} {same}");
        assert_eq!(with(different), NO, "{operator} {different}");
        if let Some(garbage) = garbage {
            assert_eq!(with(garbage), NO, "{operator} {garbage}: never equal");
        }
        assert_eq!(applies(operator, wanted, &Facts::default()), NO, "{operator} absent");
        assert_eq!(
            applies(operator, wanted, &Facts::default().unknown("k:x")),
            UNDECIDED,
            "{operator} unknown"
        );
        let many = Facts::default().many("k:x", &[same]);
        assert_eq!(applies(operator, wanted, &many), NO, "{operator} multi-valued");
        if operator.starts_with(char::is_uppercase) {
            let exists = format!("{operator}IfExists");
            assert_eq!(applies(&exists, wanted, &Facts::default()), YES, "{exists} absent");
            assert_eq!(applies(&exists, wanted, &Facts::default().one("k:x", different)), NO, "{exists}");
        }
    }
}

#[test]
fn negated_operators_match_none_of_the_values_and_absent_keys() {
    for (operator, wanted, same, different, garbage) in NEGATED {
        let with = |value: &str| applies(operator, wanted, &Facts::default().one("k:X", value));
        assert_eq!(with(same), NO, "{operator} {same}: one of the values is enough");
        assert_eq!(with(different), YES, "{operator} {different}");
        if let Some(garbage) = garbage {
            assert_eq!(with(garbage), UNDECIDED, "{operator} {garbage}");
        }
        assert_eq!(applies(operator, wanted, &Facts::default()), YES, "{operator} absent");
        assert_eq!(
            applies(operator, wanted, &Facts::default().unknown("k:x")),
            UNDECIDED,
            "{operator} unknown"
        );
        let many = Facts::default().many("k:x", &[different]);
        assert_eq!(applies(operator, wanted, &many), UNDECIDED, "{operator} multi-valued");
    }
}

#[test]
fn set_qualifiers() {
    let table = [
        // (operator, present values, expected)
        ("ForAllValues:StringEquals", Some(&["a", "b"][..]), YES),
        ("ForAllValues:StringEquals", Some(&["a", "x"][..]), NO),
        ("ForAllValues:StringEquals", Some(&[][..]), YES),
        ("ForAllValues:StringEquals", None, YES),
        ("ForAnyValue:StringEquals", Some(&["x", "b"][..]), YES),
        ("ForAnyValue:StringEquals", Some(&["x", "y"][..]), NO),
        ("ForAnyValue:StringEquals", Some(&[][..]), NO),
        ("ForAnyValue:StringEquals", None, NO),
        ("ForAnyValue:StringEqualsIfExists", None, NO),
        ("ForAllValues:StringNotEquals", Some(&["x", "y"][..]), YES),
        ("ForAllValues:StringNotEquals", Some(&["x", "a"][..]), NO),
        ("ForAnyValue:StringNotEquals", Some(&["x", "a"][..]), YES),
        ("ForAnyValue:StringNotEquals", Some(&["a", "b"][..]), NO),
        ("ForAnyValue:StringNotEquals", None, NO),
        ("ForAllValues:StringNotEquals", None, YES),
    ];
    for (operator, present, expected) in table {
        let facts = present.map_or_else(Facts::default, |values| Facts::default().many("k:x", values));
        assert_eq!(applies(operator, r#"["a","b"]"#, &facts), expected, "{operator} {present:?}");
    }
    let single = Facts::default().one("k:x", "a");
    assert_eq!(applies("ForAllValues:StringEquals", r#"["a","b"]"#, &single), YES);
    assert_eq!(applies("ForAnyValue:StringEquals", r#"["c"]"#, &single), NO);
}

#[test]
fn null_asks_for_presence() {
    let present = Facts::default().one("k:x", "");
    for (wanted, facts, expected) in [
        (r#""true""#, Facts::default(), YES),
        (r#""true""#, Facts::default().many("k:x", &[]), YES),
        (r#""true""#, present.clone(), NO),
        ("false", present.clone(), YES),
        (r#""false""#, Facts::default(), NO),
        (r#""false""#, Facts::default().many("k:x", &["a"]), YES),
        (r#""maybe""#, Facts::default(), NO),
        (r#""maybe""#, present, NO),
        (r#""true""#, Facts::default().unknown("k:x"), UNDECIDED),
    ] {
        assert_eq!(applies("Null", wanted, &facts), expected, "{wanted} {facts:?}");
    }
}

#[test]
fn unreadable_policy_values_never_match() {
    for (operator, wanted) in [
        ("NumericEquals", r#""ten""#),
        ("DateLessThan", r#""tomorrow""#),
        ("IpAddress", r#""10.0.0.0/33""#),
        ("Bool", r#""yes""#),
        ("ArnLike", r#""arn:aws:s3""#),
    ] {
        for value in ["10", "2020-01-01", "10.0.0.1", "true", "arn:aws:s3:::b"] {
            assert_eq!(applies(operator, wanted, &Facts::default().one("k:x", value)), NO, "{operator}");
        }
    }
}

#[test]
fn a_negative_number_is_perhaps_a_date_and_four_digits_perhaps_a_year() {
    for (operator, wanted, value, answer) in [
        ("DateLessThan", r#""1970-01-01""#, "-1", UNDECIDED),
        ("DateEquals", r#""1970-01-01""#, "-0", UNDECIDED),
        ("DateGreaterThan", r#""-10""#, "2026-01-01", UNDECIDED),
        ("DateGreaterThan", r#""1970-01-01""#, "-1", NO),
        ("DateLessThan", r#""-10""#, "2026-01-01", NO),
        ("DateNotEquals", r#""1970-01-01""#, "-1", UNDECIDED),
        ("DateNotEquals", r#""-1""#, "1969-12-31T23:59:59Z", UNDECIDED),
        ("DateGreaterThan", r#"["-10","2000-01-01"]"#, "2026-01-01", YES),
        ("DateLessThan", r#""1970-01-01""#, "1969-12-31", YES),
        ("DateLessThan", r#""2030""#, "2026-01-01", UNDECIDED),
        ("DateGreaterThan", r#""2030""#, "2026-01-01", UNDECIDED),
        ("DateEquals", "2030", "2030-01-01", UNDECIDED),
        ("DateLessThan", r#""2030""#, "2031-01-01", NO),
        ("DateGreaterThan", r#""2030""#, "2031-01-01", YES),
        ("DateLessThan", r#""2030""#, "1970-01-01", YES),
        ("DateEquals", r#""2030""#, "2030", UNDECIDED),
        ("DateEquals", r#""12030""#, "12030", YES),
    ] {
        let facts = Facts::default().one("k:x", value);
        assert_eq!(applies(operator, wanted, &facts), answer, "{value} {operator} {wanted}");
    }
}

#[test]
fn several_keys_and_operators_must_all_hold() {
    let policy = identity(
        r#"{"Effect":"Allow","Action":"*","Resource":"*",
            "Condition":{"StringEquals":{"a":"1","b":"2"},"Bool":{"c":"true"}}}"#,
    );
    let full = Facts::default().one("a", "1").one("b", "2").one("c", "true");
    assert_eq!(says(&policy, "s3:GetObject", "*", &full), Says::Allow);
    for key in ["a", "b", "c"] {
        let mut less = full.clone();
        less.0.remove(key);
        assert_eq!(says(&policy, "s3:GetObject", "*", &less), Says::Nothing, "{key}");
    }
}
