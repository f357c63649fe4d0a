//! Intrinsic functions: what a template computes. Knows parameters, conditions, mappings and what resources became; knows no
//! resource type and asks nobody.

mod condition;
mod references;
mod substitute;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::template::{Node, TemplateError, Value};

pub(crate) use condition::settle_conditions;
pub(crate) use references::{Target, references};
pub(crate) use substitute::{Piece, pieces};

/// `AWS::NoValue`: the entry that holds it does not exist.
pub(crate) const NO_VALUE: &str = "AWS::NoValue";

/// Everything a value can depend on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// Parameters and pseudo parameters.
    pub(crate) names: BTreeMap<String, Node>,
    /// Conditions, settled.
    pub(crate) conditions: BTreeMap<String, bool>,
    /// The mappings section.
    pub(crate) mappings: Option<Node>,
    /// Resources made so far.
    pub(crate) resources: BTreeMap<String, Existing>,
    /// How much the functions have come to so far.
    pub(crate) spent: Spent,
}

/// Values that the functions of one operation may come to in all. Ours: a short template can repeat a long list
/// thousands of times, and without a limit one request would fill the memory.
const PRODUCED_MAX: usize = 1_000_000;
/// Bytes of text that count as a further value.
const VALUE_BYTES: usize = 32;

/// Counts values.
#[derive(Debug, Default)]
pub(crate) struct Spent(AtomicUsize);

impl Clone for Spent {
    fn clone(&self) -> Self {
        Self(AtomicUsize::new(self.0.load(Ordering::Relaxed)))
    }
}

impl Spent {
    fn add(&self, node: &Node) -> Result<(), TemplateError> {
        let cost = cost(node);
        if self.0.fetch_add(cost, Ordering::Relaxed).saturating_add(cost) <= PRODUCED_MAX {
            return Ok(());
        }
        Err(TemplateError::at(
            node.line,
            "Template error: the functions of this template come to too many values",
        ))
    }
}

fn cost(node: &Node) -> usize {
    let children = node.items().iter().chain(node.entries().iter().map(|entry| &entry.node));
    1 + node.as_text().map_or(0, |text| text.len() / VALUE_BYTES) + children.map(cost).sum::<usize>()
}

/// What `Ref` and `Fn::GetAtt` of a resource answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Existing {
    /// `Ref`
    pub(crate) reference: String,
    /// `Fn::GetAtt`
    pub(crate) attributes: BTreeMap<String, String>,
}

/// Is this map an intrinsic function?
pub(crate) fn function(node: &Node) -> Option<(&str, &Node)> {
    node.only_entry().filter(|(name, _)| *name == "Ref" || *name == "Condition" || name.starts_with("Fn::"))
}

impl Facts {
    /// The value without any function; `None` where it is `AWS::NoValue`.
    pub(crate) fn evaluate(&self, node: &Node) -> Result<Option<Node>, TemplateError> {
        let line = node.line;
        // A policy's `Condition` block is a map; the function takes a name.
        if let Some((name, argument)) =
            function(node).filter(|(name, arg)| *name != "Condition" || !arg.is_map())
        {
            let value = self.call(name, argument, line)?;
            value.iter().try_for_each(|value| self.spent.add(value))?;
            return Ok(value);
        }
        let value = match &node.value {
            Value::List(items) => {
                let items: Result<Vec<_>, _> = items.iter().map(|item| self.evaluate(item)).collect();
                Value::List(items?.into_iter().flatten().collect())
            }
            Value::Map(entries) => {
                let mut evaluated = Node::map(line, []);
                for entry in entries {
                    if let Some(value) = self.evaluate(&entry.node)? {
                        evaluated.set(&entry.key, value);
                    }
                }
                evaluated.value
            }
            Value::Text(text) if text.contains("{{resolve:") => {
                // DIVERGES: dynamic references need services that are not there yet.
                return Err(TemplateError::at(line, "dynamic references ({{resolve:…}}) are not supported"));
            }
            other => other.clone(),
        };
        Ok(Some(Node { line, value }))
    }

    /// The text a value comes to.
    pub(crate) fn text(&self, node: &Node, what: &str) -> Result<String, TemplateError> {
        let value = self.evaluate(node)?;
        value
            .as_ref()
            .and_then(Node::scalar)
            .ok_or_else(|| TemplateError::at(node.line, format!("Template error: {what} must be text")))
    }

