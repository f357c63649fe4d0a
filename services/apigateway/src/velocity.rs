//! Mapping templates: the Velocity language as API Gateway runs it, with `$input`, `$util`, `$context` and
//! `$stageVariables`.
//!
//! ```text
//! text ─▶ parser ─▶ Script (kept with the deployment) ─▶ interpreter + Inputs ─▶ text and overrides
//! ```
//!
//! A run does no I/O, reads no clock and draws no randomness; the same inputs give the same text. It has budgets for steps,
//! memory, depth and output, so a template that is a bomb ends as an error. Methods are a fixed list: there is no reflection.
//! Refuses to know requests and integrations.
//!
//! DIVERGES: methods that are not in the list (`velocity/methods.rs`) have no value, as if the class lacked them.
//! DIVERGES: `#evaluate`, `#parse` and `#include` are refused when the template is stored.
//! DIVERGES: patterns of `replaceAll`, `split` and `matches` are those of a linear-time engine: look-around and back
//! references end the rendering.

mod arithmetic;
mod ast;
mod builtins;
mod collections;
mod cursor;
mod expression;
mod interpreter;
mod jsonpath;
mod methods;
mod parser;
mod text;
mod value;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value as Json};

use ast::{Macro, Node};
use interpreter::Machine;
use value::{Kind, Value};

/// A template, read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Script {
    nodes: Vec<Node>,
    /// Bodies of macros and of `#define`.
    blocks: Vec<Vec<Node>>,
    macros: BTreeMap<String, Macro>,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParseError {
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
    what: String,
}

/// Why a template has no result. For the audit trail, never for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RenderError {
    what: String,
}

/// What a template sees.
#[derive(Debug)]
pub(crate) struct Inputs<'a> {
    /// `$input.body`
    pub(crate) body: &'a str,
    pub(crate) path: &'a BTreeMap<String, String>,
    pub(crate) query: &'a BTreeMap<String, String>,
    /// Names as shown; they are found in any case.
    pub(crate) headers: &'a BTreeMap<String, String>,
    pub(crate) stage_variables: &'a BTreeMap<String, String>,
    /// `$context`; null members are shown as nothing.
    pub(crate) context: &'a Map<String, Json>,
    /// `$context.requestOverride` and `$context.responseOverride` as an earlier template left them.
    pub(crate) overrides: &'a Overrides,
}

/// What a template set under `$context.requestOverride` and `$context.responseOverride`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Overrides {
    pub(crate) request: Map<String, Json>,
    pub(crate) response: Map<String, Json>,
}

impl ParseError {
    /// The text is too long to be read.
    fn too_long() -> Self {
        Self { line: 1, column: 1, what: "a mapping template can have at most 300 KB".to_owned() }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at line {}, column {}", self.what, self.line, self.column)
    }
}

impl RenderError {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the mapping template: {}", self.what)
    }
}

impl Script {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseError> {
        if text.len() > TEMPLATE_BYTES_MAX {
            return Err(ParseError::too_long());
        }
        parser::parse(text)
    }

    /// Runs it: the text, and what it overrides.
    pub(crate) fn render(&self, inputs: &Inputs<'_>) -> Result<(String, Overrides), RenderError> {
        let mut machine = Machine::new(self, inputs);
        let context = context(&mut machine)?;
        machine.variables.insert("context".to_owned(), context.clone());
        let stage_variables = machine.text_map(inputs.stage_variables, Kind::Ordinary)?;
        machine.variables.insert("stageVariables".to_owned(), stage_variables);
        machine.variables.insert("input".to_owned(), Value::Input);
        machine.variables.insert("util".to_owned(), Value::Util);
        let mut out = String::new();
        machine.run(&self.nodes, &mut out)?;
        let overrides = Overrides {
            request: member(&mut machine, &context, "requestOverride")?,
            response: member(&mut machine, &context, "responseOverride")?,
        };
        Ok((out, overrides))
    }
}

fn context(machine: &mut Machine<'_>) -> Result<Value, RenderError> {
    let (inputs, heap) = (machine.inputs, &mut machine.heap);
    let context = heap.new_map(Kind::Ordinary)?;
    for (name, value) in inputs.context {
        let value = builtins::context_value(heap, value)?;
        heap.fill(&context, name, value)?;
    }
    let places: [(&str, &Map<String, Json>, &[&str]); 2] = [
        ("requestOverride", &inputs.overrides.request, &["header", "path", "querystring"]),
        ("responseOverride", &inputs.overrides.response, &["header"]),
    ];
    for (name, before, groups) in places {
        let map = heap.new_map(Kind::Once)?;
        for group in groups {
            let inner = heap.new_map(Kind::Once)?;
            for (name, value) in before.get(*group).and_then(Json::as_object).into_iter().flatten() {
                let value = heap.of_json(value)?;
                heap.fill(&inner, name, value)?;
            }
            heap.fill(&map, group, inner)?;
        }
        for (name, value) in before.iter().filter(|(name, _)| !groups.contains(&name.as_str())) {
            let value = heap.of_json(value)?;
            heap.fill(&map, name, value)?;
        }
        heap.fill(&context, name, map)?;
    }
    Ok(context)
}

/// A member of `$context` after the run.
fn member(machine: &mut Machine<'_>, context: &Value, name: &str) -> Result<Map<String, Json>, RenderError> {
    let Value::Map(context) = context else { return Ok(Map::new()) };
    let found = machine.heap.map(*context).and_then(|map| map.get(name)).cloned();
    Ok(match machine.heap.as_json(&found.unwrap_or(Value::Null), 0)? {
        Json::Object(object) => object,
        _ => Map::new(),
    })
}

/// AWS: API Gateway quotas: size of a mapping template, rounds of a `#foreach`, size of a payload.
pub(crate) const TEMPLATE_BYTES_MAX: usize = 300 * 1024;
const FOREACH_MAX: usize = 1_000;
const OUTPUT_BYTES_MAX: usize = 10 << 20;
/// AWS: depth of calls of macros (Velocity 1.7, `velocimacro.max.depth`).
const CALLS_MAX: usize = 20;
/// Ours: blocks, arguments and parentheses in each other, in the text.
const NESTING_MAX: usize = 64;
/// Ours: blocks and expressions in each other, while it runs.
const DEPTH_MAX: usize = 256;
/// Ours: nodes, operators and entries of one run. Two loops of 1,000 in each other come to about one million.
const STEPS_MAX: u64 = 4_000_000;
/// Ours: how much text can be read, compared or copied for one step, bytes; 512 MB a run.
const TEXT_BYTES_A_STEP: usize = 128;
/// Ours: all text and entries made in one run, bytes.
const ALLOCATED_BYTES_MAX: usize = 128 << 20;
/// Ours: numbers in a range.
const RANGE_MAX: u64 = 100_000;
/// Ours: patterns compiled in one run, and the compiled size of one, bytes.
const PATTERNS_MAX: usize = 64;
const PATTERN_BYTES_MAX: usize = 256 << 10;
