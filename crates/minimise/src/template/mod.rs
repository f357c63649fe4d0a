//! The policies of one role put into the template that made it: a textual edit of that one property, everything else
//! byte for byte as it was. What cannot be edited safely is refused with the reason. The result is read back: a text that
//! says anything else than it should, anywhere, is not handed out.

mod edit;
mod tree;
mod unified;

use std::fmt;

use serde_json::Value;

use self::{
    edit::{Change, Edits},
    tree::{Kind, Node},
};
use crate::{
    document::Document,
    sam::{self, Place, Shape},
};

pub use unified::unified;

/// Why a template is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotEdited(pub(crate) String);

impl fmt::Display for NotEdited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotEdited {}

/// The role that is meant.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// What the stack calls it: the name of a role in the template, or that of a function followed by `Role`. The function's
    /// own name does as well.
    pub logical_id: &'a str,
    /// What IAM calls it.
    pub name: &'a str,
}

/// A template with other policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The whole text.
    pub text: String,
    /// Whose policies they are. SAM gives the role of a function others beside them.
    pub shape: Shape,
}

/// The template with these policies as all that it says the role has.
pub fn rewrite(
    text: &str,
    target: Target<'_>,
    documents: &[Document],
    place: &Place,
) -> Result<Rewritten, NotEdited> {
    let root = tree::parse(text)?;
    let Found { path, shape } = find(&root, target)?;
    check_alone(&root, target)?;
    let place = known(place, &root);
    let mut changes = vec![Change { key: "Policies", value: sam::tree(documents, &place, shape)? }];
    if shape == Shape::Role && within(&root, &path)?.get("ManagedPolicyArns").is_some() {
        changes.push(Change { key: "ManagedPolicyArns", value: Value::Array(Vec::new()) });
    }
    let mut edits = Edits::new(text, &root, &path)?;
    for change in &changes {
        edits.set(change)?;
    }
    let new = edits.applied();
    check_result(&root, &tree::parse(&new)?, &path, &changes)?;
    Ok(Rewritten { text: new, shape })
}

/// Without tables that this template does not have: it may be newer than what is deployed.
fn known(place: &Place, root: &Node) -> Place {
    const TABLES: [&str; 2] = ["AWS::DynamoDB::Table", "AWS::Serverless::SimpleTable"];
    let kind = |id: &str| root.get("Resources")?.get(id)?.get("Type")?.text();
    let mut place = place.clone();
    place.resources.retain(|_, id| kind(id).is_some_and(|kind| TABLES.contains(&kind)));
    place
}

struct Found<'a> {
    /// The keys down to the properties.
    path: [&'a str; 3],
    shape: Shape,
}

fn find<'a>(root: &Node, target: Target<'a>) -> Result<Found<'a>, NotEdited> {
    let resources =
        root.get("Resources").ok_or_else(|| NotEdited("the template has no Resources".to_owned()))?;
    let of_type = |id: &str, kind: &str| {
        resources.get(id).and_then(|found| found.get("Type")).and_then(Node::text) == Some(kind)
    };
    let id = target.logical_id;
    if of_type(id, "AWS::IAM::Role") {
        return Ok(Found { path: ["Resources", id, "Properties"], shape: Shape::Role });
    }
    let is_function = |id: &&str| of_type(id, "AWS::Serverless::Function");
    if let Some(function) = id.strip_suffix("Role").filter(is_function).or(Some(id).filter(is_function)) {
        let path = ["Resources", function, "Properties"];
        if within(root, &path)?.get("Role").is_some() {
            return Err(NotEdited(format!(
                "{function} has a Role of its own: the template does not make {id}"
            )));
        }
        return Ok(Found { path, shape: Shape::Function });
    }
    let text = format!("the template has neither a role {id} nor a function whose role is called so");
    Err(NotEdited(text))
}

/// The value at the end of a path.
fn within<'a>(root: &'a Node, path: &[&str]) -> Result<&'a Node, NotEdited> {
    path.iter().try_fold(root, |node, key| {
        node.get(key).ok_or_else(|| {
            NotEdited(format!("{} is not written out in the template as a map", path.join(".")))
        })
    })
}

