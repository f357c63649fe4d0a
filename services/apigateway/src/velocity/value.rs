//! Values while a template runs. Lists and maps live in a heap by number, as references do in Java: two names may mean one
//! list, a list may contain itself, and all of it goes at once when the run ends.
//!
//! Everything that costs time or memory is charged here; what a run may cost is in `velocity.rs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use serde_json::Value as Json;

use super::{ALLOCATED_BYTES_MAX, OUTPUT_BYTES_MAX, RenderError, STEPS_MAX, TEXT_BYTES_A_STEP};

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    /// Number of a list.
    List(usize),
    /// Number of a map.
    Map(usize),
    /// What `#define` made: a block of the script.
    Block(usize),
    /// `$input`
    Input,
    /// `$util`
    Util,
}

/// A list.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) items: Vec<Value>,
    /// It came from JSON, and is written as JSON.
    // AWS: arrays of `$input.path` are written as JSON, maps as Java writes them (recorded by others).
    pub(super) json: bool,
}

/// What is special about a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    #[default]
    Ordinary,
    /// An entry of another map: `key` and `value`.
    Entry,
    /// Keys are found in any case: headers.
    AnyCase,
    /// A key can be set once.
    // AWS: "An override may only be applied to each parameter once" (developer guide, overrides); twice is a 5XX.
    Once,
    /// Written as `null`.
    // AWS: `$context.authorizer.claims` returns null, only the claims in it have values (mapping template reference).
    Hidden,
}

/// A map that keeps the order of its entries.
#[derive(Debug, Default)]
pub(super) struct Map {
    entries: Vec<(Rc<str>, Value)>,
    places: BTreeMap<Rc<str>, usize>,
    pub(super) kind: Kind,
    written: BTreeSet<Rc<str>>,
}

/// All lists and maps of a run, and what the run has cost.
#[derive(Debug, Default)]
pub(super) struct Heap {
    lists: Vec<List>,
    maps: Vec<Map>,
    /// Work so far, see `charge`.
    pub(super) steps: u64,
    bytes: usize,
}

impl Map {
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        let place = self.places.get(key).copied().or_else(|| {
            let any_case = self.kind == Kind::AnyCase;
            any_case.then(|| self.entries.iter().position(|(known, _)| known.eq_ignore_ascii_case(key)))?
        });
        self.entries.get(place?).map(|(_, value)| value)
    }

    fn put(&mut self, key: Rc<str>, value: Value) -> Option<Value> {
        if let Some(place) = self.places.get(&key)
            && let Some((_, old)) = self.entries.get_mut(*place)
        {
            return Some(std::mem::replace(old, value));
        }
        self.places.insert(Rc::clone(&key), self.entries.len());
        self.entries.push((key, value));
        None
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Value> {
        let place = self.places.get(key).copied().filter(|place| *place < self.entries.len())?;
        let (_, value) = self.entries.remove(place);
        self.places = self.entries.iter().enumerate().map(|(at, (key, _))| (Rc::clone(key), at)).collect();
        Some(value)
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.places.clear();
    }

    pub(super) fn entries(&self) -> &[(Rc<str>, Value)] {
        &self.entries
    }
}

impl Heap {
    /// Counts work. An entry of a list costs one; for text see `charge_text`.
    pub(super) fn charge(&mut self, steps: usize) -> Result<(), RenderError> {
        self.steps = self.steps.saturating_add(u64::try_from(steps).unwrap_or(u64::MAX));
        if self.steps > STEPS_MAX {
            return Err(RenderError::new("the template does not come to an end: too many steps"));
        }
        Ok(())
    }

    /// Counts work on text.
    pub(super) fn charge_text(&mut self, bytes: usize) -> Result<(), RenderError> {
        self.charge(1 + bytes / TEXT_BYTES_A_STEP)
    }

