//! A template taken apart into its sections. Knows the sections and their rules; knows no resource type, evaluates nothing.

mod error;
mod json;
mod parameter;
mod value;
mod yaml;

use crate::api::Capability;

pub(crate) use error::TemplateError;
pub(crate) use parameter::{Given, Parameter, settle};
pub(crate) use value::{Node, Value};

/// AWS: quotas of CloudFormation: a `TemplateBody` has at most 51,200 bytes.
pub(crate) const TEMPLATE_BYTES_MAX: usize = 51_200;
/// AWS: quotas: 500 resources in a template.
const RESOURCES_MAX: usize = 500;
/// AWS: quotas: 200 outputs, 200 parameters, 200 mappings.
const SECTION_ENTRIES_MAX: usize = 200;
/// AWS: the only version there is.
const FORMAT_VERSION: &str = "2010-09-09";
/// The transform that SAM templates name.
pub(crate) const SAM_TRANSFORM: &str = "AWS::Serverless-2016-10-31";

/// A template.
#[derive(Debug, Clone, Default)]
pub(crate) struct Template {
    /// What it says of itself.
    pub(crate) description: Option<String>,
    /// Names of transforms.
    pub(crate) transforms: Vec<String>,
    /// SAM's `Globals`.
    pub(crate) globals: Option<Node>,
    /// Parameters.
    pub(crate) parameters: Vec<Parameter>,
    /// Mappings, as written.
    pub(crate) mappings: Option<Node>,
    /// Conditions by name.
    pub(crate) conditions: Vec<(String, Node)>,
    /// Resources in the order written.
    pub(crate) resources: Vec<Resource>,
    /// Outputs in the order written.
    pub(crate) outputs: Vec<Output>,
}

/// One resource.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Resource {
    /// Its name in the template.
    pub(crate) logical_id: String,
    /// Where it stands.
    pub(crate) line: u32,
    /// E.g. `AWS::DynamoDB::Table`.
    pub(crate) kind: String,
    /// Its properties; an empty map when it has none.
    pub(crate) properties: Node,
    /// Names in `DependsOn`.
    pub(crate) depends_on: Vec<String>,
    /// The condition under which it exists.
    pub(crate) condition: Option<String>,
    /// What happens to it when it leaves the stack.
    pub(crate) deletion: Deletion,
}

/// `DeletionPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) enum Deletion {
    /// It is deleted.
    #[default]
    Delete,
    /// It stays, and is no longer ours.
    Retain,
    /// It stays, unless the very operation that made it fails.
    RetainExceptOnCreate,
}

/// One output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    /// Its key.
    pub(crate) key: String,
    /// What it says of itself.
    pub(crate) description: Option<String>,
    /// Its value.
    pub(crate) value: Node,
    /// The condition under which it exists.
    pub(crate) condition: Option<String>,
}

impl Template {
    /// Reads a template's text.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        Self::of(&json::read(text)?)
    }

    fn of(root: &Node) -> Result<Self, TemplateError> {
        if !root.is_map() {
            return Err(TemplateError::at(root.line, "Template format error: unsupported structure."));
        }
        let mut template = Self::default();
        for entry in root.entries() {
            let node = &entry.node;
            match entry.key.as_str() {
                "AWSTemplateFormatVersion" => format_version(node)?,
                "Description" => template.description = Some(text_of(node, "Description")?),
                "Transform" => template.transforms = transforms(node)?,
                "Globals" => template.globals = Some(node.clone()),
                "Metadata" => {}
                "Parameters" => template.parameters = section(node, "Parameters", Parameter::of)?,
                "Mappings" => template.mappings = Some(node.clone()),
                "Conditions" => {
                    template.conditions =
                        section(node, "Conditions", |name, node, _| Ok((name.to_owned(), node.clone())))?;
                }
                "Resources" => template.resources = section(node, "Resources", Resource::of)?,
                "Outputs" => template.outputs = section(node, "Outputs", Output::of)?,
                other => {
                    let text =
                        format!("Template format error: Invalid template property or properties [{other}]");
                    return Err(TemplateError::at(entry.line, text));
                }
            }
        }
        template.limits(root)?;
        Ok(template)
    }

    fn limits(&self, root: &Node) -> Result<(), TemplateError> {
        if self.resources.is_empty() {
            let text = "Template format error: At least one Resources member must be defined.";
            return Err(TemplateError::at(root.line, text));
        }
        let counts = [
            ("resources", self.resources.len(), RESOURCES_MAX),
            ("outputs", self.outputs.len(), SECTION_ENTRIES_MAX),
            ("parameters", self.parameters.len(), SECTION_ENTRIES_MAX),
        ];
        for (what, count, limit) in counts {
            if count > limit {
                let text = format!(
                    "Template format error: Number of {what}, {count}, is greater than maximum allowed, {limit}"
                );
                return Err(TemplateError::at(root.line, text));
            }
        }
        let transform = self.transforms.iter().find(|name| *name != SAM_TRANSFORM);
        if let Some(name) = transform {
            return Err(TemplateError::at(root.line, format!("No transform named {name} found.")));
        }
        Ok(())
    }

    /// Does it name the SAM transform?
    pub(crate) fn is_sam(&self) -> bool {
        !self.transforms.is_empty()
    }

    /// Capabilities that it looks as if it needed. What transforms make is not known here.
    pub(crate) fn capabilities(&self) -> Vec<Capability> {
        let has_iam = self.resources.iter().any(|resource| resource.kind.starts_with("AWS::IAM::"));
        let iam = has_iam.then_some(Capability::CapabilityIam);
        iam.into_iter().chain(self.is_sam().then_some(Capability::CapabilityAutoExpand)).collect()
    }

    /// The resource called `logical_id`.
    pub(crate) fn resource(&self, logical_id: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.logical_id == logical_id)
    }
}

