//! How often a schema is applied to one place of a document, at most. References make that number explode: 24 definitions,
//! each of which refers twice to the next, come to sixteen million applications from a kilobyte of schema.
//!
//! The number is bounded when a model is stored and again when it is deployed, so that the time to hold a body against a
//! schema is at most proportional to the body. What cannot be followed here is refused: it could not be bounded.

use std::collections::BTreeMap;

use serde_json::Value;

/// The schemas that one may refer to, by model name.
pub(crate) type Others = BTreeMap<String, Value>;

/// A schema within a document; documents do not move while they are looked at.
type Place = *const Value;

/// Which part of a value a child schema is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'s> {
    Member(&'s str),
    AnyMember,
    Item(usize),
    AnyItem,
}

/// A schema, taken apart.
#[derive(Debug, Default)]
struct Node<'s> {
    /// Applied to the same value.
    here: Vec<Place>,
    /// Applied to parts of it.
    below: Vec<(Part<'s>, Place)>,
}

struct Walk<'s> {
    others: &'s Others,
    nodes: BTreeMap<Place, Node<'s>>,
    waiting: Vec<(&'s Value, &'s Value)>,
}

/// Refuses a schema whose references come to too much.
pub(crate) fn check(schema: &Value, others: &Others) -> Result<(), String> {
    let mut walk = Walk { others, nodes: BTreeMap::new(), waiting: vec![(schema, schema)] };
    while let Some((document, schema)) = walk.waiting.pop() {
        walk.look_at(document, schema)?;
    }
    let mut order = Vec::new();
    let mut state = BTreeMap::new();
    for place in walk.nodes.keys() {
        visit(*place, &walk.nodes, &mut state, &mut order, 0)?;
    }
    let mut applied: BTreeMap<Place, u64> = BTreeMap::new();
    for place in &order {
        let here = walk.nodes.get(place).map(|node| node.here.as_slice()).unwrap_or_default();
        let count = here.iter().map(|below| applied.get(below).copied().unwrap_or(0));
        applied.insert(*place, count.fold(1, u64::saturating_add));
    }
    for _ in 0..DOCUMENT_DEPTH_MAX {
        if applied.values().any(|count| *count > APPLIED_MAX) {
            return Err(format!(
                "its references apply more than {APPLIED_MAX} schemas to one place of a document"
            ));
        }
        let deeper = one_level_deeper(&walk.nodes, &order, &applied);
        if deeper == applied {
            break;
        }
        applied = deeper;
    }
    Ok(())
}

/// The most schemas at a part of the value, for each schema that is applied to the value.
fn one_level_deeper(
    nodes: &BTreeMap<Place, Node<'_>>,
    order: &[Place],
    applied: &BTreeMap<Place, u64>,
) -> BTreeMap<Place, u64> {
    let mut parts: BTreeMap<Place, BTreeMap<&Part<'_>, u64>> = BTreeMap::new();
    let mut result = BTreeMap::new();
    for place in order {
        let Some(node) = nodes.get(place) else { continue };
        let mut sums: BTreeMap<&Part<'_>, u64> = BTreeMap::new();
        let mut add = |part, count: u64| {
            let sum: &mut u64 = sums.entry(part).or_default();
            *sum = sum.saturating_add(count);
        };
        for (part, below) in &node.below {
            add(part, applied.get(below).copied().unwrap_or(0));
        }
        for here in &node.here {
            for (part, count) in parts.get(here).into_iter().flatten() {
                add(part, *count);
            }
        }
        let of = |part: &Part<'_>| sums.get(part).copied().unwrap_or(0);
        let (members, items) = (of(&Part::AnyMember), of(&Part::AnyItem));
        let most = sums.iter().map(|(part, sum)| match part {
            Part::Member(_) => sum.saturating_add(members),
            Part::Item(_) => sum.saturating_add(items),
            Part::AnyMember | Part::AnyItem => *sum,
        });
        // What was reached before stays: the deepest place need not be the worst.
        let before = applied.get(place).copied().unwrap_or(0);
        result.insert(*place, most.max().unwrap_or(0).max(before));
        parts.insert(*place, sums);
    }
    result
}

