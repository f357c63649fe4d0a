//! Finds what a value refers to, without evaluating it.

use std::collections::BTreeMap;

use super::{Piece, function, pieces, substitute};
use crate::template::{Node, TemplateError, Value};

/// Something a value refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Where.
    pub(crate) line: u32,
    /// What.
    pub(crate) target: Target,
    /// Is it in the branch that its conditions choose?
    pub(crate) live: bool,
}

/// What is referred to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A parameter, pseudo parameter or resource.
    Name(String),
    /// An attribute of a resource.
    Attribute(String, String),
}

/// Everything `node` refers to.
pub(crate) fn references(
    node: &Node,
    conditions: &BTreeMap<String, bool>,
) -> Result<Vec<Reference>, TemplateError> {
    let mut finder = Finder { conditions, found: Vec::new() };
    finder.walk(node, true)?;
    Ok(finder.found)
}

struct Finder<'a> {
    conditions: &'a BTreeMap<String, bool>,
    found: Vec<Reference>,
}

impl Finder<'_> {
    fn walk(&mut self, node: &Node, live: bool) -> Result<(), TemplateError> {
        match function(node) {
            Some(("Ref", name)) => {
                let name = name.as_text().unwrap_or_default().to_owned();
                self.note(node.line, Target::Name(name), live);
                Ok(())
            }
            Some(("Fn::GetAtt", argument)) => self.attribute(argument, live),
            Some(("Fn::Sub", argument)) => self.substitution(argument, live),
            Some(("Fn::If", argument)) => {
                let [name, yes, no] = argument.items() else { return self.children(argument, live) };
                let holds = name.as_text().and_then(|name| self.conditions.get(name)).copied();
                self.walk(yes, live && holds != Some(false))?;
                self.walk(no, live && holds != Some(true))
            }
            _ => self.children(node, live),
        }
    }

    fn children(&mut self, node: &Node, live: bool) -> Result<(), TemplateError> {
        match &node.value {
            Value::List(items) => items.iter().try_for_each(|item| self.walk(item, live)),
            Value::Map(entries) => entries.iter().try_for_each(|entry| self.walk(&entry.node, live)),
            _ => Ok(()),
        }
    }

    fn attribute(&mut self, argument: &Node, live: bool) -> Result<(), TemplateError> {
        let text = argument.as_text().and_then(|text| text.split_once('.'));
        let (resource, attribute) = match (text, argument.items()) {
            (Some((resource, attribute)), _) => (resource, attribute),
            (None, [resource, attribute]) => {
                self.walk(attribute, live)?;
                (resource.as_text().unwrap_or_default(), attribute.as_text().unwrap_or_default())
            }
            _ => ("", ""),
        };
        let target = Target::Attribute(resource.to_owned(), attribute.to_owned());
        self.note(argument.line, target, live);
        Ok(())
    }

    fn substitution(&mut self, argument: &Node, live: bool) -> Result<(), TemplateError> {
        let (text, own) = substitute::arguments(argument)?;
        if let Some(own) = own {
            self.children(own, live)?;
        }
        for piece in pieces(text).map_err(|why| TemplateError::at(argument.line, why))? {
            let Piece::Name(name) = piece else { continue };
            if own.is_some_and(|own| own.get(&name).is_some()) {
                continue;
            }
            let target = match name.split_once('.') {
                Some((resource, attribute)) => Target::Attribute(resource.to_owned(), attribute.to_owned()),
                None => Target::Name(name),
            };
            self.note(argument.line, target, live);
        }
        Ok(())
    }

    fn note(&mut self, line: u32, target: Target, live: bool) {
        self.found.push(Reference { line, target, live });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::parse_value;

    #[test]
    fn references_are_found_everywhere() {
        let node = parse_value(
            "a: !Ref A\nb: [!GetAtt B.Arn, !Sub '${C}${D.X}${!E}${F}']\nc: !Sub ['${V}', {V: !Ref G}]\n",
        )
        .unwrap();
        let found: Vec<String> = references(&node, &BTreeMap::new())
            .unwrap()
            .into_iter()
            .map(|reference| match reference.target {
                Target::Name(name) => name,
                Target::Attribute(resource, attribute) => format!("{resource}.{attribute}"),
            })
            .collect();
        assert_eq!(found, ["A", "B.Arn", "C", "D.X", "F", "G"]);
    }

    #[test]
    fn the_branch_not_taken_is_not_live() {
        let node = parse_value("a: !If [C, !Ref A, !Ref B]").unwrap();
        let found = references(&node, &BTreeMap::from([("C".to_owned(), true)])).unwrap();
        assert_eq!(found.iter().map(|reference| reference.live).collect::<Vec<_>>(), [true, false]);
    }
}
