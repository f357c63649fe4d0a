//! Writes one Rust type per reachable structure and enum.

use std::{collections::BTreeSet, fmt::Write};

use super::{
    model::ShapeRef,
    reach::{Reach, is_typed},
};
use crate::names;

/// All types and aliases. Errors are written elsewhere.
pub(crate) fn all(reach: &Reach<'_>) -> Result<String, String> {
    let mut out = String::new();
    for (alias, shape) in &reach.aliases {
        let _ = writeln!(out, "/// `{shape}`.\npub type {alias} = {};\n", reach.type_of(shape));
    }
    for shape in reach.shapes.values().filter(|shape| shape.is_open()) {
        let values: Vec<String> = shape.listed().iter().map(|value| format!("{value:?}")).collect();
        let _ = writeln!(
            out,
            "/// Values of `{}` that the model lists; an installation may have others.\npub const {}_VALUES: &[&str] = &[{}];\n",
            shape.name,
            reach.static_of(shape.name),
            values.join(", ")
        );
    }
    for shape in
        reach.shapes.values().filter(|shape| is_typed(**shape) && !reach.errors.contains_key(shape.name))
    {
        out.push_str(&if shape.kind() == "structure" {
            structure(reach, *shape)?
        } else {
            enumeration(reach, *shape)
        });
    }
    Ok(out)
}

/// The Rust type of a shape.
pub(crate) fn rust_type(reach: &Reach<'_>, name: &str) -> Result<String, String> {
    let shape = reach.shape(name)?;
    Ok(match shape.kind() {
        _ if is_typed(shape) => reach.type_of(name).to_owned(),
        "string" | "character" if shape.is("sensitive") => "Secret<String>".to_owned(),
        "string" | "character" => "String".to_owned(),
        "boolean" => "bool".to_owned(),
        "integer" => "i32".to_owned(),
        "long" => "i64".to_owned(),
        "float" | "double" => "f64".to_owned(),
        "blob" => "Bytes".to_owned(),
        "timestamp" => "Timestamp".to_owned(),
        "list" => format!("Vec<{}>", rust_type(reach, shape.part("member"))?),
        "map" => format!("BTreeMap<String, {}>", rust_type(reach, shape.part("value"))?),
        other => return Err(format!("{name}: no Rust type for shapes of type {other}")),
    })
}

fn structure(reach: &Reach<'_>, shape: ShapeRef<'_>) -> Result<String, String> {
    let (mut fields, mut reads, mut writes) = (String::new(), String::new(), String::new());
    let (mut debugs, mut hides) = (String::new(), false);
    let members = shape.members();
    let mut seen = BTreeSet::new();
    for member in &members {
        let mut field = names::identifier(member.name);
        if !seen.insert(field.clone()) {
            field.push('_');
        }
        let hidden = is_secret_blob(reach, member.shape())?;
        hides |= hidden;
        let shown = if hidden { "format_args!(\"Secret(..)\")".to_owned() } else { format!("self.{field}") };
        let _ = writeln!(debugs, ".field({field:?}, &{shown})");
        let mut kind = rust_type(reach, member.shape())?;
        if reach.is_recursive(shape.name, member) {
            kind = format!("Box<{kind}>");
        }
        if !member.required {
            kind = format!("Option<{kind}>");
        }
        let _ = writeln!(fields, "/// `{}`.\npub {field}: {kind},", member.name);
        let _ = writeln!(reads, "{field}: Value::read(document.take({:?})),", member.name);
        let _ = writeln!(writes, "document.push({:?}, self.{field}.write());", member.name);
    }
    let name = reach.type_of(shape.name);
    let debug = if hides { "" } else { "Debug, " };
    let doc = format!("/// `{}`.\n#[derive({debug}Clone, Default, PartialEq)]\n", shape.name);
    let head = format!(
        "impl Shape for {name} {{\nconst SCHEMA: &'static Schema = &schema::{};\n\n",
        reach.static_of(shape.name)
    );
    if members.is_empty() {
        return Ok(format!(
            "{doc}pub struct {name} {{}}\n\n{head}fn from_document(_: Document) -> Self {{\nSelf {{}}\n}}\n\n\
             fn into_document(self) -> Document {{\nDocument::empty()\n}}\n}}\n\n"
        ));
    }
    let mut out = format!("{doc}{}pub struct {name} {{\n{fields}}}\n\n", bools(&fields));
    if hides {
        let _ = write!(
            out,
            "impl std::fmt::Debug for {name} {{\nfn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{\n\
             f.debug_struct({name:?})\n{debugs}.finish()\n}}\n}}\n\n"
        );
    }
    let _ = write!(
        out,
        "{head}fn from_document(mut document: Document) -> Self {{\nSelf {{\n{reads}}}\n}}\n\n\
         fn into_document(self) -> Document {{\nlet mut document = Document::empty();\n{writes}document\n}}\n}}\n\n"
    );
    Ok(out)
}

/// Bytes that are not to be shown, alone or as part of a list or map. They are no `Secret`, which would have to own and erase
/// what may be a large body; the structure does not show them.
fn is_secret_blob(reach: &Reach<'_>, name: &str) -> Result<bool, String> {
    let shape = reach.shape(name)?;
    match shape.kind() {
        "blob" => Ok(shape.is("sensitive")),
        "list" => is_secret_blob(reach, shape.part("member")),
        "map" => is_secret_blob(reach, shape.part("value")),
        _ => Ok(false),
    }
}

/// The lint on many flags in one structure is right for our own types; these are the vendor's.
fn bools(fields: &str) -> &'static str {
    if fields.matches(": bool,").count() > 3 {
        "#[expect(clippy::struct_excessive_bools, reason = \"the model has it so\")]\n"
    } else {
        ""
    }
}

fn enumeration(reach: &Reach<'_>, shape: ShapeRef<'_>) -> String {
    let name = reach.type_of(shape.name);
    let mut taken = BTreeSet::new();
    let variants: Vec<(String, &str)> = shape
        .values()
        .into_iter()
        .map(|value| {
            let mut variant = names::variant(value);
            while !taken.insert(variant.clone()) {
                variant.push_str("Value");
            }
            (variant, value)
        })
        .collect();
    let mut out = format!(
        "/// `{}`.\n#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]\npub enum {name} {{\n",
        shape.name
    );
    let (mut to, mut from, mut all) = (String::new(), String::new(), String::new());
    for (index, (variant, value)) in variants.iter().enumerate() {
        let first = if index == 0 { "#[default]\n" } else { "" };
        let _ = writeln!(out, "/// `{value}`.\n{first}{variant},");
        let _ = writeln!(to, "Self::{variant} => {value:?},");
        let _ = writeln!(from, "{value:?} => Self::{variant},");
        let _ = write!(all, "Self::{variant}, ");
    }
    let _ = write!(
        out,
        "}}\n\nimpl {name} {{\n/// Every value, in the model's order.\npub const ALL: &'static [Self] = &[{all}];\n\n\
         /// The value on the wire.\npub const fn as_str(self) -> &'static str {{\nmatch self {{\n{to}}}\n}}\n\n\
         /// Reads a value of the wire.\npub fn parse(text: &str) -> Option<Self> {{\nSome(match text {{\n{from}_ => return None,\n}})\n}}\n}}\n\n\
         impl Value for {name} {{\nfn read(document: Document) -> Self {{\n\
         document.as_str().and_then(Self::parse).unwrap_or_default()\n}}\n\n\
         fn write(self) -> Document {{\nself.as_str().into()\n}}\n}}\n\n"
    );
    out
}
