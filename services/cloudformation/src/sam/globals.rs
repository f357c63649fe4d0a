//! `Globals`: properties that every function, API or table of a template begins with.

use super::only;
use crate::template::{Node, TemplateError, Value};

/// The section, taken apart.
#[derive(Debug)]
pub(super) struct Globals {
    function: Node,
    api: Node,
    simple_table: Node,
}

impl Globals {
    /// Reads the section.
    pub(super) fn of(node: Option<&Node>) -> Result<Self, TemplateError> {
        let empty = Node::map(0, []);
        let node = node.unwrap_or(&empty);
        only(node, &["Function", "Api", "SimpleTable"], "Globals")?;
        let part = |name: &str| {
            node.get(name).filter(|part| part.is_map()).cloned().unwrap_or_else(|| empty.clone())
        };
        Ok(Self { function: part("Function"), api: part("Api"), simple_table: part("SimpleTable") })
    }

    /// A function's properties.
    pub(super) fn function(&self, own: &Node) -> Node {
        merge(&self.function, own)
    }

    /// An API's properties.
    pub(super) fn api(&self, own: &Node) -> Node {
        merge(&self.api, own)
    }

    /// A table's properties.
    pub(super) fn simple_table(&self, own: &Node) -> Node {
        merge(&self.simple_table, own)
    }
}

// AWS: maps are merged, lists are joined (globals first), everything else is overridden.
fn merge(global: &Node, own: &Node) -> Node {
    let is_function = |node: &Node| crate::intrinsic::function(node).is_some();
    match (&global.value, &own.value) {
        (Value::Map(entries), Value::Map(_)) if !is_function(global) && !is_function(own) => {
            let mut merged = own.clone();
            for entry in entries {
                let value = match own.get(&entry.key) {
                    Some(value) => merge(&entry.node, value),
                    None => entry.node.clone(),
                };
                merged.set(&entry.key, value);
            }
            merged
        }
        (Value::List(first), Value::List(second)) => {
            Node::list(own.line, first.iter().chain(second).cloned().collect())
        }
        _ => own.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::parse_value;

    #[test]
    fn maps_merge_lists_join_scalars_give_way() {
        let globals = Globals::of(Some(
            &parse_value(
                "Function: {Timeout: 5, Environment: {Variables: {A: 1, B: 1}}, Architectures: [x]}",
            )
            .unwrap(),
        ))
        .unwrap();
        let own = parse_value("Timeout: 9\nEnvironment: {Variables: {B: 2}}\nArchitectures: [y]").unwrap();
        assert_eq!(
            globals.function(&own).to_json(),
            serde_json::json!({"Timeout": 9, "Environment": {"Variables": {"A": 1, "B": 2}}, "Architectures": ["x", "y"]})
        );
    }

    #[test]
    fn unknown_sections_are_refused() {
        let error = Globals::of(Some(&parse_value("HttpApi: {}").unwrap())).unwrap_err();
        assert!(error.to_string().contains("unsupported property HttpApi of Globals (line 1)"));
    }
}