    /// Counts memory.
    pub(super) fn allocate(&mut self, bytes: usize) -> Result<(), RenderError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > ALLOCATED_BYTES_MAX {
            return Err(RenderError::new("the template needs too much memory"));
        }
        self.charge_text(bytes)
    }

    /// Text as a value.
    pub(super) fn text(&mut self, text: &str) -> Result<Value, RenderError> {
        self.allocate(text.len())?;
        Ok(Value::Text(Rc::from(text)))
    }

    pub(super) fn new_list(&mut self, items: Vec<Value>, json: bool) -> Result<Value, RenderError> {
        self.allocate(ENTRY_BYTES * (items.len() + 1))?;
        self.charge(items.len())?;
        self.lists.push(List { items, json });
        Ok(Value::List(self.lists.len() - 1))
    }

    pub(super) fn new_map(&mut self, kind: Kind) -> Result<Value, RenderError> {
        self.allocate(ENTRY_BYTES)?;
        self.maps.push(Map { kind, ..Map::default() });
        Ok(Value::Map(self.maps.len() - 1))
    }

    pub(super) fn list(&self, number: usize) -> &[Value] {
        self.lists.get(number).map_or(&[], |list| &list.items)
    }

    pub(super) fn list_mut(&mut self, number: usize) -> Option<&mut Vec<Value>> {
        self.lists.get_mut(number).map(|list| &mut list.items)
    }

    pub(super) fn map(&self, number: usize) -> Option<&Map> {
        self.maps.get(number)
    }

    pub(super) fn map_mut(&mut self, number: usize) -> Option<&mut Map> {
        self.maps.get_mut(number)
    }

    /// A new entry takes memory, an old one only time.
    fn charge_entry(&mut self, map: usize, key: &str) -> Result<(), RenderError> {
        let known = self.maps.get(map).is_some_and(|map| map.places.contains_key(key));
        if known { self.charge_text(key.len()) } else { self.allocate(ENTRY_BYTES + key.len()) }
    }

    /// Sets an entry; the old value.
    pub(super) fn put(&mut self, map: usize, key: &str, value: Value) -> Result<Value, RenderError> {
        self.charge_entry(map, key)?;
        let key: Rc<str> = Rc::from(key);
        let Some(map) = self.maps.get_mut(map) else { return Ok(Value::Null) };
        if map.kind == Kind::Once && !map.written.insert(Rc::clone(&key)) {
            return Err(RenderError::new(format!("{key} is overridden more than once")));
        }
        Ok(map.put(key, value).unwrap_or(Value::Null))
    }

    /// Sets an entry of a map that was just made.
    pub(super) fn fill(&mut self, map: &Value, key: &str, value: Value) -> Result<(), RenderError> {
        let Value::Map(number) = map else { return Ok(()) };
        self.charge_entry(*number, key)?;
        if let Some(map) = self.maps.get_mut(*number) {
            map.put(Rc::from(key), value);
        }
        Ok(())
    }

    /// JSON as a value. Its depth is that of a parsed document, which is bounded.
    pub(super) fn of_json(&mut self, json: &Json) -> Result<Value, RenderError> {
        self.charge(1)?;
        Ok(match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(number) => Value::Int(number),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => self.text(text)?,
            Json::Array(items) => {
                let items = items.iter().map(|item| self.of_json(item)).collect::<Result<_, _>>()?;
                self.new_list(items, true)?
            }
            Json::Object(entries) => {
                let map = self.new_map(Kind::Ordinary)?;
                for (key, value) in entries {
                    let value = self.of_json(value)?;
                    self.fill(&map, key, value)?;
                }
                map
            }
        })
    }

    /// A value as JSON.
    pub(super) fn as_json(&mut self, value: &Value, depth: usize) -> Result<Json, RenderError> {
        self.charge(1)?;
        if depth > SHOWN_DEPTH_MAX {
            return Err(RenderError::new("a value is nested too deeply, or contains itself"));
        }
        Ok(match value {
            Value::Null | Value::Block(_) | Value::Input | Value::Util => Json::Null,
            Value::Bool(value) => Json::from(*value),
            Value::Int(value) => Json::from(*value),
            Value::Float(value) => Json::from(*value),
            Value::Text(text) => {
                self.allocate(text.len())?;
                Json::from(&**text)
            }
            Value::List(number) => {
                let items = self.list(*number).to_vec();
                self.allocate(ENTRY_BYTES * items.len())?;
                Json::Array(items.iter().map(|item| self.as_json(item, depth + 1)).collect::<Result<_, _>>()?)
            }
            Value::Map(number) => {
                let entries = self.map(*number).map(|map| map.entries.clone()).unwrap_or_default();
                self.allocate(ENTRY_BYTES * entries.len())?;
                let mut object = serde_json::Map::new();
                for (key, value) in entries {
                    self.allocate(key.len())?;
                    object.insert(key.to_string(), self.as_json(&value, depth + 1)?);
                }
                Json::Object(object)
            }
        })
    }

    /// Appends a value as Java would write it. `null` for what has no text.
    pub(super) fn show(&mut self, value: &Value, out: &mut String, depth: usize) -> Result<(), RenderError> {
        self.charge(1)?;
        if depth > SHOWN_DEPTH_MAX {
            return Err(RenderError::new("a value is nested too deeply, or contains itself"));
        }
        match value {
            Value::Null | Value::Block(_) => out.push_str("null"),
            Value::Input => out.push_str("$input"),
            Value::Util => out.push_str("$util"),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Int(value) => out.push_str(&value.to_string()),
            Value::Float(value) => out.push_str(&java_double(*value)),
            Value::Text(text) => {
                self.charge_text(text.len())?;
                out.push_str(text);
            }
            Value::List(number) if self.lists.get(*number).is_some_and(|list| list.json) => {
                let json = self.as_json(value, depth)?;
                out.push_str(&json.to_string());
            }
            Value::List(number) => {
                out.push('[');
                for (at, item) in self.list(*number).to_vec().iter().enumerate() {
                    out.push_str(if at == 0 { "" } else { ", " });
                    self.show(item, out, depth + 1)?;
                }
                out.push(']');
            }
            Value::Map(number) => self.show_map(*number, out, depth)?,
        }
        within_output(out)
    }

    fn show_map(&mut self, number: usize, out: &mut String, depth: usize) -> Result<(), RenderError> {
        let Some(map) = self.maps.get(number) else { return Ok(()) };
        let (kind, entries) = (map.kind, map.entries.clone());
        let of = |name: &str| map.get(name).cloned().unwrap_or(Value::Null);
        match kind {
            Kind::Hidden => out.push_str("null"),
            Kind::Entry => {
                let (key, value) = (of("key"), of("value"));
                self.show(&key, out, depth + 1)?;
                out.push('=');
                self.show(&value, out, depth + 1)?;
            }
            Kind::Ordinary | Kind::AnyCase | Kind::Once => {
                out.push('{');
                for (at, (key, value)) in entries.iter().enumerate() {
                    self.charge_text(key.len())?;
                    out.push_str(if at == 0 { "" } else { ", " });
                    out.push_str(key);
                    out.push('=');
                    self.show(value, out, depth + 1)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }

    /// A value as text.
    pub(super) fn shown(&mut self, value: &Value) -> Result<Rc<str>, RenderError> {
        if let Value::Text(text) = value {
            return Ok(Rc::clone(text));
        }
        let mut out = String::new();
        self.show(value, &mut out, 0)?;
        self.allocate(out.len())?;
        Ok(Rc::from(out))
    }
}

/// No text of a run is longer than its output may be.
pub(super) fn within_output(out: &str) -> Result<(), RenderError> {
    if out.len() > OUTPUT_BYTES_MAX {
        return Err(RenderError::new("the template comes to more than 10 MB"));
    }
    Ok(())
}

/// A floating-point number as Java's `Double.toString` writes it.
pub(super) fn java_double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    let scientific = format!("{value:E}");
    match scientific.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => scientific,
    }
}

/// Ours: what an entry of a list or map is counted as, bytes.
const ENTRY_BYTES: usize = 64;
/// Ours: how deep a value is written; JSON documents are at most 128 deep.
const SHOWN_DEPTH_MAX: usize = 128;
