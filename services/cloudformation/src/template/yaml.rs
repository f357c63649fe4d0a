//! Reads YAML (and JSON, which is YAML in flow style) into [`Node`]s. Knows CloudFormation's short tags and nothing of what
//! they mean.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::{
    error::TemplateError,
    value::{Entry, Node, Value},
};

/// Deepest nesting. Our own figure; AWS documents none, and its policies and templates need about fifteen.
const DEPTH_MAX: usize = 64;
/// Most nodes. Our own figure: a template body of AWS's largest size (1 MB by URL) with a node every eight bytes.
const NODES_MAX: usize = 131_072;
/// Bytes of repeated text that count as a further value.
const VALUE_BYTES: usize = 32;

/// Tags that stand for `Fn::` functions.
const FUNCTION_TAGS: [&str; 17] = [
    "And",
    "Base64",
    "Cidr",
    "Equals",
    "FindInMap",
    "GetAZs",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Length",
    "Not",
    "Or",
    "Select",
    "Split",
    "Sub",
    "ToJsonString",
];

/// Reads one document.
pub(crate) fn parse(text: &str) -> Result<Node, TemplateError> {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            let marker = error.marker();
            not_well_formed(line_of(marker.line()), marker.col() + 1, error.info())
        })?;
        builder.take(event, span)?;
    }
    builder.root.ok_or_else(|| TemplateError::at(0, "Template format error: the template is empty."))
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
    /// Values that have an anchor, complete ones only: a value cannot contain itself.
    anchors: HashMap<usize, Anchored>,
}

/// A collection whose end has not come yet.
struct Open {
    line: u32,
    tag: Option<String>,
    anchor: usize,
    content: Content,
}

/// A value with an anchor, and what repeating it costs.
#[derive(Clone)]
struct Anchored {
    node: Node,
    nodes: usize,
    depth: usize,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(String, u32)> },
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), TemplateError> {
        let line = line_of(span.start.line());
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(TemplateError::at(
                        line,
                        "Template format error: more than one YAML document.",
                    ));
                }
                Ok(())
            }
            Event::Alias(anchor) => self.alias(anchor, line),
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map(std::borrow::Cow::into_owned);
                self.scalar(text.into_owned(), style, tag.as_ref(), (anchor, line))
            }
            Event::SequenceStart(anchor, tag) => {
                let content = Content::List(Vec::new());
                self.start(content, tag.as_deref(), (anchor, line))
            }
            Event::MappingStart(anchor, tag) => {
                let content = Content::Map { entries: Vec::new(), key: None };
                self.start(content, tag.as_deref(), (anchor, line))
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn scalar(
        &mut self,
        text: String,
        style: ScalarStyle,
        tag: Option<&Tag>,
        (anchor, line): (usize, u32),
    ) -> Result<(), TemplateError> {
        if self.awaits_key() {
            return self.key(text, line);
        }
        let function = tag.map(|tag| function_of(tag, line)).transpose()?.flatten();
        let forced_text = tag.is_some_and(|tag| tag.suffix == "str" || tag.handle.is_empty());
        let plain = style == ScalarStyle::Plain && function.is_none() && !forced_text;
        let value = if plain { plain_value(text) } else { Value::Text(text) };
        let node = wrap(function, Node { line, value });
        self.remember(anchor, &node);
        self.add(node, line)
    }

    /// Repeats a value. The limits count what it stands for, so that a small file cannot become a large template.
    fn alias(&mut self, anchor: usize, line: u32) -> Result<(), TemplateError> {
        if self.awaits_key() {
            return Err(TemplateError::at(line, "Template format error: a key must be text."));
        }
        let refused = |why: &str| TemplateError::at(line, format!("Template format error: {why}."));
        let found = self.anchors.get(&anchor).cloned();
        let found = found.ok_or_else(|| refused("a YAML alias refers to a value it is part of"))?;
        self.nodes += found.nodes;
        if self.nodes > NODES_MAX {
            return Err(refused("YAML aliases repeat too many values"));
        }
        if self.open.len() + found.depth > DEPTH_MAX {
            return Err(refused("nested too deeply"));
        }
        self.add(found.node, line)
    }

    fn remember(&mut self, anchor: usize, node: &Node) {
        if anchor != 0 {
            let (nodes, depth) = measure(node);
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes, depth });
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Map { key: None, .. }, .. }))
    }

    fn key(&mut self, text: String, line: u32) -> Result<(), TemplateError> {
        if text == "<<" {
            return Err(TemplateError::at(
                line,
                "Template format error: YAML hash merges are not supported.",
            ));
        }
        if let Some(Open { content: Content::Map { entries, key }, .. }) = self.open.last_mut() {
            if let Some(first) = entries.iter().find(|entry| entry.key == text) {
                let text = format!(
                    "Template format error: duplicate key \"{text}\", first used on line {}.",
                    first.line
                );
                return Err(TemplateError::at(line, text));
            }
            *key = Some((text, line));
        }
        Ok(())
    }

    fn start(
        &mut self,
        content: Content,
        tag: Option<&Tag>,
        (anchor, line): (usize, u32),
    ) -> Result<(), TemplateError> {
        if self.awaits_key() {
            return Err(TemplateError::at(line, "Template format error: a key must be text."));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(TemplateError::at(line, "Template format error: nested too deeply."));
        }
        let tag = tag.map(|tag| function_of(tag, line)).transpose()?.flatten();
        self.open.push(Open { line, tag, anchor, content });
        Ok(())
    }

    fn end(&mut self) -> Result<(), TemplateError> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, .. } => Value::Map(entries),
        };
        let node = wrap(open.tag, Node { line: open.line, value });
        self.remember(open.anchor, &node);
        self.add(node, open.line)
    }

    fn add(&mut self, node: Node, line: u32) -> Result<(), TemplateError> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(TemplateError::at(line, "Template format error: too many values."));
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, key }) => {
                if let Some((key, line)) = key.take() {
                    entries.push(Entry { key, line, node });
                }
            }
        }
        Ok(())
    }
}

