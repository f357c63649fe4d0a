//! JSONPath, as far as `$input.path` and `$input.json` need it: children, indices, slices, unions, wildcards, descent,
//! filters, and `length()` at the end. Written here because it is small and must be charged like everything else in a run.
//!
//! A path that can lead to one place only gives that value; every other path gives a list, as the library that API Gateway
//! uses (Jayway) does.

use std::num::ParseIntError;

use serde_json::Value as Json;

use super::{
    RenderError,
    cursor::{Cursor, is_name_start},
    value::Heap,
};

/// A path, read.
#[derive(Debug, PartialEq)]
pub(super) struct Path {
    segments: Vec<Segment>,
    /// `.length()` at the end.
    length: bool,
}

#[derive(Debug, PartialEq)]
struct Segment {
    /// `..`: of all that is below, too.
    deep: bool,
    selectors: Vec<Selector>,
}

#[derive(Debug, PartialEq)]
enum Selector {
    Name(String),
    Index(i64),
    Slice(Option<i64>, Option<i64>, i64),
    All,
    Filter(Condition),
}

#[derive(Debug, PartialEq)]
enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Not(Box<Condition>),
    Exists(Operand),
    Compared(Operand, Comparison, Operand),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    LessOrEqual,
    GreaterOrEqual,
    Less,
    Greater,
}

#[derive(Debug, PartialEq)]
enum Operand {
    Literal(Json),
    /// `@…`
    Here(Path),
    /// `$…`
    Root(Path),
}

/// What a path leads to.
#[derive(Debug, PartialEq)]
pub(super) enum Found<'j> {
    Missing,
    One(&'j Json),
    Many(Vec<&'j Json>),
    Length(usize),
}

impl Path {
    /// Reads a path; without `$` it begins at the root.
    pub(super) fn parse(text: &str) -> Result<Self, RenderError> {
        let text = text.trim();
        let rooted = if text.starts_with('$') { text.to_owned() } else { format!("$.{text}") };
        let mut cursor = Cursor::new(&rooted);
        cursor.skip(1);
        let path = segments(&mut cursor, 0).filter(|_| cursor.rest().is_empty());
        path.ok_or_else(|| RenderError::new(format!("`{}` is not a JSONPath here", short(text))))
    }

    fn is_definite(&self) -> bool {
        self.segments.iter().all(|segment| {
            !segment.deep && matches!(segment.selectors.as_slice(), [Selector::Name(_) | Selector::Index(_)])
        })
    }

    /// Follows the path from a value.
    pub(super) fn find<'j>(&self, root: &'j Json, heap: &mut Heap) -> Result<Found<'j>, RenderError> {
        let found = self.all(root, root, heap)?;
        if !self.is_definite() {
            return Ok(if self.length { Found::Length(found.len()) } else { Found::Many(found) });
        }
        let Some(one) = found.first().copied() else { return Ok(Found::Missing) };
        Ok(match one {
            one if !self.length => Found::One(one),
            Json::Array(items) => Found::Length(items.len()),
            Json::Object(entries) => Found::Length(entries.len()),
            Json::String(text) => Found::Length(text.chars().count()),
            _ => Found::Missing,
        })
    }

    fn all<'j>(&self, root: &'j Json, from: &'j Json, heap: &mut Heap) -> Result<Vec<&'j Json>, RenderError> {
        let mut nodes = vec![from];
        for segment in &self.segments {
            if segment.deep {
                let mut below = Vec::new();
                for node in nodes {
                    descend(node, &mut below, heap)?;
                }
                nodes = below;
            }
            let mut next = Vec::new();
            for node in nodes {
                for selector in &segment.selectors {
                    selector.select(root, node, heap, &mut next)?;
                }
            }
            nodes = next;
        }
        Ok(nodes)
    }
}

/// A value and all values in it. As deep as a parsed document can be.
fn descend<'j>(node: &'j Json, out: &mut Vec<&'j Json>, heap: &mut Heap) -> Result<(), RenderError> {
    heap.charge(1)?;
    out.push(node);
    match node {
        Json::Array(items) => items.iter().try_for_each(|item| descend(item, out, heap)),
        Json::Object(entries) => entries.values().try_for_each(|value| descend(value, out, heap)),
        _ => Ok(()),
    }
}