    fn call(&self, name: &str, argument: &Node, line: u32) -> Result<Option<Node>, TemplateError> {
        let value = match name {
            "Ref" => return self.reference(argument, line),
            "Condition" => Node::boolean(line, self.condition(&plain_name(argument, name)?, line)?),
            "Fn::GetAtt" => self.attribute(argument, line)?,
            "Fn::Sub" => Node::text(line, self.substitute(argument)?),
            "Fn::Join" => Node::text(line, self.join(argument)?),
            "Fn::Select" => self.select(argument)?,
            "Fn::Split" => self.split(argument)?,
            "Fn::If" => return self.branch(argument),
            "Fn::FindInMap" => self.find_in_map(argument)?,
            "Fn::Base64" => {
                Node::text(line, base64(self.text(argument, "the argument of Fn::Base64")?.as_bytes()))
            }
            "Fn::GetAZs" => self.zones(line),
            "Fn::And" | "Fn::Or" | "Fn::Not" | "Fn::Equals" => {
                let text = format!("Template error: {name} can only be used in Conditions");
                return Err(TemplateError::at(line, text));
            }
            other => {
                return Err(TemplateError::at(line, format!("Template error: {other} is not supported")));
            }
        };
        Ok(Some(value))
    }

    fn reference(&self, argument: &Node, line: u32) -> Result<Option<Node>, TemplateError> {
        let name = plain_name(argument, "Ref")?;
        if name == NO_VALUE {
            return Ok(None);
        }
        if let Some(value) = self.names.get(&name) {
            return Ok(Some(Node { line, value: value.value.clone() }));
        }
        let resource = self.resources.get(&name).ok_or_else(|| unresolved(&name, line))?;
        Ok(Some(Node::text(line, &resource.reference)))
    }

    fn attribute(&self, argument: &Node, line: u32) -> Result<Node, TemplateError> {
        let (resource, attribute) = attribute_names(argument, self)?;
        let existing = self.resources.get(&resource).ok_or_else(|| unresolved(&resource, line))?;
        let value = existing.attributes.get(&attribute).ok_or_else(|| {
            let text = format!("Requested attribute {attribute} of resource {resource} does not exist");
            TemplateError::at(line, text)
        })?;
        Ok(Node::text(line, value))
    }

    fn substitute(&self, argument: &Node) -> Result<String, TemplateError> {
        let (template, own) = substitute::arguments(argument)?;
        let mut text = String::new();
        for piece in pieces(template).map_err(|why| TemplateError::at(argument.line, why))? {
            match piece {
                Piece::Text(part) => text.push_str(&part),
                Piece::Name(name) => text.push_str(&self.variable(&name, own, argument.line)?),
            }
        }
        Ok(text)
    }

    fn variable(&self, name: &str, own: Option<&Node>, line: u32) -> Result<String, TemplateError> {
        let node = match (own.and_then(|own| own.get(name)), name.split_once('.')) {
            (Some(node), _) => node.clone(),
            (None, Some((resource, attribute))) => Node::attribute(line, resource, attribute),
            (None, None) => Node::reference(line, name),
        };
        self.text(&node, &format!("the value of ${{{name}}} in Fn::Sub"))
    }

    fn join(&self, argument: &Node) -> Result<String, TemplateError> {
        let [delimiter, list] = argument.items() else { return Err(malformed("Fn::Join", argument.line)) };
        let delimiter = self.text(delimiter, "the delimiter of Fn::Join")?;
        let list = self.evaluate(list)?.filter(Node::is_list);
        let list = list.ok_or_else(|| malformed("Fn::Join", argument.line))?;
        let parts: Result<Vec<String>, _> =
            list.items().iter().map(|item| self.text(item, "an element of Fn::Join")).collect();
        Ok(parts?.join(&delimiter))
    }

    fn select(&self, argument: &Node) -> Result<Node, TemplateError> {
        let [index, list] = argument.items() else { return Err(malformed("Fn::Select", argument.line)) };
        let index = self.text(index, "the index of Fn::Select")?;
        let list = self.evaluate(list)?.ok_or_else(|| malformed("Fn::Select", argument.line))?;
        let chosen = index.parse::<usize>().ok().and_then(|index| list.items().get(index));
        chosen.cloned().ok_or_else(|| {
            // AWS: this sentence.
            let text = format!("Template error: Fn::Select cannot select nonexistent value at index {index}");
            TemplateError::at(argument.line, text)
        })
    }

