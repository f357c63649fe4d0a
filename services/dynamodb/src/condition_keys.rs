//! What fine-grained access control sees of a request: the `dynamodb:*` condition keys of each ask.
//!
//! INVARIANT: nothing a request names is left out, and what could not be determined is reported as unknown, never as
//! an empty set: `ForAllValues` holds for an empty set. Expressions are read by the parser that `run` uses, so both see
//! the same names.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use casemate_kernel::Ask;
use casemate_names::Arn;

use crate::api::{AttributeValue, ReturnConsumedCapacity};
use crate::convert;
use crate::expression::{Clause, Condition, Path, Projection, Update, parse_condition};
use crate::params::Substitutions;
use crate::table::Table;
use crate::value::Value;

/// Top-level attributes that a request names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: BTreeSet<String>,
    undetermined: bool,
}

/// The texts of a request's expressions.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Expressions<'r> {
    pub(crate) condition: Option<&'r String>,
    pub(crate) filter: Option<&'r String>,
    pub(crate) projection: Option<&'r String>,
    pub(crate) update: Option<&'r String>,
    pub(crate) names: Option<&'r BTreeMap<String, String>>,
    pub(crate) values: Option<&'r BTreeMap<String, AttributeValue>>,
}

impl Names {
    /// Attributes named outright: of a key, an item, or a legacy parameter.
    pub(crate) fn all<'n>(&mut self, names: impl IntoIterator<Item = &'n String>) {
        self.known.extend(names.into_iter().cloned());
    }

    /// Attributes named in expressions, after substitution.
    pub(crate) fn expressions(&mut self, texts: Expressions<'_>) {
        let any = [texts.condition, texts.filter, texts.projection, texts.update];
        if any.iter().all(Option::is_none) {
            return;
        }
        let Some(substitutions) = Substitutions::for_access(texts.names, texts.values) else {
            self.undetermined = true;
            return;
        };
        let mut placeholders = substitutions.placeholders();
        for (clause, text) in [(Clause::Condition, texts.condition), (Clause::Filter, texts.filter)] {
            let Some(text) = text else { continue };
            match parse_condition(clause, text, &mut placeholders) {
                Ok(condition) => self.condition(&condition),
                Err(_) => self.undetermined = true,
            }
        }
        if let Some(text) = texts.projection {
            match Projection::parse(text, &mut placeholders) {
                Ok(projection) => projection.paths().iter().for_each(|path| self.path(path)),
                Err(_) => self.undetermined = true,
            }
        }
        if let Some(text) = texts.update {
            match Update::parse(text, &mut placeholders) {
                Ok(update) => update.each_path(&mut |path| self.path(path)),
                Err(_) => self.undetermined = true,
            }
        }
    }

    /// Attributes a parsed condition names.
    pub(crate) fn condition(&mut self, condition: &Condition) {
        condition.each_path(&mut |path| self.path(path));
    }

    /// Some part of the request could not be read.
    pub(crate) fn undetermined(&mut self) {
        self.undetermined = true;
    }

    fn path(&mut self, path: &Path) {
        self.known.insert(path.root.clone());
    }
}

/// Partition-key values that a request addresses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LeadingKeys {
    /// The operation addresses none (a scan).
    // AWS: Scan has no leading keys, so a policy that allows it is not narrowed by them.
    None,
    /// These.
    Known(BTreeSet<String>),
    /// The request does not say them in a form that could be read.
    Unknown,
}

impl LeadingKeys {
    /// The values of the partition key in keys or items of a table; one that lacks it makes all unknown.
    pub(crate) fn of<'k>(
        table: Option<&Table>,
        keys: impl IntoIterator<Item = &'k BTreeMap<String, AttributeValue>>,
    ) -> Self {
        let Some(table) = table else { return Self::Unknown };
        let values = keys.into_iter().map(|key| key.get(&table.key.partition).and_then(wire_text));
        Self::collect(values)
    }

    /// Collects texts; one that is missing makes all unknown, and so does having none.
    pub(crate) fn collect(values: impl Iterator<Item = Option<String>>) -> Self {
        match values.collect::<Option<BTreeSet<String>>>() {
            Some(known) if !known.is_empty() => Self::Known(known),
            _ => Self::Unknown,
        }
    }
}

