//! One service model, as `models/<service>.json` has it. Knows the file's form; decides nothing about Rust.

use serde_json::{Map, Value, json};

/// Enums whose values an installation may add to.
// Lambda's runtimes: an operator adds some of his own.
const OPEN_ENUMS: &[&str] = &["Runtime"];

/// A parsed model.
#[derive(Debug)]
pub(crate) struct Model {
    /// The service's folder name.
    pub(crate) service: String,
    tree: Value,
}

/// A shape with its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShapeRef<'a> {
    /// Name in the model.
    pub(crate) name: &'a str,
    body: &'a Value,
}

/// A member of a structure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MemberRef<'a> {
    /// Name in the model.
    pub(crate) name: &'a str,
    body: &'a Value,
    /// Is it in the structure's list of required members?
    pub(crate) required: bool,
}

impl Model {
    /// Reads a model; operations without input or output get an empty structure.
    pub(crate) fn parse(service: &str, text: &str) -> Result<Self, String> {
        let mut tree: Value =
            serde_json::from_str(text).map_err(|error| format!("models/{service}.json: {error}"))?;
        let mut empty = Map::new();
        for (name, operation) in object_mut(&mut tree, "operations")? {
            for (part, suffix) in [("input", "Input"), ("output", "Output")] {
                if operation.get(part).is_none()
                    && let Some(operation) = operation.as_object_mut()
                {
                    let shape = format!("{name}{suffix}");
                    operation.insert(part.to_owned(), json!({ "shape": shape.clone() }));
                    empty.insert(shape, json!({"type": "structure", "members": {}}));
                }
            }
        }
        cut_streamed_answers(&mut tree)?;
        let shapes = object_mut(&mut tree, "shapes")?;
        for (name, shape) in empty {
            if shapes.contains_key(&name) {
                return Err(format!("models/{service}.json: {name} is taken by a shape"));
            }
            shapes.insert(name, shape);
        }
        Ok(Self { service: service.to_owned(), tree })
    }

    /// A text of the metadata; empty when there is none.
    pub(crate) fn metadata(&self, name: &str) -> &str {
        text(self.tree.get("metadata").and_then(|metadata| metadata.get(name)))
    }

    /// Names of all operations.
    pub(crate) fn operations(&self) -> impl Iterator<Item = &str> {
        self.tree
            .get("operations")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
    }

    /// The operation called `name`.
    pub(crate) fn operation(&self, name: &str) -> Result<&Value, String> {
        let found = self.tree.get("operations").and_then(|operations| operations.get(name));
        found.ok_or_else(|| format!("{} has no operation {name}", self.service))
    }

    /// The shape called `name`.
    pub(crate) fn shape<'a>(&'a self, name: &str) -> Result<ShapeRef<'a>, String> {
        let shapes = self.tree.get("shapes").and_then(Value::as_object);
        let found = shapes.and_then(|shapes| shapes.get_key_value(name));
        found
            .map(|(name, body)| ShapeRef { name, body })
            .ok_or_else(|| format!("{} has no shape {name}", self.service))
    }

    /// All shapes.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = ShapeRef<'_>> {
        let shapes = self.tree.get("shapes").and_then(Value::as_object).into_iter().flatten();
        shapes.map(|(name, body)| ShapeRef { name, body })
    }
}

