//! Where in the text a property lies, and what is written there instead.

use std::{collections::BTreeSet, ops::Range};

use serde_json::Value;

use super::{
    NotEdited,
    tree::{Kind, Node, Style},
    within,
};
use crate::sam;

/// A property and its new value.
pub(super) struct Change {
    pub(super) key: &'static str,
    pub(super) value: Value,
}

/// Edits of the properties of one resource.
pub(super) struct Edits<'t> {
    text: &'t str,
    root: &'t Node,
    properties: &'t Node,
    made: Vec<(Range<usize>, String)>,
}

impl<'t> Edits<'t> {
    /// Refuses a way down to the properties that is shared, computed or ambiguous.
    pub(super) fn new(text: &'t str, root: &'t Node, path: &[&str]) -> Result<Self, NotEdited> {
        let aliased = aliased(root);
        let mut above = Vec::new();
        for length in 0..=path.len() {
            let keys = path.get(..length).unwrap_or_default();
            let node = within(root, keys)?;
            let named = || if keys.is_empty() { "the template".to_owned() } else { keys.join(".") };
            let Kind::Map(entries, _) = &node.kind else {
                return Err(NotEdited(format!("{} is not written out as a map", named())));
            };
            if node.tag.is_some() || entries.iter().any(|(key, _)| computes(key)) {
                return Err(NotEdited(format!("{} is computed by a function or a merge", named())));
            }
            if aliased.contains(&node.anchor) {
                return Err(NotEdited(format!("{} is used in another place by a YAML alias", named())));
            }
            let mut seen = BTreeSet::new();
            if let Some((twice, _)) = entries.iter().find(|(key, _)| !seen.insert(key.text())) {
                let key = twice.text().unwrap_or_default();
                return Err(NotEdited(format!("{} has the key {key} twice", named())));
            }
            above.push(node);
        }
        let properties = above.pop().unwrap_or(root);
        Ok(Self { text, root, properties, made: Vec::new() })
    }

    /// Writes a property, or writes it anew.
    pub(super) fn set(&mut self, change: &Change) -> Result<(), NotEdited> {
        let Kind::Map(entries, style) = &self.properties.kind else { return Ok(()) };
        let made = match (self.properties.entry(change.key), entries.first(), style) {
            (Some((key, value)), _, style) => {
                self.check_replaced(change.key, value)?;
                match style {
                    Style::Block => self.replaced_lines(key, value, change)?,
                    Style::Flow => (key.end..end(key, value), format!(": {}", self.flow(key, change))),
                }
            }
            (None, Some((first, _)), Style::Block) => {
                let indent = self.indent(first).ok_or_else(unsafe_form)?;
                let block = sam::yaml(change.key, &change.value, indent.len());
                let ended = format!("{}{}", block.trim_start(), indent);
                (first.start..first.start, self.with_line_feeds(&ended))
            }
            (None, Some((first, _)), Style::Flow) => {
                let after = match self.indent(first) {
                    Some(indent) => format!("\n{indent}"),
                    None => " ".to_owned(),
                };
                let text = format!("\"{}\": {},{after}", change.key, self.flow(first, change));
                (first.start..first.start, self.with_line_feeds(&text))
            }
            (None, None, _) => return Err(unsafe_form()),
        };
        self.made.push(made);
        Ok(())
    }

    /// The text with all of it.
    pub(super) fn applied(mut self) -> String {
        self.made.sort_by_key(|(range, _)| range.start);
        let (mut out, mut at) = (String::new(), 0);
        for (range, text) in &self.made {
            out.push_str(self.text.get(at..range.start).unwrap_or_default());
            out.push_str(text);
            at = range.end;
        }
        out.push_str(self.text.get(at..).unwrap_or_default());
        out
    }

    /// Refuses to replace what is needed elsewhere or chosen by conditions.
    fn check_replaced(&self, key: &str, value: &Node) -> Result<(), NotEdited> {
        let (mut anchors, mut conditional) = (BTreeSet::new(), false);
        value.walk(&mut |node| {
            anchors.insert(node.anchor);
            conditional |= matches!(node.tag.as_deref(), Some("!If" | "!Transform")) || computes(node);
        });
        if conditional {
            return Err(NotEdited(format!("{key} depends on conditions or a transform of the template")));
        }
        let mut outside = false;
        self.root.walk(&mut |node| {
            let inside = node.start >= value.start && node.end <= value.end;
            outside |= !inside && matches!(node.kind, Kind::Alias(_, anchor) if anchors.contains(&anchor));
        });
        if outside {
            let text = format!(
                "{key} has a YAML anchor that is used in another place: write the policies out there first"
            );
            return Err(NotEdited(text));
        }
        Ok(())
    }

    /// From the key to the end of the value's last line.
    fn replaced_lines(
        &self,
        key: &Node,
        value: &Node,
        change: &Change,
    ) -> Result<(Range<usize>, String), NotEdited> {
        let indent = self.indent(key).ok_or_else(unsafe_form)?;
        let end = end(key, value).max(key.end);
        let rest = self.text.get(end..).unwrap_or_default();
        let line = rest.split(['\n', '\r']).next().unwrap_or_default();
        // A comment on the last line is about what goes; an empty value leaves its colon.
        let gone = line.trim_start().trim_start_matches(':').trim_start();
        if !gone.is_empty() && !gone.starts_with('#') {
            return Err(unsafe_form());
        }
        let block = sam::yaml(change.key, &change.value, indent.len());
        Ok((key.start..end.saturating_add(line.len()), self.with_line_feeds(block.trim())))
    }

    /// The white space before something that stands first on its line; `None` where it does not, or behind a tab.
    fn indent(&self, node: &Node) -> Option<String> {
        let before = self.text.get(..node.start)?;
        let line = before.rsplit(['\n', '\r']).next()?;
        line.chars().all(|c| c == ' ').then(|| line.to_owned())
    }

    /// JSON: over several lines where the property has a line of its own.
    fn flow(&self, key: &Node, change: &Change) -> String {
        let Some(indent) = self.indent(key) else { return change.value.to_string() };
        let pretty = serde_json::to_string_pretty(&change.value).unwrap_or_default();
        self.with_line_feeds(&pretty.replace('\n', &format!("\n{indent}")))
    }

    /// Ends lines as the template does.
    fn with_line_feeds(&self, text: &str) -> String {
        if self.text.contains("\r\n") { text.replace('\n', "\r\n") } else { text.to_owned() }
    }
}

fn unsafe_form() -> NotEdited {
    NotEdited("the property is written in a way that cannot be edited safely".to_owned())
}

/// The end of a value; that of its key where nothing is written.
fn end(key: &Node, value: &Node) -> usize {
    if matches!(&value.kind, Kind::Scalar(text, true) if text.is_empty()) { key.end } else { value.end }
}

fn computes(key: &Node) -> bool {
    key.text().is_some_and(|text| {
        text == "<<" || matches!(text, "Fn::If" | "Fn::Transform") || text.starts_with("Fn::ForEach")
    })
}

/// The anchors that aliases name.
fn aliased(root: &Node) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    root.walk(&mut |node| {
        if let Kind::Alias(_, anchor) = node.kind {
            found.insert(anchor);
        }
    });
    found
}
