//! Which shapes a set of operations reaches, and what each is called in Rust.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{MemberRef, Model, ShapeRef, strings, text_at};
use crate::names;

/// The reachable part of a model.
#[derive(Debug)]
pub(crate) struct Reach<'a> {
    /// Every reachable shape, by name.
    pub(crate) shapes: BTreeMap<&'a str, ShapeRef<'a>>,
    /// Error shapes, by name.
    pub(crate) errors: BTreeMap<&'a str, ShapeRef<'a>>,
    /// Rust types that are other names of a shape's type: inputs and outputs that several operations share.
    pub(crate) aliases: Vec<(String, &'a str)>,
    types: BTreeMap<&'a str, String>,
    statics: BTreeMap<&'a str, String>,
}

impl<'a> Reach<'a> {
    /// Follows the operations' inputs, outputs and errors.
    pub(crate) fn of(model: &'a Model, ops: &[String]) -> Result<Self, String> {
        let mut reach = Self {
            shapes: BTreeMap::new(),
            errors: BTreeMap::new(),
            aliases: Vec::new(),
            types: BTreeMap::new(),
            statics: BTreeMap::new(),
        };
        for op in ops {
            let operation = model.operation(op)?;
            for part in ["input", "output"] {
                let name = text_at(operation, &format!("/{part}/shape"));
                reach.visit(model, name).map_err(|why| format!("{op}: {why}"))?;
            }
            for name in strings(operation.get("errors")) {
                reach.visit(model, name).map_err(|why| format!("{op}: {why}"))?;
                let shape = model.shape(name)?;
                reach.errors.insert(shape.name, shape);
            }
        }
        reach.name_all(model, ops)?;
        Ok(reach)
    }

    fn visit(&mut self, model: &'a Model, name: &str) -> Result<(), String> {
        let shape = model.shape(name)?;
        if shape.is("eventstream") || shape.is("event") {
            return Err(format!("{name} is an event stream, which no codec here speaks"));
        }
        if shape.is("document") {
            return Err(format!("{name} is an untyped document, which the schemas cannot describe"));
        }
        if self.shapes.insert(shape.name, shape).is_none() {
            for part in shape.parts() {
                self.visit(model, part)?;
            }
        }
        Ok(())
    }

    /// Names types and statics so that no two collide, whatever set of operations is implemented.
    fn name_all(&mut self, model: &'a Model, ops: &[String]) -> Result<(), String> {
        let all_ops: BTreeSet<&str> = model.operations().collect();
        let uses = uses(model)?;
        for op in ops {
            let operation = model.operation(op)?;
            for (part, suffix) in [("input", "Input"), ("output", "Output")] {
                let shape = model.shape(text_at(operation, &format!("/{part}/shape")))?;
                let name = format!("{op}{suffix}");
                if uses.get(shape.name).copied().unwrap_or_default() == 1 {
                    self.types.insert(shape.name, name);
                } else {
                    self.aliases.push((name, shape.name));
                }
            }
        }
        let mut taken: BTreeSet<String> = self.types.values().cloned().collect();
        let mut statics = BTreeSet::new();
        for name in self.shapes.keys().copied() {
            self.statics.insert(name, unique(names::screaming(name), "_SHAPE", &mut statics));
            if !self.types.contains_key(name) {
                let mut type_name = names::type_name(name);
                if all_ops.contains(type_name.as_str())
                    || self.aliases.iter().any(|(alias, _)| *alias == type_name)
                {
                    type_name.push_str("Shape");
                }
                let typed = self.shapes.get(name).is_some_and(|shape| is_typed(*shape));
                let type_name = if typed { unique(type_name, "Shape", &mut taken) } else { type_name };
                self.types.insert(name, type_name);
            }
        }
        Ok(())
    }

    /// The Rust name of a structure or enum.
    pub(crate) fn type_of(&self, name: &str) -> &str {
        self.types.get(name).map_or("Unreachable", String::as_str)
    }

    /// The name of a shape's static in `mod schema`.
    pub(crate) fn static_of(&self, name: &str) -> &str {
        self.statics.get(name).map_or("UNREACHABLE", String::as_str)
    }

    /// The reachable shape called `name`.
    pub(crate) fn shape(&self, name: &str) -> Result<ShapeRef<'a>, String> {
        self.shapes.get(name).copied().ok_or_else(|| format!("{name} is not reachable"))
    }

    /// Would the structure contain itself through this member without a list or map between?
    pub(crate) fn is_recursive(&self, owner: &str, member: &MemberRef<'_>) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![member.shape()];
        while let Some(name) = open.pop() {
            if name == owner {
                return true;
            }
            let shape = self.shapes.get(name).filter(|shape| shape.kind() == "structure");
            if let (true, Some(shape)) = (seen.insert(name), shape) {
                open.extend(shape.members().iter().map(MemberRef::shape));
            }
        }
        false
    }
}

/// Does the shape get a Rust type of its own?
pub(crate) fn is_typed(shape: ShapeRef<'_>) -> bool {
    shape.kind() == "structure" || !shape.values().is_empty()
}

/// How often each shape is used as an input, an output, or a part of another shape, in the whole model.
fn uses(model: &Model) -> Result<BTreeMap<&str, usize>, String> {
    let mut uses = BTreeMap::new();
    for op in model.operations() {
        let operation = model.operation(op)?;
        for pointer in ["/input/shape", "/output/shape"] {
            *uses.entry(model.shape(text_at(operation, pointer))?.name).or_default() += 1;
        }
    }
    for shape in model.shapes() {
        for part in shape.parts() {
            *uses.entry(part).or_default() += 1;
        }
    }
    Ok(uses)
}

fn unique(mut name: String, suffix: &str, taken: &mut BTreeSet<String>) -> String {
    while !taken.insert(name.clone()) {
        name.push_str(suffix);
    }
    name
}
