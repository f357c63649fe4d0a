//! A template as written: every value with its place in the text, so that one can be replaced and the rest left alone. YAML,
//! and JSON as YAML's flow style. Refuses to know what a value means.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Value, json};

use super::NotEdited;

/// Deepest nesting. Our own figure, that of deployments.
const DEPTH_MAX: usize = 64;

/// A value.
#[derive(Debug)]
pub(super) struct Node {
    /// The byte where it begins; where that of an empty one is means nothing.
    pub(super) start: usize,
    /// The byte after its last one.
    pub(super) end: usize,
    /// `!Name` or the like.
    pub(super) tag: Option<String>,
    /// What aliases name; 0 for nothing.
    pub(super) anchor: usize,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// Its text, and is it without quotes?
    Scalar(String, bool),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>, Style),
    /// As written, with its star, and the anchor.
    Alias(String, usize),
}

/// How a collection is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// By indentation.
    Block,
    /// In brackets.
    Flow,
}

impl Node {
    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text, _) => Some(text),
            _ => None,
        }
    }

    /// Key and value of an entry.
    pub(super) fn entry(&self, key: &str) -> Option<(&Self, &Self)> {
        let Kind::Map(entries, _) = &self.kind else { return None };
        entries.iter().find(|(name, _)| name.text() == Some(key)).map(|(name, value)| (name, value))
    }

    /// The value of an entry.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|(_, value)| value)
    }

    /// Calls `visit` with this value and every one in it, keys too.
    pub(super) fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Self)) {
        visit(self);
        match &self.kind {
            Kind::List(items) => items.iter().for_each(|item| item.walk(visit)),
            Kind::Map(entries, _) => {
                for (key, value) in entries {
                    key.walk(visit);
                    value.walk(visit);
                }
            }
            Kind::Scalar(..) | Kind::Alias(..) => {}
        }
    }

    /// Everything that is written, without places: equal for texts that say the same in the same way.
    pub(super) fn outline(&self) -> Value {
        let inside = match &self.kind {
            Kind::Scalar(text, plain) => json!({ "text": text, "plain": plain }),
            Kind::List(items) => items.iter().map(Self::outline).collect(),
            Kind::Map(entries, _) => entries
                .iter()
                .map(|(key, value)| json!({ "key": key.outline(), "value": value.outline() }))
                .collect(),
            Kind::Alias(written, _) => json!({ "alias": written }),
        };
        match &self.tag {
            Some(tag) => json!({ "tag": tag, "of": inside }),
            None => inside,
        }
    }

    /// What it says, for values of the forms that are written here: texts, lists, objects, `!Sub`.
    pub(super) fn meaning(&self) -> Value {
        let inside = match &self.kind {
            Kind::Scalar(text, _) => json!(text),
            Kind::List(items) => items.iter().map(Self::meaning).collect(),
            Kind::Map(entries, _) => {
                let named = |(key, value): &(Self, Self)| Some((key.text()?.to_owned(), value.meaning()));
                Value::Object(entries.iter().filter_map(named).collect::<Map<_, _>>())
            }
            Kind::Alias(written, _) => json!({ "alias": written }),
        };
        match self.tag.as_deref() {
            Some("!Sub") => json!({ "Fn::Sub": inside }),
            Some(other) => json!({ "tag": other, "of": inside }),
            None => inside,
        }
    }
}

/// Reads one document.
pub(super) fn parse(text: &str) -> Result<Node, NotEdited> {
    let broken = |why: String| NotEdited(format!("the template cannot be read: {why}"));
    let mut bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    bytes.push(text.len());
    let mut reader = Reader { text, bytes, open: Vec::new(), root: None };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| broken(error.to_string()))?;
        reader.take(event, span)?;
    }
    reader.root.ok_or_else(|| broken("it is empty".to_owned()))
}

struct Reader<'t> {
    text: &'t str,
    /// The byte at which each character begins.
    bytes: Vec<usize>,
    open: Vec<Open>,
    root: Option<Node>,
}

/// A collection whose end has not come yet.
struct Open {
    start: usize,
    tag: Option<String>,
    anchor: usize,
    is_map: bool,
    items: Vec<Node>,
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), NotEdited> {
        let (start, end) = (self.byte(span.start.index()), self.end(span));
        let named = |tag: Option<&Tag>| tag.map(ToString::to_string);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let kind = Kind::Scalar(text.into_owned(), style == ScalarStyle::Plain);
                self.add(Node { start, end, tag: named(tag.as_deref()), anchor, kind });
                Ok(())
            }
            Event::Alias(anchor) => {
                let written = self.text.get(start..end).unwrap_or_default().to_owned();
                self.add(Node { start, end, tag: None, anchor: 0, kind: Kind::Alias(written, anchor) });
                Ok(())
            }
            Event::SequenceStart(anchor, tag) => self.start(start, named(tag.as_deref()), anchor, false),
            Event::MappingStart(anchor, tag) => self.start(start, named(tag.as_deref()), anchor, true),
            Event::SequenceEnd | Event::MappingEnd => {
                self.finish(span);
                Ok(())
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(NotEdited("there is more than one document in the template's file".to_owned()))
            }
            _ => Ok(()),
        }
    }

    fn byte(&self, character: usize) -> usize {
        self.bytes.get(character).copied().unwrap_or(self.text.len())
    }

    /// Where something ends: block scalars come with the line feeds after them, which are nobody's.
    fn end(&self, span: Span) -> usize {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        let written = self.text.get(start..end).unwrap_or_default();
        start.saturating_add(written.trim_end().len())
    }

    fn start(
        &mut self,
        start: usize,
        tag: Option<String>,
        anchor: usize,
        is_map: bool,
    ) -> Result<(), NotEdited> {
        if self.open.len() >= DEPTH_MAX {
            return Err(NotEdited("the template is nested too deeply".to_owned()));
        }
        self.open.push(Open { start, tag, anchor, is_map, items: Vec::new() });
        Ok(())
    }

    fn finish(&mut self, span: Span) {
        let Some(Open { start, tag, anchor, is_map, items }) = self.open.pop() else { return };
        // A bracket has a length, an indentation that ends has none.
        let end = self.end(span);
        let bracket = self.text.get(..end).is_some_and(|before| before.ends_with(['}', ']']));
        let flow = span.end.index() > span.start.index() && bracket;
        let style = if flow { Style::Flow } else { Style::Block };
        let end = if flow { end } else { items.iter().map(|item| item.end).max().unwrap_or(start) };
        let kind = if is_map { Kind::Map(paired(items), style) } else { Kind::List(items) };
        self.add(Node { start, end, tag, anchor, kind });
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            Some(open) => open.items.push(node),
            None => self.root = Some(node),
        }
    }
}

fn paired(items: Vec<Node>) -> Vec<(Node, Node)> {
    let mut items = items.into_iter();
    std::iter::from_fn(|| items.next().zip(items.next())).collect()
}