impl Selector {
    fn select<'j>(
        &self,
        root: &'j Json,
        node: &'j Json,
        heap: &mut Heap,
        out: &mut Vec<&'j Json>,
    ) -> Result<(), RenderError> {
        heap.charge(1)?;
        match self {
            Self::Name(name) => out.extend(node.as_object().and_then(|entries| entries.get(name))),
            Self::Index(index) => {
                let items = node.as_array().map_or(&[][..], Vec::as_slice);
                out.extend(absolute(*index, items.len()).and_then(|at| items.get(at)));
            }
            Self::Slice(from, to, step) => {
                let items = node.as_array().map_or(&[][..], Vec::as_slice);
                let (from, to) = (bound(*from, 0, items.len()), bound(*to, items.len(), items.len()));
                heap.charge(to.saturating_sub(from))?;
                let step = usize::try_from(*step).unwrap_or(1).max(1);
                out.extend(items.iter().take(to).skip(from).step_by(step));
            }
            Self::All | Self::Filter(_) => {
                let children: Vec<&Json> = match node {
                    Json::Array(items) => items.iter().collect(),
                    Json::Object(entries) => entries.values().collect(),
                    _ => Vec::new(),
                };
                heap.charge(children.len())?;
                for child in children {
                    let fits = match self {
                        Self::Filter(condition) => condition.holds(root, child, heap)?,
                        _ => true,
                    };
                    out.extend(fits.then_some(child));
                }
            }
        }
        Ok(())
    }
}

