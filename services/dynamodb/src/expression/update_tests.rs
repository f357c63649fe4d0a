//! Updates: what they do, what they refuse, and a comparison with independent single-attribute edits.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::encoding::tests::items;
use crate::expression::{Placeholders, Update};
use crate::number::Number;
use crate::value::{Item, Value};

fn number(text: &str) -> Value {
    Value::N(Number::parse(text).unwrap())
}

fn text(value: &str) -> Value {
    Value::S(value.to_owned())
}

fn strings(all: &[&str]) -> Value {
    Value::Ss(all.iter().map(|each| (*each).to_owned()).collect::<BTreeSet<_>>())
}

fn list(all: &[&str]) -> Value {
    Value::L(all.iter().map(|each| text(each)).collect())
}

fn sample() -> Item {
    Item::from([
        ("n".to_owned(), number("10")),
        ("s".to_owned(), text("hello")),
        ("ss".to_owned(), strings(&["x", "y"])),
        ("l".to_owned(), list(&["p", "q", "r"])),
        ("m".to_owned(), Value::M(BTreeMap::from([("k".to_owned(), number("1"))]))),
    ])
}

fn parse(source: &str) -> Result<Update, String> {
    let names = BTreeMap::from([("#m".to_owned(), "m".to_owned())]);
    let values = BTreeMap::from([
        (":n".to_owned(), number("5")),
        (":s".to_owned(), text("new")),
        (":ss".to_owned(), strings(&["y", "z"])),
        (":all".to_owned(), strings(&["x", "y"])),
        (":l".to_owned(), list(&["t"])),
        (":big".to_owned(), number("9.9e125")),
    ]);
    Update::parse(source, &mut Placeholders::new(&names, &values)).map_err(|error| error.to_string())
}

fn apply(source: &str) -> Result<Item, String> {
    parse(source)?.apply(&sample()).map_err(|error| error.to_string())
}

fn attribute(source: &str, name: &str) -> Option<Value> {
    apply(source).unwrap().get(name).cloned()
}

#[test]
fn set_computes_from_the_item_as_it_was() {
    assert_eq!(attribute("SET n = n + :n", "n"), Some(number("15")));
    assert_eq!(attribute("SET n = :n - n", "n"), Some(number("-5")));
    assert_eq!(attribute("SET n = if_not_exists(zz, n) + :n", "n"), Some(number("15")));
    assert_eq!(attribute("SET zz = if_not_exists(zz, :s)", "zz"), Some(text("new")));
    assert_eq!(attribute("set l = list_append(l, :l)", "l"), Some(list(&["p", "q", "r", "t"])));
    assert_eq!(
        attribute("SET l = list_append(:l, if_not_exists(zz, l))", "l"),
        Some(list(&["t", "p", "q", "r"]))
    );
    let swapped = apply("SET n = s, s = n").unwrap();
    assert_eq!((swapped.get("n"), swapped.get("s")), (Some(&text("hello")), Some(&number("10"))));
}

#[test]
fn nested_places_are_set_and_removed() {
    assert_eq!(
        attribute("SET #m.k = :s", "m"),
        Some(Value::M(BTreeMap::from([("k".to_owned(), text("new"))])))
    );
    assert_eq!(attribute("SET l[1] = :s", "l"), Some(list(&["p", "new", "r"])));
    assert_eq!(attribute("SET l[9] = :s, l[7] = l[0]", "l"), Some(list(&["p", "q", "r", "p", "new"])));
    assert_eq!(attribute("REMOVE l[0], l[2]", "l"), Some(list(&["q"])));
    assert_eq!(attribute("REMOVE l[1] SET l[2] = :s", "l"), Some(list(&["p", "new"])));
    assert_eq!(attribute("REMOVE l[30]", "l"), Some(list(&["p", "q", "r"])));
    assert_eq!(attribute("REMOVE m.k", "m"), Some(Value::M(BTreeMap::new())));
    assert_eq!(attribute("REMOVE n, zz", "n"), None);
}