    fn split(&self, argument: &Node) -> Result<Node, TemplateError> {
        let [delimiter, text] = argument.items() else { return Err(malformed("Fn::Split", argument.line)) };
        let delimiter = self.text(delimiter, "the delimiter of Fn::Split")?;
        if delimiter.is_empty() {
            return Err(malformed("Fn::Split", argument.line));
        }
        let text = self.text(text, "the text of Fn::Split")?;
        let parts = text.split(delimiter.as_str()).map(|part| Node::text(argument.line, part));
        Ok(Node::list(argument.line, parts.collect()))
    }

    fn branch(&self, argument: &Node) -> Result<Option<Node>, TemplateError> {
        let [name, yes, no] = argument.items() else { return Err(malformed("Fn::If", argument.line)) };
        let holds = self.condition(&plain_name(name, "Fn::If")?, name.line)?;
        self.evaluate(if holds { yes } else { no })
    }

    fn condition(&self, name: &str, line: u32) -> Result<bool, TemplateError> {
        self.conditions.get(name).copied().ok_or_else(|| {
            TemplateError::at(line, format!("Template format error: Unresolved condition dependency {name}"))
        })
    }

    fn find_in_map(&self, argument: &Node) -> Result<Node, TemplateError> {
        let [map, first, second] = argument.items() else {
            return Err(malformed("Fn::FindInMap", argument.line));
        };
        let map = self.text(map, "the map's name in Fn::FindInMap")?;
        let first = self.text(first, "a key of Fn::FindInMap")?;
        let second = self.text(second, "a key of Fn::FindInMap")?;
        let found = self.mappings.as_ref().and_then(|all| all.get(&map)?.get(&first)?.get(&second));
        found.cloned().ok_or_else(|| {
            // AWS: "Template error: Unable to get mapping for Map::First::Second".
            let text = format!("Template error: Unable to get mapping for {map}::{first}::{second}");
            TemplateError::at(argument.line, text)
        })
    }

    /// One zone, `a`: there is one machine.
    fn zones(&self, line: u32) -> Node {
        let region = self.names.get("AWS::Region").and_then(Node::scalar).unwrap_or_default();
        Node::list(line, vec![Node::text(line, format!("{region}a"))])
    }
}

/// The `(resource, attribute)` of `Fn::GetAtt` in either spelling. The attribute may itself be computed from parameters.
fn attribute_names(argument: &Node, facts: &Facts) -> Result<(String, String), TemplateError> {
    let malformed = || {
        // AWS: this sentence.
        let text = "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute";
        TemplateError::at(argument.line, text)
    };
    if let Some((resource, attribute)) = argument.as_text().and_then(|text| text.split_once('.')) {
        return Ok((resource.to_owned(), attribute.to_owned()));
    }
    let [resource, attribute] = argument.items() else { return Err(malformed()) };
    let resource = resource.as_text().filter(|name| !name.is_empty()).ok_or_else(malformed)?;
    let attribute = facts.text(attribute, "the attribute of Fn::GetAtt")?;
    Ok((resource.to_owned(), attribute))
}

fn plain_name(node: &Node, function: &str) -> Result<String, TemplateError> {
    node.as_text().map(str::to_owned).ok_or_else(|| malformed(function, node.line))
}

fn malformed(function: &str, line: u32) -> TemplateError {
    TemplateError::at(line, format!("Template error: {function} is malformed"))
}

