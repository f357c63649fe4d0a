//! What the grammar takes, what it refuses and in which words.

use std::collections::BTreeMap;

use super::*;
use crate::number::Number;

fn parse(source: &str) -> Result<Condition, String> {
    let names = BTreeMap::from([("#n".to_owned(), "name".to_owned()), ("#d".to_owned(), "a.b".to_owned())]);
    let number = |text: &str| Value::N(Number::parse(text).unwrap());
    let values = BTreeMap::from([
        (":s".to_owned(), Value::S("S".to_owned())),
        (":n".to_owned(), number("5")),
        (":m".to_owned(), number("3")),
        (":l".to_owned(), Value::L(vec![])),
    ]);
    let mut placeholders = Placeholders::new(&names, &values);
    parse_condition(Clause::Condition, source, &mut placeholders).map_err(|error| error.to_string())
}

#[test]
fn and_binds_tighter_than_or_and_not_tighter_than_both() {
    let Condition::Or(any) = parse("NOT a = :n AND b = :n or c = :n").unwrap() else { panic!() };
    assert_eq!(any.len(), 2);
    let Condition::And(all) = &any[0] else { panic!() };
    assert!(matches!(all[0], Condition::Not(_)));
    let Condition::And(all) = parse("(a = :n OR b = :n) AND c = :n").unwrap() else { panic!() };
    assert!(matches!(all[0], Condition::Or(_)));
}

#[test]
fn paths_are_substituted_and_dots_inside_names_do_not_split() {
    let Condition::Exists(path) = parse("attribute_exists(#d.x[3].#n)").unwrap() else { panic!() };
    assert_eq!(path.to_string(), "[a.b, x, [3], name]");
    assert_eq!(path.root, "a.b");
}

#[test]
fn every_syntax_error_has_the_services_text() {
    for (source, text) in [
        ("a = ", "Syntax error; token: \"<EOF>\", near: \"=\""),
        ("a = :n b", "Syntax error; token: \"b\", near: \":n b\""),
        ("a == :n", "Syntax error; token: \"=\", near: \"== :n\""),
        ("a = :x", "An expression attribute value used in expression is not defined; attribute value: :x"),
        (
            "#x = :n",
            "An expression attribute name used in the document path is not defined; attribute name: #x",
        ),
        ("name = :n", "Attribute name is a reserved keyword; reserved keyword: name"),
        ("a.Status = :n", "Attribute name is a reserved keyword; reserved keyword: Status"),
        ("foo(a)", "Invalid function name; function: foo"),
        ("size(a)", "Syntax error; token: \"<EOF>\", near: \")\""),
        (
            "contains(a)",
            "Incorrect number of operands for operator or function; operator or function: contains, number of operands: 1",
        ),
        (
            "a = contains(b, :n)",
            "The function is not allowed to be used this way in an expression; function: contains",
        ),
        (
            "if_not_exists(a, :n)",
            "The function is not allowed to be used this way in an expression; function: if_not_exists",
        ),
        (
            "attribute_exists(:n)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
    ] {
        assert_eq!(parse(source), Err(format!("Invalid ConditionExpression: {text}")), "{source}");
    }
}

#[test]
fn every_type_error_has_the_services_text() {
    for (source, text) in [
        (
            "a < :l",
            "Incorrect operand type for operator or function; operator or function: <, operand type: L",
        ),
        (
            "begins_with(a, :n)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "size(:n) = :n",
            "Incorrect operand type for operator or function; operator or function: size, operand type: N",
        ),
        (
            "attribute_type(a, :n)",
            "Incorrect operand type for operator or function; operator or function: attribute_type, operand type: N",
        ),
        (
            "a = a",
            "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]",
        ),
        (
            "a between :n and :m",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:5}, upper bound operand: AttributeValue: {N:3}",
        ),
        (
            "a between :n and :s",
            "The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:5}, upper bound operand: AttributeValue: {S:S}",
        ),
        ("((a = :n))", "The expression has redundant parentheses;"),
        ("a[-1] = :n", "Syntax error; token: \"-\", near: \"[-1\""),
        (
            "a[99999999999999999999] = :n",
            "Syntax error; token: \"99999999999999999999\", near: \"[99999999999999999999]\"",
        ),
        ("(a = :n", "Syntax error; token: \"<EOF>\", near: \":n\""),
        ("", "The expression can not be empty;"),
    ] {
        assert_eq!(parse(source), Err(format!("Invalid ConditionExpression: {text}")), "{source}");
    }
}

#[test]
fn an_unknown_attribute_type_is_refused() {
    let values = BTreeMap::from([(":t".to_owned(), Value::S("STRING".to_owned()))]);
    let names = BTreeMap::new();
    let error =
        parse_condition(Clause::Filter, "attribute_type(a, :t)", &mut Placeholders::new(&names, &values))
            .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Invalid FilterExpression: Invalid attribute type name found; type: STRING, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"
    );
}

#[test]
fn adjacent_groups_are_not_redundant_parentheses() {
    assert!(parse("((a = :n) AND (b = :n))").is_ok());
    assert!(parse("(a = :n)").is_ok());
    assert!(parse("(a IN (:n, :m))").is_ok());
}

#[test]
fn limits_hold_without_exhausting_the_stack() {
    assert!(parse(&"NOT ".repeat(1000)).unwrap_err().ends_with("nested too deeply;"));
    assert!(parse(&"(".repeat(4000)).unwrap_err().ends_with("nested too deeply;"));
    assert!(parse(&"size(".repeat(800)).unwrap_err().ends_with("nested too deeply;"));
    let many = vec!["a=:n"; 400].join(" OR ");
    assert!(parse(&many).unwrap_err().contains("too many operators"));
    let operands = vec![":n"; 101].join(",");
    assert!(parse(&format!("a IN ({operands})")).unwrap_err().contains("number of operands: 102"));
    assert!(parse(&format!("a{}", "[0]".repeat(40))).unwrap_err().ends_with("nested too deeply;"));
}

#[test]
fn unused_placeholders_are_named() {
    let names = BTreeMap::from([("#n".to_owned(), "x".to_owned()), ("#u".to_owned(), "y".to_owned())]);
    let values = BTreeMap::from([(":a".to_owned(), Value::Null)]);
    let mut placeholders = Placeholders::new(&names, &values);
    parse_condition(Clause::Condition, "#n = :a", &mut placeholders).unwrap();
    assert_eq!(
        placeholders.unused().unwrap(),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#u}"
    );
}

proptest::proptest! {
    #[test]
    fn arbitrary_text_never_panics(source in "[a-c#:n0-9 .,()\\[\\]<>=+-]{0,60}") {
        let _ = parse(&source);
    }

    #[test]
    fn arbitrary_token_sequences_never_panic(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "a", "#n", ":n", ":s", "(", ")", "AND", "OR", "NOT", "BETWEEN", "IN", "size", "contains", "=", "<", ",", ".", "[", "0", "]",
        ]), 0..20)
    ) {
        let _ = parse(&words.join(" "));
    }
}