#[test]
fn add_and_delete_work_on_numbers_and_sets() {
    assert_eq!(attribute("ADD n :n", "n"), Some(number("15")));
    assert_eq!(attribute("ADD zz :n", "zz"), Some(number("5")));
    assert_eq!(attribute("ADD ss :ss", "ss"), Some(strings(&["x", "y", "z"])));
    assert_eq!(attribute("DELETE ss :ss", "ss"), Some(strings(&["x"])));
    assert_eq!(attribute("DELETE ss :all", "ss"), None);
    assert_eq!(attribute("DELETE zz :ss", "zz"), None);
    assert_eq!(attribute("ADD m.k :n", "m"), Some(Value::M(BTreeMap::from([("k".to_owned(), number("6"))]))));
}

#[test]
fn updates_that_do_not_fit_the_item_are_refused() {
    let missing = "The provided expression refers to an attribute that does not exist in the item";
    let kind = "An operand in the update expression has an incorrect data type";
    let path = "The document path provided in the update expression is invalid for update";
    for (source, error) in [
        ("SET n = zz", missing),
        ("SET n = zz + :n", missing),
        ("SET l = list_append(zz, :l)", missing),
        ("SET n = s + :n", kind),
        ("SET l = list_append(n, :l)", kind),
        ("ADD s :n", kind),
        ("ADD n :ss", kind),
        ("DELETE n :ss", kind),
        ("SET zz.a = :n", path),
        ("SET s.a = :n", path),
        ("SET l.a = :n", path),
        ("SET m[0] = :n", path),
        ("REMOVE zz.a", path),
        ("REMOVE s[0]", path),
        ("ADD zz.a :n", path),
        ("DELETE zz.a :ss", path),
        (
            "SET n = :big + :big",
            "Number overflow. Attempting to store a number with magnitude larger than supported range",
        ),
    ] {
        assert_eq!(apply(source), Err(error.to_owned()), "{source}");
    }
}

#[test]
fn malformed_updates_have_the_services_text() {
    for (source, text) in [
        ("", "The expression can not be empty;"),
        ("n = :n", "Syntax error; token: \"n\", near: \"n =\""),
        ("SET", "Syntax error; token: \"<EOF>\", near: \"SET\""),
        ("SET n :n", "Syntax error; token: \":n\", near: \"n :n\""),
        ("SET n = :n,", "Syntax error; token: \"<EOF>\", near: \",\""),
        ("SET n = :n SET s = :s", "The \"SET\" section can only be used once in an update expression;"),
        ("SET n = :n foo", "Syntax error; token: \"foo\", near: \":n foo\""),
        (
            "ADD n :s",
            "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND",
        ),
        (
            "DELETE n :n",
            "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND",
        ),
        (
            "SET n = n + :s",
            "Incorrect operand type for operator or function; operator or function: +, operand type: S",
        ),
        (
            "SET l = list_append(l, :n)",
            "Incorrect operand type for operator or function; operator or function: list_append, operand type: N",
        ),
        (
            "SET l = list_append(l)",
            "Incorrect number of operands for operator or function; operator or function: list_append, number of operands: 1",
        ),
        (
            "SET n = if_not_exists(:n, n)",
            "Operator or function requires a document path; operator or function: if_not_exists",
        ),
        (
            "SET n = size(s)",
            "The function is not allowed to be used this way in an expression; function: size",
        ),
        ("SET n = foo(s)", "Invalid function name; function: foo"),
        (
            "SET m = :n, m.k = :n",
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [m], path two: [m, k]",
        ),
        (
            "SET n = :n REMOVE n",
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [n], path two: [n]",
        ),
        (
            "SET m.a = :n REMOVE m[0]",
            "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [m, a], path two: [m, [0]]",
        ),
        ("REMOVE user", "Attribute name is a reserved keyword; reserved keyword: user"),
    ] {
        assert_eq!(parse(source).map(|_| ()), Err(format!("Invalid UpdateExpression: {text}")), "{source}");
    }
    let nested = format!("SET n = {}:l{}", "list_append(:l,".repeat(40), ")".repeat(40));
    assert!(parse(&nested).unwrap_err().ends_with("nested too deeply;"));
}