/// How many values a value holds, itself included, and how deep it is. Depth is bounded by the builder.
fn measure(node: &Node) -> (usize, usize) {
    let children = node.items().iter().chain(node.entries().iter().map(|entry| &entry.node));
    let measured = children.map(measure).fold((0, 0), |(nodes, depth), (n, d)| (nodes + n, depth.max(d)));
    // Text counts too: a short alias can stand for a long one.
    let text = node.as_text().map_or(0, str::len) / VALUE_BYTES;
    (measured.0 + 1 + text, measured.1 + 1)
}

/// The long name of a short tag; `None` for tags of YAML itself.
fn function_of(tag: &Tag, line: u32) -> Result<Option<String>, TemplateError> {
    let suffix = tag.suffix.as_str();
    if tag.is_yaml_core_schema() {
        return match suffix {
            "str" | "int" | "float" | "bool" | "null" | "seq" | "map" => Ok(None),
            // AWS: binary, omap, pairs, set and timestamp are not supported.
            _ => Err(TemplateError::at(line, format!("Template format error: unsupported tag !!{suffix}."))),
        };
    }
    if tag.handle == "!" {
        match suffix {
            "Ref" | "Condition" => return Ok(Some(suffix.to_owned())),
            "" => return Ok(None),
            "Transform" => return Ok(Some("Fn::Transform".to_owned())),
            known if FUNCTION_TAGS.contains(&known) => return Ok(Some(format!("Fn::{known}"))),
            _ => {}
        }
    }
    Err(TemplateError::at(line, format!("Template format error: unknown tag {tag}.")))
}

/// Puts a value under its function's name.
fn wrap(function: Option<String>, node: Node) -> Node {
    let Some(function) = function else { return node };
    let line = node.line;
    let node = match (function.as_str(), node.as_text().and_then(|text| text.split_once('.'))) {
        ("Fn::GetAtt", Some((resource, attribute))) => {
            Node::list(line, vec![Node::text(line, resource), Node::text(line, attribute)])
        }
        _ => node,
    };
    Node::map(line, [(function.as_str(), node)])
}

/// A plain scalar by YAML's core schema, except that what looks like a number in another notation stays text.
fn plain_value(text: String) -> Value {
    match text.as_str() {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        other if serde_json::from_str::<serde_json::Number>(other).is_ok() => Value::Number(text),
        _ => Value::Text(text),
    }
}