/// Orders schemas so that those applied to the same value come first. A circle among them would never end.
fn visit(
    place: Place,
    nodes: &BTreeMap<Place, Node<'_>>,
    done: &mut BTreeMap<Place, bool>,
    order: &mut Vec<Place>,
    depth: usize,
) -> Result<(), String> {
    match done.get(&place) {
        Some(true) => return Ok(()),
        Some(false) => return Err("it refers to itself without end".to_owned()),
        None if depth > CHAIN_MAX => {
            return Err(format!("more than {CHAIN_MAX} references and combinations follow each other"));
        }
        None => {}
    }
    done.insert(place, false);
    for here in nodes.get(&place).map(|node| node.here.as_slice()).unwrap_or_default() {
        visit(*here, nodes, done, order, depth + 1)?;
    }
    done.insert(place, true);
    order.push(place);
    Ok(())
}

impl<'s> Walk<'s> {
    fn look_at(&mut self, document: &'s Value, schema: &'s Value) -> Result<(), String> {
        let place: Place = schema;
        let Value::Object(keywords) = schema else { return Ok(()) };
        if self.nodes.contains_key(&place) {
            return Ok(());
        }
        let mut node = Node::default();
        if let Some(Value::String(reference)) = keywords.get("$ref") {
            // Draft 4: what stands beside `$ref` does not count.
            let (document, target) = self.target(document, reference)?;
            if moves_its_base(document, true) {
                return Err("`id` within a schema that is referred to is not supported".to_owned());
            }
            node.here.push(target);
            self.waiting.push((document, target));
            self.nodes.insert(place, node);
            return Ok(());
        }
        let mut below = Vec::new();
        for (keyword, value) in keywords {
            match (keyword.as_str(), value) {
                ("allOf" | "anyOf" | "oneOf", Value::Array(all)) => {
                    below.extend(all.iter().map(|s| (None, s)));
                }
                ("not", one) => below.push((None, one)),
                ("dependencies", Value::Object(all)) => below.extend(all.values().map(|s| (None, s))),
                ("properties", Value::Object(all)) => {
                    below.extend(all.iter().map(|(name, s)| (Some(Part::Member(name)), s)));
                }
                ("patternProperties", Value::Object(all)) => {
                    below.extend(all.values().map(|s| (Some(Part::AnyMember), s)));
                }
                ("additionalProperties", one) => below.push((Some(Part::AnyMember), one)),
                ("items", Value::Array(all)) => {
                    below.extend(all.iter().enumerate().map(|(at, s)| (Some(Part::Item(at)), s)));
                }
                ("items" | "additionalItems", one) => below.push((Some(Part::AnyItem), one)),
                _ => {}
            }
        }
        for (part, schema) in below.into_iter().filter(|(_, schema)| schema.is_object()) {
            match part {
                None => node.here.push(schema),
                Some(part) => node.below.push((part, schema)),
            }
            self.waiting.push((document, schema));
        }
        self.nodes.insert(place, node);
        Ok(())
    }

    /// What a reference leads to, and the document that is in.
    fn target(&self, document: &'s Value, reference: &str) -> Result<(&'s Value, &'s Value), String> {
        let unknown = || format!("the reference {reference} cannot be followed");
        let (address, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let document = if address.is_empty() {
            document
        } else {
            let (_, name) = address.rsplit_once("/models/").ok_or_else(unknown)?;
            self.others.get(name).ok_or_else(unknown)?
        };
        let plain = pointer.is_empty() || (pointer.starts_with('/') && !pointer.contains('%'));
        let target = document.pointer(pointer).filter(|target| plain && target.is_object());
        target.map(|target| (document, target)).ok_or_else(unknown)
    }
}

/// Has a schema below the top an `id`? It would change what references in it mean.
fn moves_its_base(value: &Value, is_top: bool) -> bool {
    match value {
        Value::Object(members) => {
            let moves = !is_top && members.get("id").is_some_and(Value::is_string);
            moves || members.values().any(|member| moves_its_base(member, false))
        }
        Value::Array(items) => items.iter().any(|item| moves_its_base(item, false)),
        _ => false,
    }
}

/// Ours: schemas applied to one place of a document.
const APPLIED_MAX: u64 = 2_000;
/// Ours: references, `allOf` and the like in a row.
const CHAIN_MAX: usize = 200;
/// Depth of documents that are read at all (serde_json).
const DOCUMENT_DEPTH_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Levels that each refer twice to the next, by `combine`.
    fn doubling(levels: usize, combine: impl Fn(Value) -> Value) -> Value {
        let mut definitions = serde_json::Map::new();
        definitions.insert(format!("l{levels}"), json!({"type": "object"}));
        for level in 0..levels {
            let next = json!({"$ref": format!("#/definitions/l{}", level + 1)});
            definitions.insert(format!("l{level}"), combine(next));
        }
        json!({"$ref": "#/definitions/l0", "definitions": definitions})
    }