/// A key value as policies write it. Numbers in canonical form, so that `1.0` and `1` are the one item they name.
pub(crate) fn key_text(value: &Value) -> Option<String> {
    match value {
        Value::S(text) => Some(text.clone()),
        Value::N(number) => Some(number.to_string()),
        Value::B(bytes) => Some(base64::engine::general_purpose::STANDARD.encode(bytes)),
        _ => None,
    }
}

fn wire_text(value: &AttributeValue) -> Option<String> {
    convert::value(value.clone()).ok().as_ref().and_then(key_text)
}

/// An ask with its keys.
#[derive(Debug)]
pub(crate) struct Described {
    ask: Ask,
}

impl Described {
    /// `action` on `resource`.
    pub(crate) fn on(action: &'static str, resource: Arn) -> Self {
        Self { ask: Ask::on(action, resource) }
    }

    /// Adds `dynamodb:LeadingKeys` and its newer synonym.
    pub(crate) fn leading(mut self, keys: &LeadingKeys) -> Self {
        // AWS: `FirstPartitionKeyValues` is the same for keys of one partition attribute, the only ones there are here.
        for name in ["dynamodb:LeadingKeys", "dynamodb:FirstPartitionKeyValues"] {
            self.ask = match keys {
                LeadingKeys::None => self.ask,
                LeadingKeys::Known(values) => self.ask.with(name, values.iter().cloned().collect::<Vec<_>>()),
                LeadingKeys::Unknown => self.ask.with_unknown(name),
            };
        }
        self
    }

    /// Adds `dynamodb:Attributes`. A request that names none has no such key.
    pub(crate) fn attributes(mut self, names: Names) -> Self {
        if names.undetermined {
            self.ask = self.ask.with_unknown("dynamodb:Attributes");
        } else if !names.known.is_empty() {
            self.ask = self.ask.with("dynamodb:Attributes", Vec::from_iter(names.known));
        }
        self
    }

    /// Adds `dynamodb:Select`, as effective.
    pub(crate) fn select(self, select: &str) -> Self {
        self.one("dynamodb:Select", select)
    }

    /// Adds `dynamodb:ReturnValues`, as effective.
    pub(crate) fn return_values(self, values: &str) -> Self {
        self.one("dynamodb:ReturnValues", values)
    }

    /// Adds `dynamodb:ReturnConsumedCapacity`, as effective.
    pub(crate) fn capacity(self, wanted: Option<ReturnConsumedCapacity>) -> Self {
        self.one("dynamodb:ReturnConsumedCapacity", wanted.unwrap_or(ReturnConsumedCapacity::None).as_str())
    }

    /// Adds `dynamodb:EnclosingOperation`.
    pub(crate) fn enclosed_by(self, operation: &str) -> Self {
        self.one("dynamodb:EnclosingOperation", operation)
    }

    /// The ask.
    pub(crate) fn done(self) -> Ask {
        self.ask
    }

    fn one(mut self, key: &str, value: &str) -> Self {
        self.ask = self.ask.with(key, value);
        self
    }
}

/// `SPECIFIC_ATTRIBUTES` with a projection, `ALL_ATTRIBUTES` without: what a read of single items returns.
pub(crate) fn select_of_get(projected: bool) -> &'static str {
    if projected { "SPECIFIC_ATTRIBUTES" } else { "ALL_ATTRIBUTES" }
}

