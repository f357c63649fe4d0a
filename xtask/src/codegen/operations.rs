//! Writes what concerns the service and its operations as such: metadata, bindings, `ops.rs`, skeletons.

use std::fmt::Write;

use serde_json::Value;

use super::{
    model::{Model, strings, text_at},
    reach::Reach,
};
use crate::names;

/// Module documentation, imports and the service's metadata.
pub(crate) fn preamble(model: &Model) -> String {
    let prefix = model.metadata("endpointPrefix");
    let signing =
        if model.metadata("signingName").is_empty() { prefix } else { model.metadata("signingName") };
    let protocol = match (model.metadata("protocol"), model.metadata("jsonVersion")) {
        ("json", "1.0") => "AwsJson1_0",
        ("json", _) => "AwsJson1_1",
        ("query", _) => "AwsQuery",
        _ => "RestJson",
    };
    format!(
        "//! Typed inputs, outputs and errors of the implemented operations of `{prefix}`.\n\n@imports@\n\
         /// The service.\npub static SERVICE: ServiceMeta = ServiceMeta {{ prefix: {prefix:?}, signing_name: {signing:?}, \
         protocol: Protocol::{protocol}, target_prefix: {target:?}, api_version: {version:?}, xml_namespace: {namespace:?} }};\n\n",
        target = model.metadata("targetPrefix"),
        version = model.metadata("apiVersion"),
        namespace = model.metadata("xmlNamespace"),
    )
}

/// The imports that the rest of the file turned out to need.
pub(crate) fn imports(body: &str) -> String {
    let uses = |word: &str| body.contains(word);
    let mut out = String::new();
    if uses("BTreeMap<") {
        out.push_str("use std::collections::BTreeMap;\n\n");
    }
    if uses("Bytes") && (uses("<Bytes>") || uses(": Bytes,")) {
        out.push_str("use bytes::Bytes;\n");
    }
    out.push_str("use casemate_kernel::{Fault, OperationModel};\n");
    let names: Vec<&str> = [("Secret", "Secret<"), ("Timestamp", "Timestamp,"), ("Timestamp", "<Timestamp>")]
        .iter()
        .filter(|(_, needle)| uses(needle))
        .map(|(name, _)| *name)
        .collect();
    let mut names = names;
    names.dedup();
    if !names.is_empty() {
        let _ = writeln!(out, "use casemate_names::{{{}}};", names.join(", "));
    }
    let value =
        if uses("Value::read(") || uses("impl Value for") || uses(".write()") { ", Value" } else { "" };
    let _ = writeln!(
        out,
        "use casemate_schema::{{Document, OpMeta, Protocol, Schema, ServiceMeta, Shape{value}}};"
    );
    out.push_str("use casemate_store::StoreError;\n");
    out
}

/// A unit type per operation, bound to its input and output.
pub(crate) fn bindings(ops: &[String]) -> String {
    let mut out = String::new();
    for op in ops {
        let id = names::screaming(op);
        let _ = writeln!(
            out,
            "/// The operation `{op}`.\n#[derive(Debug, Clone, Copy)]\npub struct {op};\n\n\
             impl OperationModel for {op} {{\nconst META: &'static OpMeta = &op_meta::{id};\n\
             type Input = {op}Input;\ntype Output = {op}Output;\n}}\n"
        );
    }
    out
}

/// `pub mod op_meta`: name, HTTP binding, shapes and errors of each operation. Statics, so that each has one address.
pub(crate) fn metas(model: &Model, reach: &Reach<'_>, ops: &[String]) -> Result<String, String> {
    let mut body = String::new();
    for op in ops {
        let operation = model.operation(op)?;
        let errors: Vec<String> = strings(operation.get("errors"))
            .into_iter()
            .map(|name| format!("error_meta::{}", reach.static_of(name)))
            .collect();
        let schema = |pointer: &str| reach.static_of(text_at(operation, pointer)).to_owned();
        let status = operation.pointer("/http/responseCode").and_then(Value::as_u64).unwrap_or(200);
        let auth = if text_at(operation, "/authtype") == "none" { "None" } else { "SigV4" };
        let _ = writeln!(
            body,
            "/// `{op}`.\npub static {id}: OpMeta = OpMeta {{ service: &SERVICE, name: {op:?}, \
             http: HttpBinding {{ method: {method:?}, uri: {uri:?}, status: {status} }}, \
             input: &schema::{input}, output: &schema::{output}, result_wrapper: {wrapper:?}, \
             errors: &[{errors}], auth: Auth::{auth} }};\n",
            id = names::screaming(op),
            method = text_at(operation, "/http/method"),
            uri = text_at(operation, "/http/requestUri"),
            input = schema("/input/shape"),
            output = schema("/output/shape"),
            wrapper = text_at(operation, "/output/resultWrapper"),
            errors = errors.join(", "),
        );
    }
    let errors = if body.contains("error_meta::") { "error_meta, " } else { "" };
    Ok(format!(
        "/// The operations' static descriptions.\npub mod op_meta {{\nuse casemate_schema::{{Auth, HttpBinding, OpMeta}};\n\n\
         use super::{{SERVICE, {errors}schema}};\n\n{body}}}\n\n"
    ))
}

/// `ops.rs` after its header.
pub(crate) fn list(ops: &[String], service_type: &str) -> String {
    let mut out = "//! The implemented operations, one file each.\n\n".to_owned();
    for op in ops {
        let _ = writeln!(out, "mod {};", names::identifier(op));
    }
    let bound: Vec<String> =
        ops.iter().map(|op| format!("bind::<api::{op}, {service_type}>(service),\n")).collect();
    let long =
        if ops.len() > 68 { "#[expect(clippy::too_many_lines, reason = \"a flat list\")]\n" } else { "" };
    let _ = write!(
        out,
        "\nuse std::sync::Arc;\n\nuse casemate_kernel::{{AnyOperation, bind}};\n\nuse crate::{{{service_type}, api}};\n\n\
         /// Every operation, bound to the service.\n{long}\
         pub(crate) fn operations(service: &Arc<{service_type}>) -> Vec<Box<dyn AnyOperation>> {{\nvec![\n{}]\n}}\n",
        bound.concat()
    );
    out
}

/// The start of an operation's file. It lacks `access` and `run`, so it does not compile before both are written.
pub(crate) fn skeleton(op: &str, service_type: &str) -> String {
    format!(
        "//! `{op}`.\n\nuse casemate_kernel::{{Access, Call, Caller, Operation}};\n\n\
         use crate::{{{service_type}, api::{{Error, {op}, {op}Input, {op}Output}}}};\n\n\
         impl Operation<{op}> for {service_type} {{}}\n"
    )
}
