//! Writes the error types: a structure per error shape and the enum of them.

use std::fmt::Write;

use super::{model::ShapeRef, reach::Reach, types::rust_type};
use crate::names;

/// The structures, the enum, its constructors and conversions.
pub(crate) fn all(reach: &Reach<'_>) -> Result<String, String> {
    let (mut structures, mut variants) = (String::new(), String::new());
    let (mut constructors, mut arms) = (String::new(), String::new());
    for shape in reach.errors.values() {
        let name = reach.type_of(shape.name);
        structures.push_str(&structure(reach, *shape)?);
        let _ = writeln!(variants, "/// `{}`.\n{name}({name}),", shape.name);
        let _ = writeln!(arms, "Error::{name}(error) => error.into_fault(),");
        let others: Vec<_> = shape.members().into_iter().filter(|member| !is_message(member.name)).collect();
        if !others.iter().any(|member| member.required) {
            let rest = if others.is_empty() { "" } else { ", ..Default::default()" };
            let _ = writeln!(
                constructors,
                "/// `{}` with a message.\npub fn {}(message: impl Into<String>) -> Self {{\n\
                 Self::{name}({name} {{ message: Some(message.into()){rest} }})\n}}\n",
                shape.name,
                names::identifier(shape.name)
            );
        }
    }
    let long = if reach.errors.len() > 60 {
        "#[expect(clippy::too_many_lines, reason = \"a flat list\")]\n"
    } else {
        ""
    };
    let constructors =
        if constructors.is_empty() { String::new() } else { format!("impl Error {{\n{constructors}}}\n\n") };
    Ok(format!(
        "{structures}/// Everything an operation of this service may answer instead of its output.\n\
         #[derive(Debug, Clone, PartialEq)]\npub enum Error {{\n{variants}\
         /// The input breaks a rule that the model's constraints cannot say.\nValidation(String),\n\
         /// Anything else, also errors of inner calls; passed on as it is.\nInternal(Fault),\n}}\n\n{constructors}\
         impl From<Error> for Fault {{\n{long}fn from(error: Error) -> Self {{\nmatch error {{\n{arms}\
         Error::Validation(text) => Self::validation(text),\nError::Internal(fault) => fault,\n}}\n}}\n}}\n\n\
         impl From<Fault> for Error {{\nfn from(fault: Fault) -> Self {{\nSelf::Internal(fault)\n}}\n}}\n\n\
         impl From<StoreError> for Error {{\nfn from(error: StoreError) -> Self {{\nSelf::Internal(error.into())\n}}\n}}\n\n"
    ))
}

/// `pub mod error_meta`: code and status of each error.
pub(crate) fn metas(reach: &Reach<'_>) -> String {
    let mut out = "/// Codes and statuses of the errors.\npub mod error_meta {\nuse casemate_schema::ErrorMeta;\n\nuse super::schema;\n\n".to_owned();
    if reach.errors.is_empty() {
        return String::new();
    }
    for shape in reach.errors.values() {
        let (code, status) = shape.error();
        let id = reach.static_of(shape.name);
        let _ = writeln!(
            out,
            "/// `{name}`.\npub const {id}: ErrorMeta = ErrorMeta {{ shape: {name:?}, code: {code:?}, status: {status}, schema: &schema::{id} }};\n",
            name = shape.name,
        );
    }
    out.push_str("}\n\n");
    out
}

fn is_message(name: &str) -> bool {
    name.eq_ignore_ascii_case("message")
}

/// The message is always called `message` and always there, whatever the model says; the wire name is the schema's.
fn structure(reach: &Reach<'_>, shape: ShapeRef<'_>) -> Result<String, String> {
    let name = reach.type_of(shape.name);
    let mut fields = "/// What the client is told.\npub message: Option<String>,\n".to_owned();
    let mut writes = String::new();
    let mut told = String::new();
    for member in shape.members() {
        if is_message(member.name) {
            told = format!("fields.push({:?}, message.as_str().into());\n", member.name);
            continue;
        }
        let kind = rust_type(reach, member.shape())?;
        let field = names::identifier(member.name);
        let kind = if member.required { kind } else { format!("Option<{kind}>") };
        let _ = writeln!(fields, "/// `{}`.\npub {field}: {kind},", member.name);
        let _ = writeln!(writes, "fields.push({:?}, self.{field}.write());", member.name);
    }
    let mutable = if told.is_empty() && writes.is_empty() { "" } else { "mut " };
    Ok(format!(
        "/// `{shape}`.\n#[derive(Debug, Clone, Default, PartialEq)]\npub struct {name} {{\n{fields}}}\n\n\
         impl {name} {{\nfn into_fault(self) -> Fault {{\nlet message = self.message.unwrap_or_default();\n\
         let {mutable}fields = Document::empty();\n{told}{writes}\
         Fault::modelled(&error_meta::{id}, message, fields)\n}}\n}}\n\n",
        shape = shape.name,
        id = reach.static_of(shape.name),
    ))
}
