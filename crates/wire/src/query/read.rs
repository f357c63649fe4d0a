//! Form parameters as documents: `List.member.N`, `Map.entry.N.key`, `Structure.Member`.
//!
//! Parameters the model does not have are ignored, as AWS does. Indices need not be contiguous (AWS closes gaps) but
//! must be plain positive numbers; the number of parameters is limited by the router.

use std::collections::BTreeMap;

use casemate_schema::{Document, Kind, Member, OpMeta, Schema, TimestampFormat};

use super::{element_name, flattened_name};
use crate::{
    DecodeError,
    http_value::{Place, read_scalar},
};

/// Names with more parts than this are refused. Source: the deepest modelled input has about ten.
const DEPTH_MAX: usize = 32;
/// AWS: list positions are 32-bit; nothing legitimate comes near this.
const INDEX_MAX: u32 = 1_000_000;

/// Reads the input out of decoded parameters.
pub(crate) fn read_input(op: &OpMeta, form: &[(String, String)]) -> Result<Document, DecodeError> {
    let mut root = Node::default();
    for (name, value) in form {
        root.insert(name, value)?;
    }
    structure(op.input, &root)
}

/// Parameters by the parts of their names.
#[derive(Default)]
struct Node<'a> {
    value: Option<&'a str>,
    children: BTreeMap<&'a str, Node<'a>>,
}

impl<'a> Node<'a> {
    fn insert(&mut self, name: &'a str, value: &'a str) -> Result<(), DecodeError> {
        let mut node = self;
        for (depth, part) in name.split('.').enumerate() {
            if depth >= DEPTH_MAX {
                return Err(DecodeError::TooComplex("A parameter is nested too deeply"));
            }
            node = node.children.entry(part).or_default();
        }
        node.value = Some(value);
        Ok(())
    }

    /// An aggregate written as `Name=`: how clients send an empty one.
    fn is_empty_aggregate(&self) -> bool {
        self.children.is_empty() && self.value == Some("")
    }
}

fn structure(schema: &Schema, node: &Node<'_>) -> Result<Document, DecodeError> {
    let mut found = Vec::new();
    for member in schema.members() {
        if let Some(inner) = node.children.get(parameter_name(member)) {
            let value = value((member.schema)(), member.timestamp_format, inner)?;
            found.push((member.name.to_owned(), value));
        }
    }
    Ok(Document::Map(found))
}

/// The parameter that holds a member.
fn parameter_name(member: &Member) -> &'static str {
    match (member.schema)().kind {
        Kind::List { flattened: true, member_name, .. } => flattened_name(member.wire_name, member_name),
        _ => member.wire_name,
    }
}

fn value(schema: &Schema, format: Option<TimestampFormat>, node: &Node<'_>) -> Result<Document, DecodeError> {
    let unexpected = || DecodeError::serialization("Unexpected value where a list or structure belongs");
    match &schema.kind {
        Kind::Structure { .. } if node.value.is_none() || node.is_empty_aggregate() => {
            structure(schema, node)
        }
        Kind::List { .. } | Kind::Map { .. } if node.is_empty_aggregate() => Ok(match schema.kind {
            Kind::List { .. } => Document::List(Vec::new()),
            _ => Document::empty(),
        }),
        Kind::List { .. } | Kind::Map { .. } | Kind::Structure { .. } if node.value.is_some() => {
            Err(unexpected())
        }
        Kind::List { member, flattened: true, .. } => list(member(), node),
        Kind::List { member, member_name, .. } => node
            .children
            .get(element_name(member_name))
            .map_or(Ok(Document::List(Vec::new())), |n| list(member(), n)),
        Kind::Map { key, value, .. } => {
            node.children.get("entry").map_or(Ok(Document::empty()), |entries| map(key(), value(), entries))
        }
        _ => match node.value {
            Some(text) if node.children.is_empty() => read_scalar(schema, format, Place::Uri, text),
            _ => Err(DecodeError::serialization("Unexpected list or structure where a value belongs")),
        },
    }
}

fn list(schema: &Schema, node: &Node<'_>) -> Result<Document, DecodeError> {
    let items: Result<_, _> = by_index(node)?.into_iter().map(|inner| value(schema, None, inner)).collect();
    Ok(Document::List(items?))
}

fn map(key: &Schema, inner: &Schema, node: &Node<'_>) -> Result<Document, DecodeError> {
    let mut found: BTreeMap<String, (usize, Document)> = BTreeMap::new();
    for (position, entry) in by_index(node)?.into_iter().enumerate() {
        let (Some(name), Some(content)) = (entry.children.get("key"), entry.children.get("value")) else {
            return Err(DecodeError::serialization("A map entry needs key and value"));
        };
        let Document::String(name) = value(key, None, name)? else {
            return Err(DecodeError::serialization("A map key must be text"));
        };
        if found.insert(name, (position, value(inner, None, content)?)).is_some() {
            return Err(DecodeError::serialization("A key occurs twice"));
        }
    }
    let mut ordered: Vec<_> = found.into_iter().collect();
    ordered.sort_by_key(|(_, (position, _))| *position);
    Ok(Document::Map(ordered.into_iter().map(|(name, (_, content))| (name, content)).collect()))
}

/// The children in the order of their numbers.
fn by_index<'n, 'a>(node: &'n Node<'a>) -> Result<Vec<&'n Node<'a>>, DecodeError> {
    let mut numbered = Vec::with_capacity(node.children.len());
    for (part, child) in &node.children {
        let plain = part.bytes().all(|b| b.is_ascii_digit()) && !part.starts_with('0');
        let index = part.parse::<u32>().ok().filter(|index| plain && *index <= INDEX_MAX);
        let index =
            index.ok_or_else(|| DecodeError::serialization("A list index must be a positive number"))?;
        numbered.push((index, child));
    }
    numbered.sort_by_key(|(index, _)| *index);
    Ok(numbered.into_iter().map(|(_, child)| child).collect())
}
