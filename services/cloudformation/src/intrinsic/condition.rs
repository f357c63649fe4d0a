//! Conditions: truth values settled once per operation, from parameters alone.

use std::collections::BTreeMap;

use super::{Facts, function, malformed};
use crate::template::{Node, TemplateError};

/// How deep conditions may lie in each other, by nesting and by name together. Ours: they are settled by recursion, and
/// a stack that overflows ends the whole server.
const DEPTH_MAX: usize = 64;

/// Settles every condition.
pub(crate) fn settle_conditions(
    declared: &[(String, Node)],
    facts: &Facts,
) -> Result<BTreeMap<String, bool>, TemplateError> {
    let mut settling = Settling { declared, facts, settled: BTreeMap::new(), open: Vec::new(), depth: 0 };
    for (name, node) in declared {
        settling.named(name, node.line)?;
    }
    Ok(settling.settled)
}

struct Settling<'a> {
    declared: &'a [(String, Node)],
    facts: &'a Facts,
    settled: BTreeMap<String, bool>,
    open: Vec<String>,
    depth: usize,
}

impl Settling<'_> {
    fn named(&mut self, name: &str, line: u32) -> Result<bool, TemplateError> {
        if let Some(known) = self.settled.get(name) {
            return Ok(*known);
        }
        let declared = self.declared;
        let Some((_, node)) = declared.iter().find(|(known, _)| known == name) else {
            let text = format!(
                "Template format error: Unresolved condition dependency {name} in the Conditions block of the template"
            );
            return Err(TemplateError::at(line, text));
        };
        if self.open.iter().any(|open| open == name) {
            let text = format!("Template error: circular condition dependency: [{}]", self.open.join(", "));
            return Err(TemplateError::at(line, text));
        }
        self.open.push(name.to_owned());
        let value = self.value(node)?;
        self.open.pop();
        self.settled.insert(name.to_owned(), value);
        Ok(value)
    }

    fn value(&mut self, node: &Node) -> Result<bool, TemplateError> {
        if self.depth >= DEPTH_MAX {
            let text =
                format!("Template format error: conditions lie more than {DEPTH_MAX} deep in each other");
            return Err(TemplateError::at(node.line, text));
        }
        self.depth += 1;
        let value = self.value_within(node);
        self.depth -= 1;
        value
    }

    fn value_within(&mut self, node: &Node) -> Result<bool, TemplateError> {
        let not_one = || {
            let text = "Template format error: a condition must be one of Fn::And, Fn::Or, Fn::Not, Fn::Equals, Condition";
            TemplateError::at(node.line, text)
        };
        let (name, argument) = function(node).ok_or_else(not_one)?;
        match name {
            "Condition" => {
                let name = argument.as_text().ok_or_else(|| malformed(name, node.line))?;
                self.named(name, node.line)
            }
            "Fn::Equals" => {
                let [a, b] = argument.items() else { return Err(malformed(name, node.line)) };
                let (a, b) = (self.facts.evaluate(a)?, self.facts.evaluate(b)?);
                // Scalars are compared by spelling: a parameter's "1" equals the number 1.
                let spelling = |node: &Option<Node>| node.as_ref().and_then(Node::scalar);
                Ok(if spelling(&a).is_some() { spelling(&a) == spelling(&b) } else { a == b })
            }
            "Fn::Not" => {
                let [inner] = argument.items() else { return Err(malformed(name, node.line)) };
                Ok(!self.value(inner)?)
            }
            // AWS: two to ten conditions.
            "Fn::And" | "Fn::Or" if (2..=10).contains(&argument.items().len()) => {
                let values: Result<Vec<bool>, _> =
                    argument.items().iter().map(|item| self.value(item)).collect();
                let values = values?;
                Ok(if name == "Fn::And" { values.iter().all(|v| *v) } else { values.iter().any(|v| *v) })
            }
            "Fn::And" | "Fn::Or" => Err(malformed(name, node.line)),
            _ => Err(not_one()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::parse_value;

    fn settled(text: &str) -> Result<BTreeMap<String, bool>, String> {
        let node = parse_value(text).unwrap();
        let declared: Vec<_> = node.entries().iter().map(|e| (e.key.clone(), e.node.clone())).collect();
        let facts =
            Facts { names: BTreeMap::from([("P".to_owned(), Node::text(0, "1"))]), ..Facts::default() };
        settle_conditions(&declared, &facts).map_err(|error| error.to_string())
    }

    #[test]
    fn conditions_may_use_each_other_in_any_order() {
        let all = settled("A: !Not [!Condition B]\nB: !Equals [!Ref P, 1]\nC: !Or [!Condition A, !Condition B]\nD: !And [!Condition A, !Condition B]").unwrap();
        assert_eq!(all.values().copied().collect::<Vec<_>>(), [false, true, true, false]);
    }

    #[test]
    fn long_chains_are_refused_before_the_stack_ends() {
        let chain = |length: usize| {
            let links: Vec<String> =
                (0..length).map(|at| format!("C{at}: !Not [!Condition C{}]\n", at + 1)).collect();
            let links = links.concat();
            settled(&format!("{links}C{length}: !Equals [a, a]\n"))
        };
        assert_eq!(chain(20).unwrap().len(), 21);
        assert!(chain(1_500).unwrap_err().contains("more than 64 deep"));
        let nested = |depth: usize| {
            format!("A: {}{{'Fn::Equals': [a, a]}}{}", "{'Fn::Not': [".repeat(depth), "]}".repeat(depth))
        };
        assert!(settled(&nested(20)).unwrap()["A"]);
    }

    #[test]
    fn cycles_and_unknown_names_are_refused() {
        assert!(settled("A: !Not [!Condition B]\nB: !Not [!Condition A]").unwrap_err().contains("circular"));
        assert!(settled("A: !Condition Z").unwrap_err().contains("Unresolved condition dependency Z"));
        assert!(settled("A: !Sub x").unwrap_err().contains("must be one of"));
        assert!(settled("A: !Or [!Equals [1, 1]]").unwrap_err().contains("malformed"));
    }
}