    #[test]
    fn references_that_double_per_level_are_refused() {
        let ways: [fn(Value) -> Value; 5] = [
            |next| json!({"allOf": [next, next]}),
            |next| json!({"anyOf": [{"not": next}, {"oneOf": [next]}]}),
            |next| json!({"dependencies": {"a": next, "b": next}}),
            |next| json!({"allOf": [{"properties": {"x": next}}, {"properties": {"x": next}}]}),
            |next| json!({"properties": {"x": next}, "patternProperties": {"x": next}}),
        ];
        for way in ways {
            assert_eq!(check(&doubling(5, way), &Others::new()), Ok(()));
            let refused = check(&doubling(24, way), &Others::new()).unwrap_err();
            assert!(refused.contains("more than 2000 schemas"), "{refused}");
        }
        let itself =
            json!({"allOf": [{"properties": {"x": {"$ref": "#"}}}, {"properties": {"x": {"$ref": "#"}}}]});
        assert!(check(&itself, &Others::new()).is_err(), "doubles with every level of the document");
    }

    #[test]
    fn models_that_double_are_refused() {
        let reference =
            |level| json!({"$ref": format!("https://apigateway.amazonaws.com/restapis/a/models/L{level}")});
        let mut others = Others::new();
        others.insert("L24".to_owned(), json!({}));
        for level in 0..24 {
            others
                .insert(format!("L{level}"), json!({"allOf": [reference(level + 1), reference(level + 1)]}));
        }
        assert!(check(&reference(0), &others).is_err());
        assert_eq!(check(&reference(20), &others), Ok(()));
    }

    #[test]
    fn recursive_schemas_that_follow_the_document_are_taken() {
        for schema in [
            json!({"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}),
            json!({"anyOf": [{"type": "string"}, {"items": {"$ref": "#"}}, {"additionalProperties": {"$ref": "#"}}]}),
            json!({"items": [{"$ref": "#"}, {"$ref": "#"}], "definitions": {"id": {"type": "string"}}}),
            json!({"id": "https://example.com/note", "properties": {"id": {"type": "string"}}}),
            json!({"properties": {"a": {"id": "/properties/a", "type": "string"}}}),
            doubling(100, |next| json!({"properties": {"a": next, "b": next}})),
        ] {
            assert_eq!(check(&schema, &Others::new()), Ok(()), "{schema}");
        }
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        let chain = doubling(300, |next| json!({"allOf": [next]}));
        for schema in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"definitions": {"a": {"$ref": "#/definitions/b"}, "b": {"not": {"$ref": "#/definitions/a"}}}, "allOf": [{"$ref": "#/definitions/a"}]}),
            json!({"$ref": "#name"}),
            json!({"$ref": "other"}),
            json!({"$ref": "#/definitions/none"}),
            json!({"properties": {"a": {"$ref": "#/definitions/%61"}}, "definitions": {"a": {}}}),
            json!({"properties": {"a": {"$ref": "#/definitions/a"}}, "definitions": {"a": {"id": "x/"}}}),
            chain,
        ] {
            assert!(check(&schema, &Others::new()).is_err(), "{schema}");
        }
    }
}