/// The effective `ReturnValues` of a write.
// DIVERGES: `ReturnValuesOnConditionCheckFailure=ALL_OLD` shows the old item just as `ReturnValues=ALL_OLD` does, so it
// counts as that; AWS has no condition key for it.
pub(crate) fn return_values(values: Option<&str>, on_failure_all_old: bool) -> &str {
    if on_failure_all_old { "ALL_OLD" } else { values.unwrap_or("NONE") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> AttributeValue {
        AttributeValue { s: Some(value.to_owned()), ..Default::default() }
    }

    #[derive(Debug, PartialEq)]
    enum Reported {
        Absent,
        Unknown,
        Values(Vec<String>),
    }

    fn values(all: &[&str]) -> Reported {
        Reported::Values(all.iter().map(|each| (*each).to_owned()).collect())
    }

    fn keys_of(described: Described, name: &str) -> Reported {
        match described.done().keys.into_iter().find(|(key, _)| key == name) {
            None => Reported::Absent,
            Some((_, None)) => Reported::Unknown,
            Some((_, Some(value))) => Reported::Values(value.texts().to_vec()),
        }
    }

    fn arn() -> Arn {
        Arn::parse("arn:aws:dynamodb:us-east-1:123456789012:table/t").unwrap()
    }

    fn attributes(texts: Expressions<'_>) -> Reported {
        let mut names = Names::default();
        names.expressions(texts);
        keys_of(Described::on("dynamodb:UpdateItem", arn()).attributes(names), "dynamodb:Attributes")
    }

    #[test]
    fn names_in_every_clause_are_reported_after_substitution() {
        let (condition, filter) =
            ("attribute_exists(a.b) AND #x = :v".to_owned(), "size(f[0]) > :v".to_owned());
        let (projection, update) =
            ("p.q, #y.z".to_owned(), "SET u = if_not_exists(w, :v) REMOVE r.s".to_owned());
        let names =
            BTreeMap::from([("#x".to_owned(), "secret".to_owned()), ("#y".to_owned(), "hidden".to_owned())]);
        let given =
            BTreeMap::from([(":v".to_owned(), AttributeValue { n: Some("1".into()), ..Default::default() })]);
        let found = attributes(Expressions {
            condition: Some(&condition),
            filter: Some(&filter),
            projection: Some(&projection),
            update: Some(&update),
            names: Some(&names),
            values: Some(&given),
        });
        assert_eq!(found, values(&["a", "f", "hidden", "p", "r", "secret", "u", "w"]));
    }

    #[test]
    fn a_name_mentioned_only_in_a_filter_is_reported() {
        let filter = "salary > :v".to_owned();
        let given =
            BTreeMap::from([(":v".to_owned(), AttributeValue { n: Some("1".into()), ..Default::default() })]);
        let texts = Expressions { filter: Some(&filter), values: Some(&given), ..Default::default() };
        assert_eq!(attributes(texts), values(&["salary"]));
    }

    #[test]
    fn what_cannot_be_read_is_unknown_and_never_empty() {
        let bad = "a = ".to_owned();
        assert_eq!(
            attributes(Expressions { condition: Some(&bad), ..Default::default() }),
            Reported::Unknown
        );
        let undefined = "#n = :v".to_owned();
        assert_eq!(
            attributes(Expressions { filter: Some(&undefined), ..Default::default() }),
            Reported::Unknown
        );
        let fine = "attribute_exists(a)".to_owned();
        let broken = BTreeMap::from([(":v".to_owned(), AttributeValue::default())]);
        let texts = Expressions { condition: Some(&fine), values: Some(&broken), ..Default::default() };
        assert_eq!(attributes(texts), Reported::Unknown);
    }

    #[test]
    fn leading_keys_are_unknown_without_table_key_or_readable_value() {
        let table = crate::testing::table();
        let (good, other) =
            (BTreeMap::from([("pk".to_owned(), text("u1"))]), BTreeMap::from([("x".to_owned(), text("u1"))]));
        let broken = BTreeMap::from([("pk".to_owned(), AttributeValue::default())]);
        assert_eq!(
            LeadingKeys::of(Some(&table), [&good]),
            LeadingKeys::Known(BTreeSet::from(["u1".to_owned()]))
        );
        assert_eq!(LeadingKeys::of(None, [&good]), LeadingKeys::Unknown);
        assert_eq!(LeadingKeys::of(Some(&table), [&good, &other]), LeadingKeys::Unknown);
        assert_eq!(LeadingKeys::of(Some(&table), [&good, &broken]), LeadingKeys::Unknown);
        assert_eq!(LeadingKeys::of(Some(&table), []), LeadingKeys::Unknown);
        let unknown = Described::on("dynamodb:GetItem", arn()).leading(&LeadingKeys::Unknown);
        assert_eq!(keys_of(unknown, "dynamodb:LeadingKeys"), Reported::Unknown);
        let none = Described::on("dynamodb:Scan", arn()).leading(&LeadingKeys::None);
        assert_eq!(keys_of(none, "dynamodb:LeadingKeys"), Reported::Absent);
    }

    #[test]
    fn numbers_are_reported_in_canonical_form_and_binary_as_base64() {
        let number = |text: &str| AttributeValue { n: Some(text.to_owned()), ..Default::default() };
        assert_eq!(wire_text(&number("01.0")), Some("1".to_owned()));
        let bytes = AttributeValue { b: Some(bytes::Bytes::from_static(b"ab")), ..Default::default() };
        assert_eq!(wire_text(&bytes), Some("YWI=".to_owned()));
        assert_eq!(wire_text(&AttributeValue { bool: Some(true), ..Default::default() }), None);
    }
}
