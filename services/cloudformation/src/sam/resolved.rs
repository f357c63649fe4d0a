//! A template's values with its parameters in place: what changes when a parameter does. Resources stay names.

use crate::{
    intrinsic::{Facts, Target, function, references},
    template::{Node, TemplateError, Value},
};

/// The same value with `Ref` and `Fn::Sub` of parameters settled; other functions stay as they are written.
pub(super) fn parameters(node: &Node, facts: &Facts) -> Result<Node, TemplateError> {
    match function(node) {
        Some(("Ref", name)) if name.as_text().is_some_and(|name| is_known(name, facts)) => {
            return settled(node, facts);
        }
        Some(("Fn::Sub", argument)) => return substitution(node, argument, facts),
        _ => {}
    }
    let value = match &node.value {
        Value::List(items) => {
            let items: Result<Vec<_>, _> = items.iter().map(|item| parameters(item, facts)).collect();
            Value::List(items?)
        }
        Value::Map(entries) => {
            let mut map = Node::map(node.line, []);
            for entry in entries {
                map.set(&entry.key, parameters(&entry.node, facts)?);
            }
            map.value
        }
        other => other.clone(),
    };
    Ok(Node { line: node.line, value })
}

fn substitution(node: &Node, argument: &Node, facts: &Facts) -> Result<Node, TemplateError> {
    let found = references(node, &facts.conditions)?;
    let names: Vec<&str> = found
        .iter()
        .filter_map(|reference| match &reference.target {
            Target::Name(name) if is_known(name, facts) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    if names.len() == found.len() {
        return settled(node, facts);
    }
    // DIVERGES: where resources are named too, the parameters' values stand beside the text and not in it.
    let mut map = Node::map(node.line, [("Fn::Sub", argument.clone())]);
    for name in names {
        map.set(name, settled(&Node::reference(node.line, name), facts)?);
    }
    Ok(map)
}

/// Evaluated where it counts towards what one operation may come to.
fn settled(node: &Node, facts: &Facts) -> Result<Node, TemplateError> {
    Ok(facts.evaluate(node)?.unwrap_or_else(|| node.clone()))
}

// AWS: of the pseudo parameters SAM knows these two; the others are the same for all of a stack's life.
fn is_known(name: &str, facts: &Facts) -> bool {
    let pseudo = name.starts_with("AWS::") && !matches!(name, "AWS::Region" | "AWS::Partition");
    !pseudo && facts.names.contains_key(name)
}
