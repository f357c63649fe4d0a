//! Runs a script: nodes to text. Every node, comparison and entry costs a step, so every run ends.
//!
//! Refuses to know what methods do (`methods.rs`) and what the gateway offers (`builtins.rs`).

use std::{collections::BTreeMap, rc::Rc};

use regex::Regex;
use serde_json::Value as Json;

use super::{
    CALLS_MAX, DEPTH_MAX, FOREACH_MAX, Inputs, RANGE_MAX, RenderError, Script,
    ast::{Expression, Node, Operator, Reference, Step},
    value::{Heap, Kind, Map, Value, within_output},
};

/// A run.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    pub(super) script: &'a Script,
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) heap: Heap,
    pub(super) variables: BTreeMap<String, Value>,
    /// The body, read when something first asks for it.
    pub(super) body: Option<Rc<Json>>,
    pub(super) parameters: Option<Value>,
    pub(super) patterns: BTreeMap<String, Rc<Regex>>,
    depth: usize,
    calls: usize,
}

/// What comes after a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Break,
    Stop,
}

impl<'a> Machine<'a> {
    pub(super) fn new(script: &'a Script, inputs: &'a Inputs<'a>) -> Self {
        Self {
            script,
            inputs,
            heap: Heap::default(),
            variables: BTreeMap::new(),
            body: None,
            parameters: None,
            patterns: BTreeMap::new(),
            depth: 0,
            calls: 0,
        }
    }

    fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T, RenderError>) -> Result<T, RenderError> {
        if self.depth >= DEPTH_MAX {
            return Err(RenderError::new("the template is nested too deeply while it runs"));
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    pub(super) fn run(&mut self, nodes: &'a [Node], out: &mut String) -> Result<Flow, RenderError> {
        self.deeper(|machine| {
            for node in nodes {
                let flow = machine.node(node, out)?;
                within_output(out)?;
                if flow != Flow::Next {
                    return Ok(flow);
                }
            }
            Ok(Flow::Next)
        })
    }

    fn node(&mut self, node: &'a Node, out: &mut String) -> Result<Flow, RenderError> {
        self.heap.charge(1)?;
        match node {
            Node::Text(text) => {
                self.heap.charge_text(text.len())?;
                out.push_str(text);
            }
            Node::Reference(reference) => return self.written(reference, out),
            Node::Escaped { backslashes, reference } => {
                let known = !matches!(self.reference(reference)?, Value::Null);
                let shown = if known { backslashes / 2 } else { *backslashes };
                out.push_str(&"\\".repeat(shown));
                if known && backslashes % 2 == 0 {
                    return self.written(reference, out);
                }
                out.push_str(&reference.written);
            }
            Node::Set { target, value } => {
                // AWS: Velocity 1.7 does not set anything to null.
                match self.evaluate(value)? {
                    Value::Null => {}
                    value => self.assign(target, value)?,
                }
            }
            Node::If { branches, otherwise } => {
                for (condition, body) in branches {
                    if is_true(&self.evaluate(condition)?) {
                        return self.run(body, out);
                    }
                }
                return self.run(otherwise, out);
            }
            Node::Foreach { variable, over, body } => return self.foreach(variable, over, body, out),
            Node::Define { name, block } => {
                self.variables.insert(name.clone(), Value::Block(*block));
            }
            Node::Call { name, arguments, body } => return self.call(name, arguments, *body, out),
            Node::Break => return Ok(Flow::Break),
            Node::Stop => return Ok(Flow::Stop),
        }
        Ok(Flow::Next)
    }

    /// Writes a reference's value, or its source text if it has none.
    fn written(&mut self, reference: &'a Reference, out: &mut String) -> Result<Flow, RenderError> {
        match self.reference(reference)? {
            Value::Null if reference.quiet => {}
            Value::Null => out.push_str(&reference.written),
            Value::Block(block) => {
                let script = self.script;
                let nodes = script.blocks.get(block).map_or(&[][..], Vec::as_slice);
                let flow = self.run(nodes, out)?;
                return Ok(if flow == Flow::Stop { flow } else { Flow::Next });
            }
            value => self.heap.show(&value, out, 0)?,
        }
        Ok(Flow::Next)
    }

    fn foreach(
        &mut self,
        variable: &str,
        over: &'a Expression,
        body: &'a [Node],
        out: &mut String,
    ) -> Result<Flow, RenderError> {
        let items = match self.evaluate(over)? {
            Value::List(list) => self.heap.list(list).to_vec(),
            Value::Map(map) => {
                let entries = self.heap.map(map).map(Map::entries).unwrap_or_default();
                entries.iter().map(|(_, value)| value.clone()).collect()
            }
            _ => Vec::new(),
        };
        self.heap.charge(items.len())?;
        let names = [variable, "foreach", "velocityCount", "velocityHasNext"];
        let before = names.map(|name| self.variables.remove(name));
        let state = self.heap.new_map(Kind::Ordinary)?;
        if let [_, Some(outer), ..] = &before {
            self.heap.fill(&state, "parent", outer.clone())?;
        }
        let mut result = Flow::Next;
        // AWS: a loop ends after 1,000 rounds (quota; Velocity's `directive.foreach.maxloops` ends it without an error).
        let rounds = items.len().min(FOREACH_MAX);
        for (at, item) in items.iter().take(rounds).enumerate() {
            let (index, has_next) = (i64::try_from(at).unwrap_or(i64::MAX), at + 1 < items.len());
            for (name, value) in [
                ("index", Value::Int(index)),
                ("count", Value::Int(index.saturating_add(1))),
                ("hasNext", Value::Bool(has_next)),
                ("first", Value::Bool(at == 0)),
                ("last", Value::Bool(!has_next)),
            ] {
                self.heap.fill(&state, name, value)?;
            }
            let set =
                [item.clone(), state.clone(), Value::Int(index.saturating_add(1)), Value::Bool(has_next)];
            for (name, value) in names.iter().zip(set) {
                self.variables.insert((*name).to_owned(), value);
            }
            match self.run(body, out)? {
                Flow::Next => {}
                Flow::Break => break,
                Flow::Stop => {
                    result = Flow::Stop;
                    break;
                }
            }
        }
        self.restore(names.iter().zip(before));
        Ok(result)
    }

    fn restore<'n>(&mut self, before: impl Iterator<Item = (&'n &'n str, Option<Value>)>) {
        for (name, value) in before {
            match value {
                Some(value) => self.variables.insert((*name).to_owned(), value),
                None => self.variables.remove(*name),
            };
        }
    }

    fn call(
        &mut self,
        name: &str,
        arguments: &'a [Expression],
        body: Option<usize>,
        out: &mut String,
    ) -> Result<Flow, RenderError> {
        let script = self.script;
        let Some(found) = script.macros.get(name) else { return Ok(Flow::Next) };
        if self.calls >= CALLS_MAX {
            return Err(RenderError::new(format!("macros call each other more than {CALLS_MAX} deep")));
        }
        let mut given = Vec::new();
        for argument in arguments {
            given.push(self.evaluate(argument)?);
        }
        let mut names: Vec<&str> = found.parameters.iter().map(String::as_str).collect();
        let mut given = given.into_iter().map(Some).chain(std::iter::repeat(None));
        let mut values: Vec<Option<Value>> = given.by_ref().take(names.len()).collect();
        if let Some(body) = body {
            names.push("bodyContent");
            values.push(Some(Value::Block(body)));
        }
        let before: Vec<Option<Value>> = names.iter().map(|name| self.variables.remove(*name)).collect();
        for (name, value) in names.iter().zip(values) {
            if let Some(value) = value.filter(|value| !matches!(value, Value::Null)) {
                self.variables.insert((*name).to_owned(), value);
            }
        }
        self.calls += 1;
        let nodes = script.blocks.get(found.block).map_or(&[][..], Vec::as_slice);
        let flow = self.run(nodes, out);
        self.calls -= 1;
        self.restore(names.iter().zip(before));
        // `#break` in a macro ends the macro.
        Ok(if flow? == Flow::Stop { Flow::Stop } else { Flow::Next })
    }

    fn assign(&mut self, target: &'a Reference, value: Value) -> Result<(), RenderError> {
        let Some((last, steps)) = target.steps.split_last() else {
            self.variables.insert(target.name.clone(), value);
            return Ok(());
        };
        let holder = self.follow(&target.name, steps)?;
        let key = match last {
            Step::Property(name) => self.heap.text(name)?,
            Step::Index(index) => self.evaluate(index)?,
            Step::Method(..) => return Ok(()),
        };
        match (holder, &key) {
            (Value::Map(map), key) => {
                let key = self.heap.shown(key)?;
                self.heap.put(map, &key, value)?;
            }
            (Value::List(list), Value::Int(index)) => {
                let place = usize::try_from(*index).ok();
                let place = place.and_then(|at| self.heap.list_mut(list)?.get_mut(at));
                *place.ok_or_else(|| RenderError::new(format!("a list has no place {index}")))? = value;
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn reference(&mut self, reference: &'a Reference) -> Result<Value, RenderError> {
        self.follow(&reference.name, &reference.steps)
    }

    fn follow(&mut self, name: &str, steps: &'a [Step]) -> Result<Value, RenderError> {
        let mut value = self.variables.get(name).cloned().unwrap_or(Value::Null);
        for step in steps {
            self.heap.charge(1)?;
            if matches!(value, Value::Null) {
                return Ok(value);
            }
            value = match step {
                Step::Property(name) => self.property(&value, name)?,
                Step::Index(index) => {
                    let index = self.evaluate(index)?;
                    self.at(&value, &index)?
                }
                Step::Method(name, arguments) => {
                    let mut given = Vec::new();
                    for argument in arguments {
                        given.push(self.evaluate(argument)?);
                    }
                    self.method(&value, name, &given)?
                }
            };
        }
        Ok(value)
    }

    fn property(&mut self, value: &Value, name: &str) -> Result<Value, RenderError> {
        Ok(match value {
            Value::Input if name == "body" => self.input_body()?,
            Value::Map(map) => {
                let found = self.heap.map(*map);
                let entry = found.and_then(|map| map.get(name)).cloned();
                let is_empty = || found.map(|map| Value::Bool(map.entries().is_empty()));
                entry.or_else(|| if name == "empty" { is_empty() } else { None }).unwrap_or(Value::Null)
            }
            Value::List(list) if name == "empty" => Value::Bool(self.heap.list(*list).is_empty()),
            Value::Text(text) if name == "empty" => Value::Bool(text.is_empty()),
            _ => Value::Null,
        })
    }

    /// `value[index]`; a negative one counts from the end.
    fn at(&mut self, value: &Value, index: &Value) -> Result<Value, RenderError> {
        match (value, index) {
            (Value::List(list), Value::Int(index)) => {
                let items = self.heap.list(*list);
                let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let index = if *index < 0 { index.saturating_add(length) } else { *index };
                let found = usize::try_from(index).ok().and_then(|at| items.get(at));
                Ok(found.cloned().unwrap_or(Value::Null))
            }
            (Value::Map(map), key) => {
                let key = self.heap.shown(key)?;
                self.heap.charge_text(key.len())?;
                let found = self.heap.map(*map).and_then(|map| map.get(&key));
                Ok(found.cloned().unwrap_or(Value::Null))
            }
            _ => Ok(Value::Null),
        }
    }

    pub(super) fn evaluate(&mut self, expression: &'a Expression) -> Result<Value, RenderError> {
        self.heap.charge(1)?;
        self.deeper(|machine| machine.value_of(expression))
    }

    fn value_of(&mut self, expression: &'a Expression) -> Result<Value, RenderError> {
        Ok(match expression {
            Expression::Bool(value) => Value::Bool(*value),
            Expression::Int(value) => Value::Int(*value),
            Expression::Float(value) => Value::Float(*value),
            Expression::Text(text) => self.heap.text(text)?,
            Expression::Interpolated(nodes) => {
                let mut out = String::new();
                self.run(nodes, &mut out)?;
                self.heap.text(&out)?
            }
            Expression::Reference(reference) => match self.reference(reference)? {
                // What `#define` made is rendered where it is used.
                Value::Block(_) => {
                    let mut out = String::new();
                    self.written(reference, &mut out)?;
                    self.heap.text(&out)?
                }
                value => value,
            },
            Expression::List(items) => {
                let items = items.iter().map(|item| self.evaluate(item)).collect::<Result<_, _>>()?;
                self.heap.new_list(items, false)?
            }
            Expression::Map(entries) => {
                let map = self.heap.new_map(Kind::Ordinary)?;
                for (key, value) in entries {
                    let key = self.evaluate(key)?;
                    let key = self.heap.shown(&key)?;
                    let value = self.evaluate(value)?;
                    self.heap.fill(&map, &key, value)?;
                }
                map
            }
            Expression::Range(first, last) => {
                let (first, last) = (self.evaluate(first)?, self.evaluate(last)?);
                self.range(&first, &last)?
            }
            Expression::Not(inner) => Value::Bool(!is_true(&self.evaluate(inner)?)),
            Expression::Chain(first, rest) => {
                let mut value = self.evaluate(first)?;
                for (operator, operand) in rest {
                    value = self.operation(*operator, &value, operand)?;
                }
                value
            }
        })
    }

    fn range(&mut self, first: &Value, last: &Value) -> Result<Value, RenderError> {
        let (Value::Int(first), Value::Int(last)) = (first, last) else { return Ok(Value::Null) };
        if first.abs_diff(*last) >= RANGE_MAX {
            return Err(RenderError::new("a range is too long"));
        }
        let items = if first <= last {
            (*first..=*last).map(Value::Int).collect()
        } else {
            (*last..=*first).rev().map(Value::Int).collect()
        };
        self.heap.new_list(items, false)
    }

    fn operation(
        &mut self,
        operator: Operator,
        left: &Value,
        right: &'a Expression,
    ) -> Result<Value, RenderError> {
        match operator {
            Operator::Or if is_true(left) => return Ok(Value::Bool(true)),
            Operator::And if !is_true(left) => return Ok(Value::Bool(false)),
            _ => {}
        }
        let right = self.evaluate(right)?;
        match operator {
            Operator::Or | Operator::And => Ok(Value::Bool(is_true(&right))),
            Operator::Equal => Ok(Value::Bool(self.equal(left, &right)?)),
            Operator::Unequal => Ok(Value::Bool(!self.equal(left, &right)?)),
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                Ok(Value::Bool(super::arithmetic::ordered(operator, left, &right)))
            }
            Operator::Add if matches!(left, Value::Text(_)) || matches!(right, Value::Text(_)) => {
                let (left, right) = (self.heap.shown(left)?, self.heap.shown(&right)?);
                let joined = format!("{left}{right}");
                within_output(&joined)?;
                self.heap.text(&joined)
            }
            _ => super::arithmetic::calculated(operator, left, &right),
        }
    }

    /// Equality of Velocity 1.7: numbers by value, other things of one type by content, the rest by their text.
    pub(super) fn equal(&mut self, left: &Value, right: &Value) -> Result<bool, RenderError> {
        Ok(match (left, right) {
            (Value::Null, _) | (_, Value::Null) => {
                matches!((left, right), (Value::Null, Value::Null))
            }
            (Value::Int(left), Value::Int(right)) => left == right,
            (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
                super::arithmetic::ordered(Operator::LessOrEqual, left, right)
                    && super::arithmetic::ordered(Operator::GreaterOrEqual, left, right)
            }
            (Value::Bool(left), Value::Bool(right)) => left == right,
            (Value::Text(left), Value::Text(right)) => {
                self.heap.charge_text(left.len().min(right.len()))?;
                left == right
            }
            (Value::List(left), Value::List(right)) | (Value::Map(left), Value::Map(right))
                if left == right =>
            {
                true
            }
            _ => self.heap.shown(left)? == self.heap.shown(right)?,
        })
    }
}

/// AWS: Velocity 1.7; everything but null and false is true, also zero and empty text.
pub(super) fn is_true(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
}