fn unresolved(name: &str, line: u32) -> TemplateError {
    // AWS: "Template format error: Unresolved resource dependencies [X] in the Resources block of the template".
    let text = format!(
        "Template format error: Unresolved resource dependencies [{name}] in the Resources block of the template"
    );
    TemplateError::at(line, text)
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::parse_value;

    fn facts() -> Facts {
        let resource = Existing {
            reference: "table-1".to_owned(),
            attributes: BTreeMap::from([("Arn".to_owned(), "arn:t".to_owned())]),
        };
        Facts {
            names: BTreeMap::from([
                ("Stage".to_owned(), Node::text(0, "dev")),
                ("AWS::Region".to_owned(), Node::text(0, "us-east-1")),
                ("Names".to_owned(), Node::list(0, vec![Node::text(0, "x"), Node::text(0, "y")])),
            ]),
            conditions: BTreeMap::from([("IsDev".to_owned(), true), ("IsProd".to_owned(), false)]),
            mappings: Some(parse_value("M: {dev: {size: 1}}").unwrap()),
            resources: BTreeMap::from([("Table".to_owned(), resource)]),
            ..Facts::default()
        }
    }

    fn value(text: &str) -> serde_json::Value {
        facts().evaluate(&parse_value(text).unwrap()).unwrap().unwrap().to_json()
    }

    fn refused(text: &str) -> String {
        facts().evaluate(&parse_value(text).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn functions_compute_what_they_should() {
        for (text, expected) in [
            ("a: !Ref Stage", "dev"),
            ("a: !Ref Table", "table-1"),
            ("a: !GetAtt Table.Arn", "arn:t"),
            ("a: {'Fn::GetAtt': Table.Arn}", "arn:t"),
            ("a: !Sub '${Table}-${Table.Arn}-${Stage}-${!x}-$'", "table-1-arn:t-dev-${x}-$"),
            ("a: !Sub ['${V}/${Stage}', {V: !Ref Table}]", "table-1/dev"),
            ("a: !Join ['-', [a, !Ref Stage]]", "a-dev"),
            ("a: !Join [',', !Ref Names]", "x,y"),
            ("a: !Select [1, !Split ['/', 'a/b']]", "b"),
            ("a: !If [IsDev, yes, no]", "yes"),
            ("a: !FindInMap [M, !Ref Stage, size]", "1"),
            ("a: !Base64 hi", "aGk="),
            ("a: !Select [0, !GetAZs '']", "us-east-1a"),
        ] {
            let result = value(text)["a"].clone();
            let result = result.as_str().map_or_else(|| result.to_string(), str::to_owned);
            assert_eq!(result, expected, "{text}");
        }
    }

    #[test]
    fn what_comes_to_too_much_is_refused() {
        let mut facts = facts();
        facts.names.insert("Long".to_owned(), Node::list(0, vec![Node::text(0, "x"); 4_000]));
        facts.names.insert("Text".to_owned(), Node::text(0, "x".repeat(4_096)));
        for repeated in
            ["!Ref Long", "!Sub '${Text}${Text}'", "!Join [',', !Ref Long]", "!Split ['x', !Ref Text]"]
        {
            let once = parse_value(&format!("a: [{repeated}]")).unwrap();
            assert!(facts.clone().evaluate(&once).is_ok(), "{repeated}");
            let often = parse_value(&format!("a: [{}]", vec![repeated; 5_000].join(","))).unwrap();
            let refused = facts.clone().evaluate(&often).unwrap_err().to_string();
            assert!(refused.contains("too many values"), "{repeated}: {refused}");
        }
    }

    #[test]
    fn no_value_removes_the_entry() {
        assert_eq!(
            value("a: !If [IsProd, 1, !Ref 'AWS::NoValue']\nb: [!Ref 'AWS::NoValue', 2]"),
            serde_json::json!({"b": [2]})
        );
    }

    #[test]
    fn policies_keep_their_condition_blocks() {
        let policy = "Statement:\n  - Condition: {StringEquals: {a: b}}\n";
        assert_eq!(value(policy)["Statement"][0]["Condition"]["StringEquals"]["a"], "b");
        assert_eq!(value("Condition: {StringEquals: {a: b}}")["Condition"]["StringEquals"]["a"], "b");
    }

    #[test]
    fn mistakes_are_refused_with_their_line() {
        assert_eq!(
            refused("a: 1\nb: !Ref Nobody"),
            "Template format error: Unresolved resource dependencies [Nobody] in the Resources block of the template (line 2)"
        );
        assert!(refused("a: !GetAtt Table.Nope").contains("Requested attribute Nope of resource Table"));
        assert!(refused("a: !Select [7, [a]]").contains("nonexistent value at index 7"));
        assert!(refused("a: !FindInMap [M, x, y]").contains("Unable to get mapping for M::x::y"));
        assert!(refused("a: !Sub '${'").contains("Fn::Sub"));
        assert!(refused("a: !ImportValue x").contains("Fn::ImportValue is not supported"));
        assert!(refused("a: !Equals [a, a]").contains("only be used in Conditions"));
        assert!(refused("a: !If [Nope, 1, 2]").contains("Unresolved condition dependency Nope"));
        assert!(refused("a: '{{resolve:ssm:x}}'").contains("dynamic references"));
        assert!(refused("a: !Join [a]").contains("Fn::Join is malformed"));
    }
}
