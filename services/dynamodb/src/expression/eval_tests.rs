//! Conditions against items: examples, and a naive evaluator that works on the written text, compared on random input.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::encoding::tests::{items, values};
use crate::expression::{Clause, Condition, Placeholders, parse_condition};
use crate::number::Number;
use crate::value::{Item, Value};

fn number(text: &str) -> Value {
    Value::N(Number::parse(text).unwrap())
}

fn text(value: &str) -> Value {
    Value::S(value.to_owned())
}

fn sample() -> Item {
    Item::from([
        ("n".to_owned(), number("10")),
        ("s".to_owned(), text("hello")),
        ("e".to_owned(), text("")),
        ("b".to_owned(), Value::B(bytes::Bytes::from_static(b"\x01\x02\x03"))),
        ("flag".to_owned(), Value::Bool(true)),
        ("nil".to_owned(), Value::Null),
        ("ss".to_owned(), Value::Ss(BTreeSet::from(["x".to_owned(), "y".to_owned()]))),
        ("ns".to_owned(), Value::Ns(BTreeSet::from([Number::parse("1").unwrap()]))),
        (
            "l".to_owned(),
            Value::L(vec![text("p"), Value::M(BTreeMap::from([("k".to_owned(), number("7"))]))]),
        ),
    ])
}

fn holds(source: &str, values: &[(&str, Value)]) -> bool {
    let names = BTreeMap::new();
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    parse_condition(Clause::Filter, source, &mut Placeholders::new(&names, &values)).unwrap().holds(&sample())
}

#[test]
fn numbers_compare_by_value_and_text_by_bytes() {
    assert!(holds("n = :v", &[(":v", number("10.0"))]));
    assert!(holds("n > :v", &[(":v", number("9"))]));
    assert!(!holds("n > :v", &[(":v", text("9"))]));
    assert!(holds("s < :v", &[(":v", text("help"))]));
    assert!(holds("n BETWEEN :a AND :b", &[(":a", number("10")), (":b", number("11"))]));
    assert!(!holds("n BETWEEN :a AND :b", &[(":a", number("10.5")), (":b", number("11"))]));
}

#[test]
fn a_missing_attribute_is_unequal_to_everything_and_nothing_else() {
    let one = [(":v", number("1"))];
    assert!(holds("zz <> :v", &one));
    for source in
        ["zz = :v", "zz < :v", "zz >= :v", "zz IN (:v)", "contains(zz, :v)", "size(zz) = :v", "size(n) = :v"]
    {
        assert!(!holds(source, &one), "{source}");
    }
    assert!(holds("NOT zz = :v", &one));
}

#[test]
fn functions_know_their_types() {
    assert!(holds("begins_with(s, :v)", &[(":v", text("he"))]));
    assert!(!holds("begins_with(s, :v)", &[(":v", text("lo"))]));
    assert!(holds("contains(s, :v)", &[(":v", text("ell"))]));
    assert!(holds("contains(ss, :v)", &[(":v", text("x"))]));
    assert!(!holds("contains(ss, :v)", &[(":v", number("1"))]));
    assert!(holds("contains(ns, :v)", &[(":v", number("1.0"))]));
    assert!(holds("contains(l, :v)", &[(":v", text("p"))]));
    assert!(holds("contains(b, :v)", &[(":v", Value::B(bytes::Bytes::from_static(b"\x02\x03")))]));
    assert!(holds("attribute_type(nil, :v)", &[(":v", text("NULL"))]));
    assert!(holds(
        "attribute_exists(l[1].k) AND attribute_not_exists(l[2]) AND attribute_not_exists(s.k)",
        &[]
    ));
    assert!(holds("l[1].k = :v AND size(s) = :w", &[(":v", number("7")), (":w", number("5"))]));
    assert!(holds("flag IN (:a, :b)", &[(":a", text("x")), (":b", Value::Bool(true))]));
}

/// A condition in a form the naive evaluator reads: each leaf is a function of one top-level attribute and one value.
#[derive(Debug, Clone)]
enum Naive {
    Leaf(&'static str, String, Value),
    And(Box<Naive>, Box<Naive>),
    Or(Box<Naive>, Box<Naive>),
    Not(Box<Naive>),
}

impl Naive {
    fn write(&self, out: &mut String, values: &mut BTreeMap<String, Value>) {
        match self {
            Self::Leaf(form, name, value) => {
                let placeholder = format!(":v{}", values.len());
                values.insert(placeholder.clone(), value.clone());
                out.push_str(&form.replace('@', name).replace('$', &placeholder));
            }
            Self::And(one, two) | Self::Or(one, two) => {
                let word = if matches!(self, Self::And(..)) { ") AND (" } else { ") OR (" };
                out.push('(');
                one.write(out, values);
                out.push_str(word);
                two.write(out, values);
                out.push(')');
            }
            Self::Not(inner) => {
                out.push_str("NOT (");
                inner.write(out, values);
                out.push(')');
            }
        }
    }