impl Resource {
    /// A resource made by a transform.
    pub(crate) fn made(logical_id: impl Into<String>, line: u32, kind: &str, properties: Node) -> Self {
        Self {
            logical_id: logical_id.into(),
            line,
            kind: kind.to_owned(),
            properties,
            depends_on: Vec::new(),
            condition: None,
            deletion: Deletion::Delete,
        }
    }

    fn of(logical_id: &str, node: &Node, line: u32) -> Result<Self, TemplateError> {
        Self::read(logical_id, node, line).map_err(|error| error.of(logical_id))
    }

    fn read(logical_id: &str, node: &Node, line: u32) -> Result<Self, TemplateError> {
        if logical_id.is_empty() || !logical_id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let text = format!("Template format error: Resource name {logical_id} is non alphanumeric.");
            return Err(TemplateError::at(line, text));
        }
        let mut resource = Self::made(logical_id, line, "", Node::map(line, []));
        for entry in node.entries() {
            let value = &entry.node;
            match entry.key.as_str() {
                "Type" => resource.kind = text_of(value, "Type")?,
                "Properties" if value.is_null() => {}
                "Properties" if value.is_map() => resource.properties = value.clone(),
                "DependsOn" => resource.depends_on = names(value)?,
                "Condition" => resource.condition = Some(text_of(value, "Condition")?),
                "DeletionPolicy" => resource.deletion = deletion(value)?,
                // Replaced resources follow the deletion policy; saying the same twice changes nothing.
                "UpdateReplacePolicy" => drop(deletion(value)?),
                "Metadata" => {}
                other => {
                    let text = format!("Template format error: Invalid template resource property '{other}'");
                    return Err(TemplateError::at(entry.line, text));
                }
            }
        }
        if resource.kind.is_empty() {
            let text = "Template format error: every Resources member must have a Type attribute.";
            return Err(TemplateError::at(line, text));
        }
        Ok(resource)
    }
}

impl Output {
    fn of(key: &str, node: &Node, line: u32) -> Result<Self, TemplateError> {
        let mut output =
            Self { key: key.to_owned(), description: None, value: Node::text(0, ""), condition: None };
        let mut has_value = false;
        for entry in node.entries() {
            match entry.key.as_str() {
                "Value" => {
                    output.value = entry.node.clone();
                    has_value = true;
                }
                "Description" => output.description = Some(text_of(&entry.node, "Description")?),
                "Condition" => output.condition = Some(text_of(&entry.node, "Condition")?),
                // DIVERGES: exports and ImportValue are not there yet; refusing is better than exporting nothing.
                other => {
                    let text = format!("Template format error: output {key}: {other} is not supported");
                    return Err(TemplateError::at(entry.line, text));
                }
            }
        }
        if !has_value {
            let text = format!("Template format error: output {key} must have a Value attribute.");
            return Err(TemplateError::at(line, text));
        }
        Ok(output)
    }
}

/// Reads a value alone, for tests.
#[cfg(test)]
pub(crate) fn parse_value(text: &str) -> Result<Node, TemplateError> {
    json::read(text)
}

/// Reads every entry of a section that must be a map.
fn section<T>(
    node: &Node,
    name: &str,
    read: impl Fn(&str, &Node, u32) -> Result<T, TemplateError>,
) -> Result<Vec<T>, TemplateError> {
    if !node.is_map() && !node.is_null() {
        let text = format!("Template format error: {name} must be an object.");
        return Err(TemplateError::at(node.line, text));
    }
    let entry_shape = |key: &str, line| {
        TemplateError::at(
            line,
            format!("Template format error: Any {name} member must be an object. ({key})"),
        )
    };
    node.entries()
        .iter()
        .map(|entry| {
            if !entry.node.is_map() {
                return Err(entry_shape(&entry.key, entry.line));
            }
            read(&entry.key, &entry.node, entry.line)
        })
        .collect()
}