impl<'a> ShapeRef<'a> {
    /// `structure`, `list`, `string` …
    pub(crate) fn kind(&self) -> &'a str {
        text(self.body.get("type"))
    }

    /// Members in the model's order.
    pub(crate) fn members(&self) -> Vec<MemberRef<'a>> {
        let required: Vec<&str> = strings(self.body.get("required"));
        let members = self.body.get("members").and_then(Value::as_object).into_iter().flatten();
        members
            .map(|(name, body)| MemberRef { name, body, required: required.contains(&name.as_str()) })
            .collect()
    }

    /// Name of the shape of a list's `member`, or of a map's `key` or `value`.
    pub(crate) fn part(&self, part: &str) -> &'a str {
        text(self.body.get(part).and_then(|part| part.get("shape")))
    }

    /// Names of all shapes it is made of.
    pub(crate) fn parts(&self) -> Vec<&'a str> {
        let mut parts: Vec<&str> = self.members().iter().map(MemberRef::shape).collect();
        parts.extend(
            ["member", "key", "value"].map(|part| self.part(part)).iter().filter(|name| !name.is_empty()),
        );
        parts
    }

    /// The values of an enum; empty for anything else.
    pub(crate) fn values(&self) -> Vec<&'a str> {
        if self.is_open() { Vec::new() } else { self.listed() }
    }

    /// The values that the model lists, also where more are legal.
    pub(crate) fn listed(&self) -> Vec<&'a str> {
        strings(self.body.get("enum"))
    }

    /// Are there legal values beyond those of the model? Such an enum is a text, which the service checks itself.
    pub(crate) fn is_open(&self) -> bool {
        OPEN_ENUMS.contains(&self.name)
    }

    /// Is the trait set?
    pub(crate) fn is(&self, name: &str) -> bool {
        self.body.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A text; empty when absent.
    pub(crate) fn text(&self, name: &str) -> &'a str {
        text(self.body.get(name))
    }

    /// A number, e.g. `min`.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.body.get(name).and_then(Value::as_f64)
    }

    /// Name of list elements on the wire.
    pub(crate) fn element_name(&self) -> &'a str {
        text(self.body.get("member").and_then(|member| member.get("locationName")))
    }

    /// Code on the wire and HTTP status of an error.
    pub(crate) fn error(&self) -> (&'a str, u64) {
        let error = self.body.get("error");
        let code = text(error.and_then(|error| error.get("code")));
        let status = error.and_then(|error| error.get("httpStatusCode")).and_then(Value::as_u64);
        let default = if self.is("fault") { 500 } else { 400 };
        (if code.is_empty() { self.name } else { code }, status.unwrap_or(default))
    }
}

impl<'a> MemberRef<'a> {
    /// Name of its shape.
    pub(crate) fn shape(&self) -> &'a str {
        text(self.body.get("shape"))
    }

    /// A text; empty when absent.
    pub(crate) fn text(&self, name: &str) -> &'a str {
        text(self.body.get(name))
    }
}

/// Leaves event streams out of outputs: they are no part of a document, an operation sends their events as a body of its
/// own.
fn cut_streamed_answers(tree: &mut Value) -> Result<(), String> {
    let outputs: Vec<String> = object_mut(tree, "operations")?
        .values()
        .map(|operation| text_at(operation, "/output/shape").to_owned())
        .collect();
    let shapes = object_mut(tree, "shapes")?;
    let streams: Vec<String> = shapes
        .iter()
        .filter(|(_, shape)| shape.get("eventstream").and_then(Value::as_bool).unwrap_or_default())
        .map(|(name, _)| name.clone())
        .collect();
    for output in outputs {
        let Some(shape) = shapes.get_mut(&output).and_then(Value::as_object_mut) else { continue };
        let Some(members) = shape.get_mut("members").and_then(Value::as_object_mut) else { continue };
        let streamed =
            members.iter().find(|(_, member)| streams.iter().any(|name| name == text_at(member, "/shape")));
        let Some(name) = streamed.map(|(name, _)| name.clone()) else { continue };
        members.remove(&name);
        if text(shape.get("payload")) == name {
            shape.remove("payload");
        }
    }
    Ok(())
}

/// The text at a path of an operation; empty when absent.
pub(crate) fn text_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    text(value.pointer(pointer))
}

/// A list of texts.
pub(crate) fn strings(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

fn object_mut<'a>(tree: &'a mut Value, name: &str) -> Result<&'a mut Map<String, Value>, String> {
    tree.get_mut(name).and_then(Value::as_object_mut).ok_or_else(|| format!("the model has no {name}"))
}
