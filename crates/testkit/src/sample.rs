//! Minimal valid inputs, made from schemas: the required members, lists and maps with one entry, texts that satisfy length and
//! pattern. Deterministic. Where a schema does not say enough (a text that must be an ARN, a member that is optional in
//! the model and required in truth) the test gives hints.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use casemate_names::Timestamp;
use casemate_schema::{Document, Kind, Member, OpMeta, Schema, check};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

/// Says which value a member shall have, by operation and member name, at any depth; `None` leaves it to the schema. An
/// optional member is only included when a hint names it.
pub type Hints<'a> = &'a dyn Fn(&OpMeta, &str) -> Option<Document>;

/// No hints at all.
pub fn no_hints(_op: &OpMeta, _member: &str) -> Option<Document> {
    None
}

/// A minimal input of `op`.
pub fn minimal(op: &OpMeta, hints: Hints<'_>) -> Document {
    value(op, op.input, "", hints)
}

/// Structures within structures that [`variations`] looks into: shapes may contain themselves.
const DEPTH_MAX: usize = 3;

/// The minimal input, and it with one more member each: each optional member of the input, and each optional member within
/// the structures that members are. So every member there is comes once, beside no other that could contradict it. With
/// each its path, `""` for the minimal input.
pub fn variations(op: &OpMeta, hints: Hints<'_>) -> Vec<(String, Document)> {
    let least = minimal(op, hints);
    let more = within(op, op.input, "", &least, hints, 0);
    std::iter::once((String::new(), least)).chain(more).collect()
}

/// `least`, a value of `schema`, with one more member each.
fn within(
    op: &OpMeta,
    schema: &'static Schema,
    path: &str,
    least: &Document,
    hints: Hints<'_>,
    depth: usize,
) -> Vec<(String, Document)> {
    let mut all = Vec::new();
    match &schema.kind {
        Kind::Structure { members, .. } if depth < DEPTH_MAX => {
            for member in *members {
                let path =
                    if path.is_empty() { member.name.to_owned() } else { format!("{path}.{}", member.name) };
                let inner = (member.schema)();
                let given = least.get(member.name);
                let own = given.cloned().unwrap_or_else(|| value(op, inner, member.name, hints));
                let with = |value: Document| replaced(least, member.name, value);
                if given.is_none() {
                    all.push((path.clone(), with(own.clone())));
                }
                let deeper = within(op, inner, &path, &own, hints, depth + 1);
                all.extend(deeper.into_iter().map(|(path, value)| (path, with(value))));
            }
        }
        Kind::List { member, .. } => {
            let first = least.items().first().cloned().unwrap_or_else(|| value(op, member(), path, hints));
            let deeper = within(op, member(), path, &first, hints, depth);
            all.extend(deeper.into_iter().map(|(path, value)| (path, Document::List(vec![value]))));
        }
        _ => {}
    }
    all
}

fn replaced(structure: &Document, name: &str, value: Document) -> Document {
    let mut made = Document::empty();
    for (key, old) in structure.entries().iter().filter(|(key, _)| key != name) {
        made.push(key, old.clone());
    }
    made.push(name, value);
    made
}

fn value(op: &OpMeta, schema: &'static Schema, name: &str, hints: Hints<'_>) -> Document {
    match &schema.kind {
        Kind::Structure { members, union, .. } => structure(op, members, *union, hints),
        Kind::List { member, .. } => {
            Document::List((0..least(schema).max(1)).map(|_| value(op, member(), name, hints)).collect())
        }
        Kind::Map { key, value: inner } => {
            let entry = |i: usize| {
                let key = text(key(), &format!("{name}{i}"));
                (key, value(op, inner(), name, hints))
            };
            Document::Map((0..least(schema).max(1)).map(entry).collect())
        }
        Kind::String => Document::String(text(schema, name)),
        Kind::Enum(values) => Document::String(values.first().copied().unwrap_or_default().to_owned()),
        Kind::Boolean => Document::Bool(false),
        Kind::Integer | Kind::Long => Document::Integer(whole(schema)),
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        Kind::Float | Kind::Double => Document::Double(whole(schema) as f64),
        Kind::Blob => Document::Blob(vec![b'x'; least(schema)].into()),
        Kind::Timestamp(_) => Document::Timestamp(Timestamp::from_seconds(1_795_478_400)),
    }
}

fn structure(op: &OpMeta, members: &'static [Member], union: bool, hints: Hints<'_>) -> Document {
    let mut document = Document::empty();
    for member in members {
        if let Some(given) = hints(op, member.name) {
            document.push(member.name, given);
        } else if member.required {
            document.push(member.name, value(op, (member.schema)(), member.name, hints));
        }
    }
    if union
        && document.entries().is_empty()
        && let Some(first) = members.first()
    {
        document.push(first.name, value(op, (first.schema)(), first.name, hints));
    }
    document
}

/// The smallest legal length.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lengths in models are small and positive"
)]
fn least(schema: &Schema) -> usize {
    schema.constraints.min.unwrap_or_default().clamp(0.0, 1_000.0) as usize
}

/// The smallest legal whole number, at least 1 where 1 is legal.
#[expect(clippy::cast_possible_truncation, reason = "limits in models are whole and small")]
fn whole(schema: &Schema) -> i64 {
    let min = schema.constraints.min.unwrap_or(1.0).max(1.0);
    schema.constraints.max.map_or(min, |max| min.min(max)) as i64
}

/// A text that satisfies the schema: the member's own name if it can be (so that it is recognised where it turns up
/// again), else something common, else whatever the pattern yields.
fn text(schema: &'static Schema, name: &str) -> String {
    // The same texts are asked for again and again, and to find one can take hundreds of tries.
    static FOUND: Mutex<BTreeMap<(usize, String), String>> = Mutex::new(BTreeMap::new());
    let key = (std::ptr::from_ref(schema).addr(), name.to_owned());
    let known = FOUND.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    known.unwrap_or_else(|| {
        let made = sought(schema, name);
        FOUND.lock().unwrap_or_else(PoisonError::into_inner).insert(key, made.clone());
        made
    })
}

fn sought(schema: &'static Schema, name: &str) -> String {
    if let Kind::Enum(values) = schema.kind {
        return values.first().copied().unwrap_or_default().to_owned();
    }
    let legal = |text: &String| check(schema, &Document::String(text.clone())).is_empty();
    let fitted = |text: &str| {
        let long_enough: String = text.chars().cycle().take(least(schema).max(text.len())).collect();
        long_enough
    };
    let own = if name.is_empty() { "sample" } else { name };
    let candidates = [own, "sample", "us-east-1_Sample000", "Aa1!sample", "1", "2026-11-24", "/", "{}", "*"];
    if let Some(found) = candidates.iter().map(|text| fitted(text)).find(legal) {
        return found;
    }
    if let Some(found) = schema.constraints.pattern.and_then(|pattern| from_pattern(pattern, &legal)) {
        return found;
    }
    let most = schema.constraints.max.unwrap_or(1.0);
    if most < 6.0 { "a".to_owned() } else { own.to_owned() }
}

/// Tries texts of the pattern's language until one is legal.
fn from_pattern(pattern: &str, legal: &dyn Fn(&String) -> bool) -> Option<String> {
    let trimmed = pattern.strip_prefix('^').unwrap_or(pattern);
    let trimmed = trimmed.strip_suffix('$').unwrap_or(trimmed);
    let strategy = proptest::string::string_regex(trimmed).ok()?;
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
    (0..500).find_map(|_| {
        let text = strategy.new_tree(&mut runner).ok()?.current();
        legal(&text).then_some(text)
    })
}
