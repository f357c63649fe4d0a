//! Every policy document of the test tree: kept as it was written, and the same after a change that is taken back.

use casemate_policy::{
    Kind, Policy,
    compare::{Document, Finding, Options, compare},
    rewrite_principals,
};
use serde_json::Value;

use crate::documents::documents;

const KINDS: [Kind; 8] = [
    Kind::Identity,
    Kind::Resource,
    Kind::Trust,
    Kind::Boundary,
    Kind::Session,
    Kind::ServiceControl,
    Kind::ResourceControl,
    Kind::Authorizer,
];

/// Work that one comparison may make, so that all of them end in seconds.
const STEPS: u64 = 200_000;

/// Each document in each kind that takes it.
fn accepted() -> Vec<(String, Kind, Policy)> {
    let mut all = Vec::new();
    for text in documents().into_keys() {
        for kind in KINDS {
            if let Ok(policy) = Policy::parse(&text, kind) {
                all.push((text.clone(), kind, policy));
            }
        }
    }
    all
}

/// How many texts of this kind there are at least. The walk finds some more; if it came to find much less, it would be broken.
fn enough(all: &[(String, Kind, Policy)], kind: Kind) -> usize {
    all.iter().filter(|(_, own, _)| *own == kind).count()
}

#[test]
fn the_walk_finds_the_documents_of_the_tree() {
    let all = accepted();
    for (kind, at_least) in [(Kind::Identity, 250), (Kind::Resource, 150), (Kind::Trust, 20)] {
        let found = enough(&all, kind);
        assert!(found >= at_least, "{kind:?}: {found}");
    }
    let found = documents();
    for part in ["crates/policy-vectors", "crates/policy", "crates/testkit", "services", "suites"] {
        assert!(found.values().any(|file| file.starts_with(part)), "nothing in {part}");
    }
}

#[test]
fn every_document_is_kept_as_it_was_written() {
    for (text, kind, policy) in accepted() {
        assert_eq!(policy.source(), text);
        let again = Policy::parse(policy.source(), kind).unwrap();
        assert!(again.statements().eq(policy.statements()), "{text}");
        assert!(again.condition_keys().eq(policy.condition_keys()), "{text}");
    }
}

/// What services do to store principals by their unique ids and to show them by name again.
#[test]
fn principals_that_are_replaced_and_put_back_leave_the_document_as_it_was() {
    let mut replaced = 0;
    for (text, kind, _) in accepted() {
        let untouched = rewrite_principals::<()>(&text, &mut |_, _| Ok(None)).unwrap();
        assert_eq!(untouched, text);
        let stored = rewrite_principals::<()>(&text, &mut |name, _| Ok(Some(format!("{name}.")))).unwrap();
        let shown = rewrite_principals::<()>(&stored, &mut |name, _| Ok(Some(name[..name.len() - 1].into())));
        let shown = shown.unwrap();
        let tree = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(tree(&shown), tree(&text));
        assert!(Policy::parse(&shown, kind).is_ok(), "{shown}");
        replaced += usize::from(stored != text);
    }
    assert!(replaced > 50, "{replaced}");
}

/// A document means what its tree says: neither spaces, nor the order of elements, nor a list around one value matter.
#[test]
fn a_document_printed_from_its_tree_decides_as_before() {
    let (mut tried, mut proved) = (0, 0);
    for (text, kind, _) in accepted().into_iter().filter(|(_, kind, _)| {
        // The others have the grammar of one of these two.
        matches!(kind, Kind::Identity | Kind::Resource)
    }) {
        let printed = serde_json::to_string_pretty(&listed(serde_json::from_str(&text).unwrap())).unwrap();
        let before = Document::parse("before", &text, kind).unwrap();
        let after = Document::parse("after", &printed, kind).unwrap();
        let options = Options { steps_max: STEPS, ..Options::default() };
        let found = compare(&[before], &[after], &options);
        for one in [&found.more, &found.less] {
            assert!(!matches!(one, Finding::Witness(_)), "{text}\n{printed}\n{one:?}");
        }
        tried += 1;
        proved += usize::from([&found.more, &found.less].iter().all(|one| **one == Finding::Nothing));
    }
    // Where a variable's value matters, or the work is too much, the comparer does not say that there is no witness.
    assert!(proved * 10 >= tried * 8, "proved {proved} of {tried}");
}

/// Elements that may be one value or a list, as lists.
fn listed(mut tree: Value) -> Value {
    let list = |value: &mut Value| {
        if !value.is_array() {
            *value = Value::Array(vec![value.take()]);
        }
    };
    let Some(statements) = tree.get_mut("Statement") else { return tree };
    list(statements);
    for statement in statements.as_array_mut().into_iter().flatten() {
        for element in ["Action", "NotAction", "Resource", "NotResource"] {
            statement.get_mut(element).map(list);
        }
        for operator in statement.get_mut("Condition").and_then(Value::as_object_mut).into_iter().flatten() {
            operator.1.as_object_mut().into_iter().flatten().for_each(|(_, values)| list(values));
        }
    }
    tree
}