#[test]
fn every_path_read_or_written_is_named() {
    let update =
        parse("SET a = b + if_not_exists(c, d), e.f = list_append(g, if_not_exists(h[0], i)) REMOVE j ADD k :n DELETE o :ss")
            .unwrap();
    let mut roots = BTreeSet::new();
    update.each_path(&mut |path| {
        roots.insert(path.root.as_str());
    });
    assert_eq!(roots, BTreeSet::from(["a", "b", "c", "d", "e", "g", "h", "i", "j", "k", "o"]));
}

proptest! {
    #[test]
    fn a_joint_update_equals_edits_one_by_one(item in items(), choice in proptest::collection::vec(0..5_usize, 3)) {
        let values = BTreeMap::from([
            (":n".to_owned(), number("1")),
            (":s".to_owned(), text("v")),
            (":ss".to_owned(), strings(&["a"])),
        ]);
        let names = BTreeMap::new();
        let mut parts: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut expected = Ok(item.clone());
        for (name, kind) in ["a", "b", "c"].into_iter().zip(choice) {
            let (section, text_) = match kind {
                0 => ("SET", format!("{name} = :s")),
                1 => ("REMOVE", name.to_owned()),
                2 => ("ADD", format!("{name} :n")),
                3 => ("DELETE", format!("{name} :ss")),
                _ => ("SET", format!("{name} = if_not_exists({name}, :n)")),
            };
            parts.entry(section).or_default().push(text_);
            expected = expected.and_then(|item: Item| edit(item, name, kind));
        }
        let source = parts.iter().map(|(section, all)| format!("{section} {}", all.join(", "))).collect::<Vec<_>>().join(" ");
        let update = Update::parse(&source, &mut Placeholders::new(&names, &values)).unwrap();
        prop_assert_eq!(update.apply(&item).ok(), expected.ok(), "{}", source);
    }
}

proptest! {
    #[test]
    fn an_update_depends_only_on_what_it_names(
        item in items(),
        form in proptest::sample::select(vec![
            "SET @ = $", "SET @ = $ + :n", "SET @.x = if_not_exists($, :s)", "SET @ = list_append($, :l)",
            "SET @ = if_not_exists(@, $)", "REMOVE @[0], $.a", "ADD @ :n REMOVE $", "DELETE @ :ss SET $ = :s",
        ]),
        names in proptest::sample::select(vec![("a", "b"), ("b", "a"), ("a", "c"), ("c", "b")]),
    ) {
        let values = BTreeMap::from([
            (":n".to_owned(), number("1")),
            (":s".to_owned(), text("v")),
            (":ss".to_owned(), strings(&["a"])),
            (":l".to_owned(), list(&["t"])),
        ]);
        let source = form.replace('@', names.0).replace('$', names.1);
        let update = Update::parse(&source, &mut Placeholders::new(&BTreeMap::new(), &values)).unwrap();
        let mut named = BTreeSet::new();
        update.each_path(&mut |path| {
            named.insert(path.root.clone());
        });
        let (visible, hidden): (Item, Item) = item.clone().into_iter().partition(|(name, _)| named.contains(name));
        let expected = update.apply(&visible).map(|mut after| {
            after.extend(hidden);
            after
        });
        prop_assert_eq!(update.apply(&item), expected, "{}", source);
    }
}

/// The naive meaning of one edit.
fn edit(mut item: Item, name: &str, kind: usize) -> Result<Item, ()> {
    let old = item.remove(name);
    let new = match (kind, old) {
        (0, _) => Some(text("v")),
        (1, _) | (3, None) => None,
        (2, Some(Value::N(old))) => Some(Value::N(old.plus(Number::parse("1").unwrap()).unwrap())),
        (2 | 4, None) => Some(number("1")),
        (3, Some(Value::Ss(mut set))) => {
            set.remove("a");
            (!set.is_empty()).then_some(Value::Ss(set))
        }
        (2 | 3, Some(_)) => return Err(()),
        (_, old) => old,
    };
    if let Some(new) = new {
        item.insert(name.to_owned(), new);
    }
    Ok(item)
}