fn line_of(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

// AWS: "Template format error: YAML not well-formed. (line 3, column 5)".
fn not_well_formed(line: u32, column: usize, why: &str) -> TemplateError {
    let text = format!("Template format error: YAML not well-formed. (line {line}, column {column}): {why}");
    TemplateError::at(0, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn values_have_their_lines() {
        let node = parse("a: 1\nb:\n  - x\n  - c: true\n").unwrap();
        let b = node.get("b").unwrap();
        assert_eq!(node.entries()[1].line, 2);
        assert_eq!(b.items()[1].get("c").unwrap().line, 4);
        assert_eq!(node.to_json(), serde_json::json!({"a": 1, "b": ["x", {"c": true}]}));
    }

    #[test]
    fn short_tags_become_functions() {
        let node = parse("a: !Ref X\nb: !GetAtt X.Y.Z\nc: !Sub '${X}'\nd: !If [C, !Ref 'AWS::NoValue', 1]\ne: !Not\n - !Condition D\n").unwrap();
        assert_eq!(
            node.to_json(),
            serde_json::json!({
                "a": {"Ref": "X"}, "b": {"Fn::GetAtt": ["X", "Y.Z"]}, "c": {"Fn::Sub": "${X}"},
                "d": {"Fn::If": ["C", {"Ref": "AWS::NoValue"}, 1]},
                "e": {"Fn::Not": [{"Condition": "D"}]},
            })
        );
    }

    #[test]
    fn dates_versions_and_octals_stay_text() {
        let node = parse("a: 2012-10-17\nb: 012345678901\nc: 0x10\nd: '1'\ne: 1.5\nf: -3\ng: yes\n").unwrap();
        assert_eq!(
            node.to_json(),
            serde_json::json!({"a": "2012-10-17", "b": "012345678901", "c": "0x10", "d": "1", "e": 1.5, "f": -3, "g": "yes"})
        );
    }

    #[test]
    fn json_is_read_with_lines_too() {
        let node = parse("{\n  \"a\": [\n\t1,\n    \"\\u00e9\\/\"\n  ]\n}").unwrap();
        assert_eq!(node.get("a").unwrap().items()[1].line, 4);
        assert_eq!(node.to_json(), serde_json::json!({"a": [1, "é/"]}));
    }

    #[test]
    fn duplicate_keys_are_refused_with_both_lines() {
        assert_eq!(
            refused("a: 1\nb: 2\na: 3\n"),
            "Template format error: duplicate key \"a\", first used on line 1. (line 3)"
        );
    }

    #[test]
    fn aliases_repeat_values() {
        let node = parse("a: &x [1, {b: !Ref R}]\nc: *x\nd: &s text\ne: *s\n").unwrap();
        assert_eq!(node.get("a"), node.get("c"));
        assert_eq!(node.get("e").unwrap().as_text(), Some("text"));
    }

    #[test]
    fn alias_bombs_and_cycles_are_refused() {
        let mut wide = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        let mut deep = "a0: &a0 [x]\n".to_owned();
        for n in 1..100 {
            let m = n - 1;
            let ten = vec![format!("*a{m}"); 10].join(", ");
            wide = format!("{wide}a{n}: &a{n} [{ten}]\n");
            deep = format!("{deep}a{n}: &a{n} [*a{m}]\n");
        }
        assert!(refused(&wide).contains("YAML aliases repeat too many values"));
        assert!(refused(&deep).contains("nested too deeply"));
        assert!(refused("a: &a [*a]\n").contains("part of"));
        assert!(refused("a: &a {x: 1}\nb:\n  <<: *a\n").contains("hash merges are not supported"));
        assert!(refused("a: &a x\n*a : 1\n").contains("a key must be text"));
    }

    #[test]
    fn tabs_broken_quotes_and_wrong_tags_are_refused_with_their_place() {
        assert!(refused("a:\n\tb: 1\n").contains("YAML not well-formed. (line 2"));
        assert!(refused("a: \"x\n").contains("YAML not well-formed"));
        assert_eq!(refused("a:\n  b: !Reff X\n"), "Template format error: unknown tag !Reff. (line 2)");
        assert!(refused("a: !!binary aGk=\n").contains("unsupported tag !!binary"));
        assert!(refused("? [a, b]\n: c\n").contains("a key must be text"));
        assert!(refused("a: 1\n---\nb: 2\n").contains("more than one"));
        assert!(refused("").contains("empty"));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let text = format!("{}1{}", "[".repeat(5_000), "]".repeat(5_000));
        assert!(parse(&text).is_err());
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_text_does_not_panic(text in "[ \\-a-c:{}\\[\\]!&*|>'\"\n\t0-9]{0,60}") {
            let _ = parse(&text);
        }
    }
}