impl Condition {
    fn holds(&self, root: &Json, here: &Json, heap: &mut Heap) -> Result<bool, RenderError> {
        heap.charge(1)?;
        match self {
            Self::Any(all) => {
                for one in all {
                    if one.holds(root, here, heap)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::All(all) => {
                for one in all {
                    if !one.holds(root, here, heap)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Not(inner) => Ok(!inner.holds(root, here, heap)?),
            Self::Exists(operand) => Ok(operand.value(root, here, heap)?.is_some()),
            Self::Compared(left, comparison, right) => {
                let left = left.value(root, here, heap)?;
                let right = right.value(root, here, heap)?;
                Ok(compare(left.as_ref(), *comparison, right.as_ref()))
            }
        }
    }
}

impl Operand {
    fn value(&self, root: &Json, here: &Json, heap: &mut Heap) -> Result<Option<Json>, RenderError> {
        let (path, from) = match self {
            Self::Literal(value) => {
                heap.charge_text(value.as_str().map_or(0, str::len))?;
                return Ok(Some(value.clone()));
            }
            Self::Here(path) => (path, here),
            Self::Root(path) => (path, root),
        };
        let found = path.find(from, heap)?;
        Ok(match found {
            Found::Missing => None,
            // Only scalars can be compared; the others only are there or not.
            Found::One(one @ (Json::Array(_) | Json::Object(_))) => {
                heap.charge(1)?;
                Some(Json::Bool(one.is_array() || one.is_object()))
            }
            Found::One(one) => {
                heap.charge_text(one.as_str().map_or(0, str::len))?;
                Some(one.clone())
            }
            Found::Many(many) => (!many.is_empty()).then_some(Json::Bool(true)),
            Found::Length(length) => Some(Json::from(length)),
        })
    }
}

fn compare(left: Option<&Json>, comparison: Comparison, right: Option<&Json>) -> bool {
    let order = match (left, right) {
        (Some(Json::Number(left)), Some(Json::Number(right))) => {
            left.as_f64().zip(right.as_f64()).and_then(|(left, right)| left.partial_cmp(&right))
        }
        (Some(Json::String(left)), Some(Json::String(right))) => Some(left.cmp(right)),
        _ => None,
    };
    let equal = order.map_or_else(|| left == right, std::cmp::Ordering::is_eq);
    match comparison {
        Comparison::Equal => equal,
        Comparison::Unequal => !equal,
        Comparison::Less => order.is_some_and(std::cmp::Ordering::is_lt),
        Comparison::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
        Comparison::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
        Comparison::GreaterOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
    }
}

/// An index from the front; a negative one counts from the end.
fn absolute(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    usize::try_from(if index < 0 { index.saturating_add(length) } else { index }).ok()
}

fn bound(index: Option<i64>, default: usize, length: usize) -> usize {
    index.map_or(default, |index| absolute(index, length).unwrap_or(0)).min(length)
}

fn short(text: &str) -> String {
    text.chars().take(PATH_SHOWN_CHARACTERS).collect()
}

// The reader. `None`: not a path.

fn segments(cursor: &mut Cursor<'_>, depth: usize) -> Option<Path> {
    let mut path = Path { segments: Vec::new(), length: false };
    loop {
        let deep = cursor.eat("..");
        if cursor.eat("[") {
            let selectors = bracket(cursor, depth)?;
            path.segments.push(Segment { deep, selectors });
            continue;
        }
        if !deep && !cursor.eat(".") {
            return Some(path);
        }
        if cursor.eat("*") {
            path.segments.push(Segment { deep, selectors: vec![Selector::All] });
            continue;
        }
        if !deep && cursor.eat("length()") {
            path.length = true;
            return Some(path);
        }
        let name = cursor.take_while(|c| is_name_start(c) || c.is_alphanumeric() || matches!(c, '-' | '$'));
        if name.is_empty() {
            // `$.` is the root.
            return (!deep && path.segments.is_empty() && cursor.rest().is_empty()).then_some(path);
        }
        path.segments.push(Segment { deep, selectors: vec![Selector::Name(name.to_owned())] });
    }
}

/// What follows `[`.
fn bracket(cursor: &mut Cursor<'_>, depth: usize) -> Option<Vec<Selector>> {
    let mut selectors = Vec::new();
    loop {
        cursor.skip_space();
        selectors.push(match cursor.peek()? {
            '*' => {
                cursor.skip(1);
                Selector::All
            }
            '?' => {
                cursor.skip(1);
                cursor.skip_space();
                let condition = any(cursor, depth)?;
                Selector::Filter(condition)
            }
            '\'' | '"' => Selector::Name(quoted(cursor)?),
            _ => numbered(cursor)?,
        });
        cursor.skip_space();
        if cursor.eat("]") {
            return Some(selectors);
        }
        cursor.eat(",").then_some(())?;
    }
}

fn numbered(cursor: &mut Cursor<'_>) -> Option<Selector> {
    let first = integer(cursor).ok()?;
    cursor.skip_space();
    if !cursor.eat(":") {
        return first.map(Selector::Index);
    }
    let last = integer(cursor).ok()?;
    cursor.skip_space();
    let step = if cursor.eat(":") { integer(cursor).ok()?.unwrap_or(1) } else { 1 };
    (step > 0).then_some(Selector::Slice(first, last, step))
}

/// A number, if there is one; an error if it is too large.
fn integer(cursor: &mut Cursor<'_>) -> Result<Option<i64>, ParseIntError> {
    cursor.skip_space();
    let start = cursor.at();
    cursor.eat("-");
    cursor.take_while(|c| c.is_ascii_digit());
    let text = cursor.since(start);
    if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
}

/// Text between quotes; a backslash takes the next character as it is.
fn quoted(cursor: &mut Cursor<'_>) -> Option<String> {
    let quote = cursor.bump()?;
    let mut text = String::new();
    loop {
        match cursor.bump()? {
            c if c == quote => return Some(text),
            '\\' => text.push(cursor.bump()?),
            c => text.push(c),
        }
    }
}

fn any(cursor: &mut Cursor<'_>, depth: usize) -> Option<Condition> {
    if depth >= FILTERS_MAX {
        return None;
    }
    let mut found = vec![every(cursor, depth)?];
    loop {
        cursor.skip_space();
        if !cursor.eat("||") {
            return Some(Condition::Any(found));
        }
        found.push(every(cursor, depth)?);
    }
}

fn every(cursor: &mut Cursor<'_>, depth: usize) -> Option<Condition> {
    let mut found = vec![condition(cursor, depth)?];
    loop {
        cursor.skip_space();
        if !cursor.eat("&&") {
            return Some(Condition::All(found));
        }
        found.push(condition(cursor, depth)?);
    }
}

fn condition(cursor: &mut Cursor<'_>, depth: usize) -> Option<Condition> {
    cursor.skip_space();
    let mut ahead = cursor.clone();
    if ahead.eat("!") && ahead.peek() != Some('=') {
        *cursor = ahead;
        if depth >= FILTERS_MAX {
            return None;
        }
        return condition(cursor, depth + 1).map(|inner| Condition::Not(Box::new(inner)));
    }
    if cursor.eat("(") {
        let inner = any(cursor, depth + 1)?;
        cursor.skip_space();
        return cursor.eat(")").then_some(inner);
    }
    let left = operand(cursor, depth)?;
    cursor.skip_space();
    let comparison = COMPARISONS.iter().find(|(text, _)| cursor.eat(text)).map(|(_, found)| *found);
    match comparison {
        None => Some(Condition::Exists(left)),
        Some(comparison) => Some(Condition::Compared(left, comparison, operand(cursor, depth)?)),
    }
}

fn operand(cursor: &mut Cursor<'_>, depth: usize) -> Option<Operand> {
    cursor.skip_space();
    if cursor.eat("@") {
        return segments(cursor, depth + 1).map(Operand::Here);
    }
    if cursor.eat("$") {
        return segments(cursor, depth + 1).map(Operand::Root);
    }
    if matches!(cursor.peek(), Some('\'' | '"')) {
        return quoted(cursor).map(|text| Operand::Literal(Json::from(text)));
    }
    let word = cursor.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.'));
    serde_json::from_str(word).ok().map(Operand::Literal)
}

const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::Unequal),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

/// Ours: conditions in each other.
const FILTERS_MAX: usize = 16;
/// Ours: how much of a wrong path an error shows.
const PATH_SHOWN_CHARACTERS: usize = 60;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(path: &str) -> Json {
        // The store of Goessner's article on JSONPath, whose answers these are.
        let store = json!({"store": {"book": [
            {"category": "reference", "author": "Nigel Rees", "title": "Sayings of the Century", "price": 8.95},
            {"category": "fiction", "author": "Evelyn Waugh", "title": "Sword of Honour", "price": 12.99},
            {"category": "fiction", "author": "Herman Melville", "title": "Moby Dick", "isbn": "0-553-21311-3", "price": 8.99},
            {"category": "fiction", "author": "J. R. R. Tolkien", "title": "The Lord of the Rings", "isbn": "0-395-19395-8", "price": 22.99}],
            "bicycle": {"color": "red", "price": 19.95}}, "max": 10, "a-b": 1, "ü": 2});
        match Path::parse(path).unwrap().find(&store, &mut Heap::default()).unwrap() {
            Found::Missing => json!("missing"),
            Found::One(one) => one.clone(),
            Found::Many(many) => many.into_iter().cloned().collect(),
            Found::Length(length) => json!({ "length": length }),
        }
    }

    #[test]
    fn paths_lead_where_the_article_says() {
        let all = json!(["Nigel Rees", "Evelyn Waugh", "Herman Melville", "J. R. R. Tolkien"]);
        for (path, expected) in [
            ("$.store.book[*].author", all.clone()),
            ("$..author", all),
            ("$.store..price", json!([8.95, 12.99, 8.99, 22.99, 19.95])),
            ("$..book[2].title", json!(["Moby Dick"])),
            ("$..book[-1].title", json!(["The Lord of the Rings"])),
            ("$.store.book[0,1].price", json!([8.95, 12.99])),
            ("$..book[:2].price", json!([8.95, 12.99])),
            ("$.store.book[-2:].price", json!([8.99, 22.99])),
            ("$.store.book[0:4:2].price", json!([8.95, 8.99])),
            ("$..book[?(@.isbn)].price", json!([8.99, 22.99])),
            ("$..book[?(@.price < 10)].price", json!([8.95, 8.99])),
            ("$..book[?(@.price <= $.max && @.category == 'fiction')].price", json!([8.99])),
            ("$..book[?(!(@.isbn) || @.price > 20)].price", json!([8.95, 12.99, 22.99])),
            ("$['store'][\"bicycle\"].color", json!("red")),
            ("store.bicycle.color", json!("red")),
            ("$.store.bicycle['color','price']", json!(["red", 19.95])),
            ("$.store.book.length()", json!({"length": 4})),
            ("$.a-b", json!(1)),
            ("$.ü", json!(2)),
            ("$.none", json!("missing")),
            ("$.store.book[9]", json!("missing")),
            ("$.none[*]", json!([])),
        ] {
            assert_eq!(found(path), expected, "{path}");
        }
        assert!(found("$").is_object() && found("$.").is_object() && found("$..*").is_array());
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for path in [
            "$[",
            "$.a[",
            "$['a]",
            "$.a[?(]",
            "$.a[1:2:0]",
            "$.a[1:2:-1]",
            "$.a b",
            "$..",
            "$.a.",
            "$[?(@.a==)]",
        ] {
            assert!(Path::parse(path).is_err(), "{path}");
        }
        let deep = format!("$[?({}@.a{})]", "(".repeat(100), ")".repeat(100));
        assert!(Path::parse(&deep).is_err());
        assert!(Path::parse(&format!("$[?({}@.a)]", "!".repeat(100))).is_err());
        assert!(Path::parse(&format!("$[?({}]", "@[?(".repeat(100))).is_err());
    }

    #[test]
    fn descents_in_each_other_are_charged() {
        let mut body = json!(1);
        for _ in 0..100 {
            body = json!([body, body.as_i64()]);
        }
        let path = Path::parse(&format!("${}", "..*".repeat(20))).unwrap();
        assert!(path.find(&body, &mut Heap::default()).is_err());
    }
}
