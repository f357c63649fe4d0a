//! Methods of lists and maps.

use std::rc::Rc;

use super::{
    RenderError,
    interpreter::Machine,
    value::{Kind, Map, Value},
};

impl Machine<'_> {
    pub(super) fn list_method(
        &mut self,
        list: usize,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, RenderError> {
        let length = self.heap.list(list).len();
        Ok(match (name, arguments) {
            ("size" | "length", []) => count(length),
            ("isEmpty", []) => Value::Bool(length == 0),
            ("get", [index]) => {
                let at = place(index, length)?;
                self.heap.list(list).get(at).cloned().unwrap_or(Value::Null)
            }
            ("set", [index, value]) => {
                let at = place(index, length)?;
                let old = self.heap.list_mut(list).and_then(|items| items.get_mut(at));
                old.map_or(Value::Null, |old| std::mem::replace(old, value.clone()))
            }
            ("add", [value]) => {
                self.insert(list, length, value.clone())?;
                Value::Bool(true)
            }
            ("add", [index, value]) => {
                let at = place(index, length + 1)?;
                self.insert(list, at, value.clone())?;
                // `void` in Java; a reference to it has no value.
                Value::Null
            }
            ("addAll", [Value::List(other)]) => {
                let items = self.heap.list(*other).to_vec();
                let changed = !items.is_empty();
                for item in items {
                    let end = self.heap.list(list).len();
                    self.insert(list, end, item)?;
                }
                Value::Bool(changed)
            }
            ("remove", [index @ Value::Int(_)]) => {
                let at = place(index, length)?;
                self.heap.charge(length)?;
                self.heap.list_mut(list).map_or(Value::Null, |items| items.remove(at))
            }
            ("remove", [value]) => match self.find(list, value)? {
                Some(at) => {
                    self.heap.list_mut(list).map(|items| items.remove(at));
                    Value::Bool(true)
                }
                None => Value::Bool(false),
            },
            ("contains", [value]) => Value::Bool(self.find(list, value)?.is_some()),
            ("containsAll", [Value::List(other)]) => {
                let mut all = true;
                self.heap.charge(self.heap.list(*other).len())?;
                for item in self.heap.list(*other).to_vec() {
                    all = all && self.find(list, &item)?.is_some();
                }
                Value::Bool(all)
            }
            ("indexOf", [value]) => self.find(list, value)?.map_or(Value::Int(-1), count),
            ("subList", [from, to]) => {
                let (from, to) = (place(from, length + 1)?, place(to, length + 1)?);
                let items = self.heap.list(list).get(from..to).map(<[Value]>::to_vec);
                let items =
                    items.ok_or_else(|| RenderError::new("a part of a list ends before it begins"))?;
                self.heap.new_list(items, false)?
            }
            ("clear", []) => {
                self.heap.list_mut(list).map(Vec::clear);
                Value::Null
            }
            _ => Value::Null,
        })
    }

    fn insert(&mut self, list: usize, at: usize, value: Value) -> Result<(), RenderError> {
        self.heap.allocate(size_of::<Value>())?;
        let moved = self.heap.list(list).len().saturating_sub(at);
        self.heap.charge(1 + moved)?;
        if let Some(items) = self.heap.list_mut(list).filter(|items| at <= items.len()) {
            items.insert(at, value);
        }
        Ok(())
    }

    fn find(&mut self, list: usize, value: &Value) -> Result<Option<usize>, RenderError> {
        let mut at = 0;
        // One element at a time: comparing needs the heap, and what is copied beforehand may not be looked at.
        while let Some(item) = self.heap.list(list).get(at).cloned() {
            self.heap.charge(1)?;
            let one_type = std::mem::discriminant(&item) == std::mem::discriminant(value);
            if one_type && self.equal(&item, value)? {
                return Ok(Some(at));
            }
            at += 1;
        }
        Ok(None)
    }

    pub(super) fn map_method(
        &mut self,
        map: usize,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, RenderError> {
        let Some(found) = self.heap.map(map) else { return Ok(Value::Null) };
        if found.kind == Kind::Entry {
            let wanted = match (name, arguments) {
                ("getKey", []) => "key",
                ("getValue", []) => "value",
                _ => return Ok(Value::Null),
            };
            return Ok(found.get(wanted).cloned().unwrap_or(Value::Null));
        }
        if let [key, rest @ ..] = arguments {
            return self.keyed_method(map, name, key, rest);
        }
        let entries = found.entries();
        Ok(match name {
            "size" => count(entries.len()),
            "isEmpty" => Value::Bool(entries.is_empty()),
            "keySet" => {
                let keys = entries.iter().map(|(key, _)| Value::Text(Rc::clone(key))).collect();
                self.heap.new_list(keys, false)?
            }
            "values" => {
                let values = entries.iter().map(|(_, value)| value.clone()).collect();
                self.heap.new_list(values, false)?
            }
            "entrySet" => {
                let entries = entries.to_vec();
                let mut made = Vec::new();
                for (key, value) in entries {
                    let entry = self.heap.new_map(Kind::Entry)?;
                    self.heap.fill(&entry, "key", Value::Text(key))?;
                    self.heap.fill(&entry, "value", value)?;
                    made.push(entry);
                }
                self.heap.new_list(made, false)?
            }
            "clear" => {
                self.heap.map_mut(map).map(Map::clear);
                Value::Null
            }
            _ => Value::Null,
        })
    }

    fn keyed_method(
        &mut self,
        map: usize,
        name: &str,
        key: &Value,
        rest: &[Value],
    ) -> Result<Value, RenderError> {
        if let ("putAll", Value::Map(other), []) = (name, key, rest) {
            self.heap.charge(self.heap.map(*other).map_or(0, |map| map.entries().len()))?;
            let entries = self.heap.map(*other).map(|map| map.entries().to_vec()).unwrap_or_default();
            for (key, value) in entries {
                self.heap.put(map, &key, value)?;
            }
            return Ok(Value::Null);
        }
        if let ("containsValue", []) = (name, rest) {
            self.heap.charge(self.heap.map(map).map_or(0, |map| map.entries().len()))?;
            let entries = self.heap.map(map).map(|map| map.entries().to_vec()).unwrap_or_default();
            for (_, value) in entries {
                self.heap.charge(1)?;
                if self.equal(&value, key)? {
                    return Ok(Value::Bool(true));
                }
            }
            return Ok(Value::Bool(false));
        }
        let key = self.heap.shown(key)?;
        self.heap.charge_text(key.len())?;
        let found = self.heap.map(map);
        // Names in any case are found by looking at all of them.
        let entries = found.map_or(0, |map| map.entries().len());
        let found = found.and_then(|map| map.get(&key)).cloned();
        self.heap.charge(1 + entries / 16)?;
        Ok(match (name, rest) {
            ("get", []) => found.unwrap_or(Value::Null),
            ("getOrDefault", [default]) => found.unwrap_or_else(|| default.clone()),
            ("containsKey", []) => Value::Bool(found.is_some()),
            ("put", [value]) => self.heap.put(map, &key, value.clone())?,
            ("putIfAbsent", [value]) => match found {
                Some(found) => found,
                None => self.heap.put(map, &key, value.clone())?,
            },
            ("remove", []) => {
                self.heap.charge(entries)?;
                self.heap.map_mut(map).and_then(|map| map.remove(&key)).unwrap_or(Value::Null)
            }
            _ => Value::Null,
        })
    }
}

/// A number of things.
pub(super) fn count(number: usize) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// An index below `length`.
pub(super) fn place(index: &Value, length: usize) -> Result<usize, RenderError> {
    let at = if let Value::Int(index) = index { usize::try_from(*index).ok() } else { None };
    at.filter(|at| *at < length).ok_or_else(|| RenderError::new("an index is out of bounds"))
}