/// Refuses a role that gets policies from elsewhere in the template as well: they would stay.
fn check_alone(root: &Node, target: Target<'_>) -> Result<(), NotEdited> {
    const OTHERS: [&str; 3] = ["AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::RolePolicy"];
    let Some(resources) = root.get("Resources") else { return Ok(()) };
    let Kind::Map(each, _) = &resources.kind else { return Ok(()) };
    for (name, resource) in each {
        let kind = resource.get("Type").and_then(Node::text).unwrap_or_default();
        if hides(name, resource) {
            let text = format!(
                "whether the role gets policies from {} too cannot be told; they are not changed here",
                name.text().unwrap_or("a resource")
            );
            return Err(NotEdited(text));
        }
        if !OTHERS.contains(&kind) {
            continue;
        }
        let properties = resource.get("Properties");
        let holders = ["Roles", "RoleName"].iter().filter_map(|key| properties?.get(key));
        if properties.is_some_and(|node| matches!(node.kind, Kind::Alias(..)))
            || holders.into_iter().any(|node| may_mean(node, target, resources))
        {
            let text = format!(
                "the role gets policies from {} ({kind}) too, or that cannot be told; they are not changed here",
                name.text().unwrap_or_default()
            );
            return Err(NotEdited(text));
        }
    }
    Ok(())
}

/// Is this a resource, or several, of which the template does not say here what it is, or one that gives policies to the roles
/// of what it connects?
fn hides(name: &Node, resource: &Node) -> bool {
    let alias = |node: &Node| matches!(node.kind, Kind::Alias(..));
    // AWS: SAM developer guide, AWS::Serverless::Connector and "Embedded connectors": policies for roles of both ends.
    let connects = resource.get("Connectors").is_some()
        || resource.get("Type").and_then(Node::text) == Some("AWS::Serverless::Connector");
    name.text().is_none_or(|name| name == "<<" || name.starts_with("Fn::"))
        || [Some(resource), resource.get("Type")].into_iter().flatten().any(alias)
        || resource.get("<<").is_some()
        || connects
}

/// Might one of these be the role? A reference to another resource and a plain text of another name are not; one to a
/// parameter may be.
fn may_mean(node: &Node, target: Target<'_>, resources: &Node) -> bool {
    let known = |name: Option<&str>| name.is_some_and(|name| resources.get(name).is_some());
    let mut may = false;
    node.walk(&mut |inside| {
        may |= match inside.tag.as_deref() {
            Some("!Ref") => !known(inside.text()),
            Some(_) => true,
            None => inside.get("Ref").is_some_and(|name| !known(name.text())),
        };
        may |= matches!(inside.kind, Kind::Alias(..));
        if let Some(text) = inside.text() {
            may |= text == target.logical_id || text == target.name || text.starts_with("Fn::");
        }
    });
    may
}

/// Everything but the changed properties must say what it said, and they what they should.
fn check_result(old: &Node, new: &Node, path: &[&str], changes: &[Change]) -> Result<(), NotEdited> {
    let failed = || NotEdited("the property is written in a way that cannot be edited safely".to_owned());
    for change in changes {
        let made = within(new, path)?.get(change.key).ok_or_else(failed)?;
        if made.meaning() != change.value {
            return Err(failed());
        }
    }
    let rest = |root: &Node| {
        let mut outline = root.outline();
        without(&mut outline, path, changes);
        outline
    };
    if rest(old) == rest(new) { Ok(()) } else { Err(failed()) }
}

/// Removes the changed properties from an outline.
fn without(outline: &mut Value, path: &[&str], changes: &[Change]) {
    let Some(entries) = outline.as_array_mut() else { return };
    let is = |entry: &Value, key: &str| entry.pointer("/key/text").and_then(Value::as_str) == Some(key);
    match path {
        [] => entries.retain(|entry| !changes.iter().any(|change| is(entry, change.key))),
        [first, rest @ ..] => {
            for entry in entries.iter_mut().filter(|entry| is(entry, first)) {
                if let Some(value) = entry.get_mut("value") {
                    without(value, rest, changes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