    fn holds(&self, item: &Item) -> bool {
        match self {
            Self::And(one, two) => one.holds(item) & two.holds(item),
            Self::Or(one, two) => one.holds(item) | two.holds(item),
            Self::Not(inner) => !inner.holds(item),
            Self::Leaf(form, name, value) => leaf(form, item.get(name), value),
        }
    }
}

fn leaf(form: &str, have: Option<&Value>, want: &Value) -> bool {
    let Some(have) = have else { return matches!(form, "@ <> $" | "attribute_not_exists(@) OR @ = $") };
    let order = match (have, want) {
        (Value::S(a), Value::S(b)) => Some(a.cmp(b)),
        (Value::N(a), Value::N(b)) => Some(a.cmp(b)),
        (Value::B(a), Value::B(b)) => Some(a.cmp(b)),
        _ => None,
    };
    match form {
        "@ = $" | "attribute_not_exists(@) OR @ = $" => format!("{have:?}") == format!("{want:?}"),
        "@ <> $" => format!("{have:?}") != format!("{want:?}"),
        "@ < $" => order.is_some_and(std::cmp::Ordering::is_lt),
        "@ >= $" => order.is_some_and(std::cmp::Ordering::is_ge),
        "contains(@, $)" => match (have, want) {
            (Value::S(a), Value::S(b)) => a.contains(b.as_str()),
            (Value::B(a), Value::B(b)) => (0..=a.len()).any(|at| a[at..].starts_with(b)),
            (Value::L(list), want) => list.iter().any(|each| each == want),
            (Value::Ss(set), Value::S(b)) => set.iter().any(|each| each == b),
            (Value::Ns(set), Value::N(b)) => set.iter().any(|each| each == b),
            (Value::Bs(set), Value::B(b)) => set.iter().any(|each| each == b),
            _ => false,
        },
        other => panic!("{other}"),
    }
}

fn naive() -> impl Strategy<Value = Naive> {
    let leaf = (
        proptest::sample::select(vec![
            "@ = $",
            "@ <> $",
            "@ < $",
            "@ >= $",
            "contains(@, $)",
            "attribute_not_exists(@) OR @ = $",
        ]),
        "[abc]",
        values(),
    )
        .prop_map(|(form, name, value)| Naive::Leaf(form, name, value));
    leaf.prop_recursive(4, 12, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            pair.clone().prop_map(|(one, two)| Naive::And(Box::new(one), Box::new(two))),
            pair.prop_map(|(one, two)| Naive::Or(Box::new(one), Box::new(two))),
            inner.prop_map(|inner| Naive::Not(Box::new(inner))),
        ]
    })
}

/// Is the literal legal where the form puts it? (The parser refuses `a < :list`.)
fn legal(condition: &Naive) -> bool {
    match condition {
        Naive::Leaf(form, _, value) => !matches!(*form, "@ < $" | "@ >= $") || value.kind().is_ordered(),
        Naive::And(one, two) | Naive::Or(one, two) => legal(one) && legal(two),
        Naive::Not(inner) => legal(inner),
    }
}

fn strip(source: &str) -> &str {
    source.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(source)
}

proptest! {
    #[test]
    fn the_evaluator_agrees_with_the_naive_one(condition in naive(), item in items()) {
        prop_assume!(legal(&condition));
        let (mut source, mut values) = (String::new(), BTreeMap::new());
        condition.write(&mut source, &mut values);
        let names = BTreeMap::new();
        let mut placeholders = Placeholders::new(&names, &values);
        match parse_condition(Clause::Filter, &source, &mut placeholders) {
            Ok(parsed) => {
                prop_assert_eq!(parsed.holds(&item), condition.holds(&item), "{}", source);
                prop_assert!(placeholders.unused().is_none());
                let mut named = BTreeSet::new();
                parsed.each_path(&mut |path| { named.insert(path.root.clone()); });
                // What the condition reads is what it names: other attributes cannot change the answer.
                let visible: Item = item.iter().filter(|(name, _)| named.contains(*name)).map(|(n, v)| (n.clone(), v.clone())).collect();
                prop_assert_eq!(parsed.holds(&visible), parsed.holds(&item));
            }
            Err(error) => prop_assert!(
                error.to_string().contains("redundant parentheses"),
                "{}: {}", strip(&source), error
            ),
        }
    }
}

#[test]
fn deep_conditions_are_evaluated_without_recursion_trouble() {
    let source = format!("{}flag = :t", "NOT ".repeat(59));
    let names = BTreeMap::new();
    let values = BTreeMap::from([(":t".to_owned(), Value::Bool(true))]);
    let parsed: Condition =
        parse_condition(Clause::Filter, &source, &mut Placeholders::new(&names, &values)).unwrap();
    assert!(!parsed.holds(&sample()));
}