fn format_version(node: &Node) -> Result<(), TemplateError> {
    match node.scalar().as_deref() {
        Some(FORMAT_VERSION) => Ok(()),
        _ => Err(TemplateError::at(
            node.line,
            format!("Template format error: the AWSTemplateFormatVersion must be {FORMAT_VERSION}."),
        )),
    }
}

fn transforms(node: &Node) -> Result<Vec<String>, TemplateError> {
    match &node.value {
        Value::Text(name) => Ok(vec![name.clone()]),
        Value::List(items) => items.iter().map(|item| text_of(item, "Transform")).collect(),
        _ => Err(TemplateError::at(node.line, "Template format error: Transform must be a name.")),
    }
}

fn names(node: &Node) -> Result<Vec<String>, TemplateError> {
    match &node.value {
        Value::Text(name) => Ok(vec![name.clone()]),
        Value::List(items) => items.iter().map(|item| text_of(item, "DependsOn")).collect(),
        _ => Err(TemplateError::at(
            node.line,
            "Template format error: DependsOn must be a name or a list of names.",
        )),
    }
}

fn deletion(node: &Node) -> Result<Deletion, TemplateError> {
    match node.as_text() {
        Some("Delete") => Ok(Deletion::Delete),
        Some("Retain") => Ok(Deletion::Retain),
        Some("RetainExceptOnCreate") => Ok(Deletion::RetainExceptOnCreate),
        _ => Err(TemplateError::at(
            node.line,
            "Template format error: the policy must be Delete, Retain or RetainExceptOnCreate",
        )),
    }
}

fn text_of(node: &Node, what: &str) -> Result<String, TemplateError> {
    node.scalar()
        .ok_or_else(|| TemplateError::at(node.line, format!("Template format error: {what} must be text.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Template::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn sections_are_found() {
        let template = Template::parse(
            "AWSTemplateFormatVersion: 2010-09-09\nDescription: d\nParameters:\n  P: {Type: String}\nResources:\n  A:\n    Type: AWS::Logs::LogGroup\n    DependsOn: B\n    DeletionPolicy: Retain\n  B:\n    Type: X\n    Properties:\n      N: 1\nOutputs:\n  O: {Value: !Ref A}\n",
        )
        .unwrap();
        assert_eq!(template.resources.len(), 2);
        assert_eq!(template.resource("A").unwrap().depends_on, ["B"]);
        assert_eq!(template.resource("A").unwrap().deletion, Deletion::Retain);
        assert_eq!(template.resource("B").unwrap().line, 10);
        assert_eq!(template.outputs[0].key, "O");
    }

    #[test]
    fn unknown_sections_and_attributes_are_refused_with_line() {
        assert_eq!(
            refused("Resources:\n  A: {Type: X}\nResource: {}\n"),
            "Template format error: Invalid template property or properties [Resource] (line 3)"
        );
        assert_eq!(
            refused("Resources:\n  A:\n    Type: X\n    Propertys: {}\n"),
            "Template format error: Invalid template resource property 'Propertys' (resource A, line 4)"
        );
        assert!(
            refused("Resources:\n  A: {Properties: {}}\n")
                .contains("must have a Type attribute. (resource A, line 2)")
        );
        assert!(refused("Resources:\n  A-B: {Type: X}\n").contains("non alphanumeric"));
        assert!(refused("Resources:\n  A: x\n").contains("must be an object"));
    }

    #[test]
    fn a_template_without_resources_is_refused() {
        assert!(refused("Description: x\n").contains("At least one Resources member must be defined."));
        assert!(refused("- a\n").contains("unsupported structure."));
        assert!(
            refused("AWSTemplateFormatVersion: '2011-01-01'\nResources:\n A: {Type: X}\n")
                .contains("2010-09-09")
        );
    }

    #[test]
    fn unknown_transforms_are_refused() {
        assert!(
            refused("Transform: Mine\nResources:\n A: {Type: X}\n")
                .contains("No transform named Mine found.")
        );
        assert!(
            Template::parse("Transform: AWS::Serverless-2016-10-31\nResources:\n A: {Type: X}\n")
                .unwrap()
                .is_sam()
        );
    }

    #[test]
    fn exports_are_refused_rather_than_ignored() {
        let text = "Resources:\n  A: {Type: X}\nOutputs:\n  O:\n    Value: x\n    Export: {Name: n}\n";
        assert!(refused(text).contains("output O: Export is not supported (line 6)"));
    }
}
