//! Projections: which places of an item an answer shows.

use std::collections::BTreeMap;

use super::ast::{Path, Step};
use super::error::{Clause, ExpressionError, Rejected};
use super::parser::Parser;
use super::placeholders::Placeholders;
use super::update::no_overlap;
use crate::value::{Item, Value};

/// A set of places none of which lies inside another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Projection {
    paths: Vec<Path>,
}

/// What is wanted of one value.
#[derive(Default)]
struct Wanted<'t> {
    whole: bool,
    fields: BTreeMap<&'t str, Wanted<'t>>,
    indexes: BTreeMap<usize, Wanted<'t>>,
}

impl Projection {
    /// Reads a projection expression.
    pub fn parse(source: &str, placeholders: &mut Placeholders<'_>) -> Result<Self, Rejected> {
        let mut parse = || {
            let mut parser = Parser::new(source, placeholders)?;
            let mut paths = vec![parser.path()?];
            while parser.take_symbol(",") {
                paths.push(parser.path()?);
            }
            parser.end()?;
            no_overlap(&paths.iter().collect::<Vec<_>>())?;
            Ok(Self { paths })
        };
        parse().map_err(|error: ExpressionError| Rejected { clause: Clause::Projection, error })
    }

    /// The projection onto the given places; overlapping ones are allowed and merge.
    pub fn onto(paths: Vec<Path>) -> Self {
        Self { paths }
    }

    /// The places.
    pub fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// What the item shows. Lists keep only the chosen elements, in order.
    pub fn of(&self, item: &Item) -> Item {
        let mut roots: BTreeMap<&str, Wanted<'_>> = BTreeMap::new();
        for path in &self.paths {
            let mut wanted = roots.entry(path.root.as_str()).or_default();
            for step in &path.steps {
                wanted = match step {
                    Step::Field(name) => wanted.fields.entry(name.as_str()).or_default(),
                    Step::Index(index) => wanted.indexes.entry(*index).or_default(),
                };
            }
            wanted.whole = true;
        }
        roots
            .iter()
            .filter_map(|(name, wanted)| Some(((*name).to_owned(), wanted.of(item.get(*name)?)?)))
            .collect()
    }
}

impl Wanted<'_> {
    fn of(&self, value: &Value) -> Option<Value> {
        if self.whole {
            return Some(value.clone());
        }
        match value {
            Value::M(map) => {
                let shown: BTreeMap<String, Value> = self
                    .fields
                    .iter()
                    .filter_map(|(name, wanted)| Some(((*name).to_owned(), wanted.of(map.get(*name)?)?)))
                    .collect();
                (!shown.is_empty()).then_some(Value::M(shown))
            }
            Value::L(list) => {
                let shown: Vec<Value> =
                    self.indexes.iter().filter_map(|(index, wanted)| wanted.of(list.get(*index)?)).collect();
                (!shown.is_empty()).then_some(Value::L(shown))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(source: &str) -> Result<String, String> {
        let text = |value: &str| Value::S(value.to_owned());
        let inner = |value: &str| {
            Value::M(BTreeMap::from([("k".to_owned(), text(value)), ("j".to_owned(), text("j"))]))
        };
        let item = Item::from([
            ("a".to_owned(), text("1")),
            ("m".to_owned(), inner("2")),
            ("l".to_owned(), Value::L(vec![text("x"), inner("3"), text("z")])),
        ]);
        let names = BTreeMap::from([("#m".to_owned(), "m".to_owned())]);
        let values = BTreeMap::new();
        let projection = Projection::parse(source, &mut Placeholders::new(&names, &values))
            .map_err(|error| error.to_string())?;
        Ok(format!("{:?}", projection.of(&item)).replace("String", ""))
    }

    #[test]
    fn only_what_is_named_is_shown() {
        assert_eq!(project("a, zz").unwrap(), r#"{"a": S("1")}"#);
        assert_eq!(project("#m.k").unwrap(), r#"{"m": M({"k": S("2")})}"#);
        assert_eq!(project("l[2], l[0]").unwrap(), r#"{"l": L([S("x"), S("z")])}"#);
        assert_eq!(project("l[1].k, m.zz, a.b, l[9]").unwrap(), r#"{"l": L([M({"k": S("3")})])}"#);
    }

    #[test]
    fn overlaps_and_nonsense_are_refused() {
        assert_eq!(
            project("m, m.k"),
            Err("Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [m], path two: [m, k]".to_owned())
        );
        assert!(project("a, a").unwrap_err().contains("overlap"));
        assert!(project("m.k, m[0]").unwrap_err().contains("conflict"));
        for source in ["", "a,", "a b", ":v", "a = b", "size(a)", "a.", "status"] {
            assert!(project(source).unwrap_err().starts_with("Invalid ProjectionExpression: "), "{source}");
        }
    }
}
