//! Methods of text. Positions count UTF-16 units, as in Java.

use std::rc::Rc;

use regex::{Captures, Regex, RegexBuilder};

use super::{
    PATTERN_BYTES_MAX, PATTERNS_MAX, RenderError,
    collections::{count, place},
    interpreter::Machine,
    methods::order,
    value::{Value, within_output},
};

impl Machine<'_> {
    pub(super) fn text_method(
        &mut self,
        text: &str,
        name: &str,
        arguments: &[Value],
    ) -> Result<Value, RenderError> {
        self.heap.charge_text(text.len())?;
        Ok(match (name, arguments) {
            ("length", []) => count(text.encode_utf16().count()),
            ("isEmpty", []) => Value::Bool(text.is_empty()),
            ("isBlank", []) => Value::Bool(text.trim().is_empty()),
            ("toUpperCase", []) => self.heap.text(&text.to_uppercase())?,
            ("toLowerCase", []) => self.heap.text(&text.to_lowercase())?,
            // Java's `trim` takes everything up to the space.
            ("trim", []) => self.heap.text(text.trim_matches(|c: char| c <= ' '))?,
            ("strip", []) => self.heap.text(text.trim())?,
            ("hashCode", []) => Value::Int(hash_code(text)),
            ("substring", [from]) => self.part(text, from, None)?,
            ("substring" | "subSequence", [from, to]) => self.part(text, from, Some(to))?,
            ("charAt", [at]) => {
                let units: Vec<u16> = text.encode_utf16().collect();
                let at = place(at, units.len())?;
                let unit = units.get(at..=at).map(String::from_utf16_lossy);
                self.heap.text(&unit.unwrap_or_default())?
            }
            ("split", [pattern]) => self.split(text, pattern, 0)?,
            ("split", [pattern, Value::Int(limit)]) => self.split(text, pattern, *limit)?,
            ("matches", [pattern]) => {
                let pattern = self.pattern(pattern, true)?;
                Value::Bool(pattern.is_match(text))
            }
            ("replaceAll", [pattern, with]) => self.replaced(text, pattern, with, usize::MAX)?,
            ("replaceFirst", [pattern, with]) => self.replaced(text, pattern, with, 1)?,
            ("replace", [old, new]) => {
                let (old, new) = (self.heap.shown(old)?, self.heap.shown(new)?);
                self.heap.charge_text(old.len())?;
                let times = text.matches(&*old).count();
                self.heap.allocate(text.len().saturating_add(times.saturating_mul(new.len())))?;
                let replaced = text.replace(&*old, &new);
                within_output(&replaced)?;
                Value::Text(Rc::from(replaced))
            }
            ("concat", [other]) => {
                let joined = format!("{text}{}", self.heap.shown(other)?);
                within_output(&joined)?;
                self.heap.text(&joined)?
            }
            ("startsWith", [Value::Text(prefix), from @ Value::Int(_)]) => {
                self.heap.charge_text(prefix.len())?;
                let units: Vec<u16> = text.encode_utf16().collect();
                let rest = place(from, units.len() + 1).ok().and_then(|from| units.get(from..));
                let prefix: Vec<u16> = prefix.encode_utf16().collect();
                Value::Bool(rest.is_some_and(|rest| rest.starts_with(&prefix)))
            }
            // `String.valueOf`
            ("valueOf", [other]) => {
                let shown = self.heap.shown(other)?;
                self.heap.text(&shown)?
            }
            (_, [other]) => {
                let other = self.heap.shown(other)?;
                self.heap.charge_text(other.len())?;
                compared(text, name, &other)
            }
            (_, [other, Value::Int(from)]) => {
                let other = self.heap.shown(other)?;
                self.heap.charge_text(other.len())?;
                found_from(text, name, &other, *from)
            }
            _ => Value::Null,
        })
    }

    fn part(&mut self, text: &str, from: &Value, to: Option<&Value>) -> Result<Value, RenderError> {
        let units: Vec<u16> = text.encode_utf16().collect();
        let from = place(from, units.len() + 1)?;
        let to = to.map_or(Ok(units.len()), |to| place(to, units.len() + 1))?;
        let part = units.get(from..to).map(String::from_utf16_lossy);
        let part = part.ok_or_else(|| RenderError::new("a part of a text ends before it begins"))?;
        self.heap.text(&part)
    }

    /// A pattern, compiled once a run; `whole` must match all of the text.
    fn pattern(&mut self, pattern: &Value, whole: bool) -> Result<Rc<Regex>, RenderError> {
        let pattern = self.heap.shown(pattern)?;
        // Also one that is compiled already is looked up by its text.
        self.heap.charge_text(pattern.len())?;
        let source = if whole { format!("^(?:{pattern})$") } else { pattern.to_string() };
        if let Some(known) = self.patterns.get(&source) {
            return Ok(Rc::clone(known));
        }
        if self.patterns.len() >= PATTERNS_MAX {
            return Err(RenderError::new("the template has too many patterns"));
        }
        self.heap.charge(PATTERN_STEPS)?;
        let compiled = RegexBuilder::new(&source).size_limit(PATTERN_BYTES_MAX).nest_limit(50).build();
        let compiled =
            compiled.map_err(|_| RenderError::new(format!("`{pattern}` is not a pattern here")))?;
        let compiled = Rc::new(compiled);
        self.patterns.insert(source, Rc::clone(&compiled));
        Ok(compiled)
    }

    /// Finding all matches of an unbounded pattern may read the rest of the text once for each of them.
    fn charge_match(&mut self, pattern: &Regex, rest: usize) -> Result<(), RenderError> {
        let bounded = !pattern.as_str().contains(['*', '+', '{']);
        self.heap.charge(if bounded { 1 } else { 1 + rest / 32 })
    }

    fn replaced(
        &mut self,
        text: &str,
        pattern: &Value,
        with: &Value,
        times: usize,
    ) -> Result<Value, RenderError> {
        let pattern = self.pattern(pattern, false)?;
        let with = self.heap.shown(with)?;
        let (mut out, mut end) = (String::new(), 0);
        for found in pattern.captures_iter(text).take(times) {
            let Some(whole) = found.get(0) else { break };
            self.charge_match(&pattern, text.len() - whole.start())?;
            out.push_str(text.get(end..whole.start()).unwrap_or_default());
            replacement(&with, &found, &mut out)?;
            within_output(&out)?;
            end = whole.end();
        }
        out.push_str(text.get(end..).unwrap_or_default());
        within_output(&out)?;
        self.heap.text(&out)
    }

    /// Java's `split`: no empty pieces at the end, nor at the beginning for an empty match.
    fn split(&mut self, text: &str, pattern: &Value, limit: i64) -> Result<Value, RenderError> {
        let pattern = self.pattern(pattern, false)?;
        let pieces_max = usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let (mut pieces, mut end) = (Vec::new(), 0);
        for found in pattern.find_iter(text) {
            if pieces.len() + 1 >= pieces_max {
                break;
            }
            self.charge_match(&pattern, text.len() - found.start())?;
            if found.end() == 0 || (found.is_empty() && found.start() == text.len()) {
                continue;
            }
            let piece = text.get(end..found.start()).unwrap_or_default();
            pieces.push(self.heap.text(piece)?);
            end = found.end();
        }
        pieces.push(self.heap.text(text.get(end..).unwrap_or_default())?);
        let is_empty = |piece: &Value| matches!(piece, Value::Text(text) if text.is_empty());
        while limit == 0 && pieces.len() > 1 && pieces.last().is_some_and(is_empty) {
            pieces.pop();
        }
        self.heap.new_list(pieces, false)
    }
}

/// Expands Java's `$1`, `${name}` and `\x` in a replacement.
fn replacement(with: &str, found: &Captures<'_>, out: &mut String) -> Result<(), RenderError> {
    let illegal = || RenderError::new("a replacement has an illegal group or escape");
    let mut rest = with;
    while let Some(at) = rest.find(['\\', '$']) {
        let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(plain);
        let is_group = special.starts_with('$');
        let special = special.get(1..).unwrap_or_default();
        if !is_group {
            let escaped = special.chars().next().ok_or_else(illegal)?;
            out.push(escaped);
            rest = special.get(escaped.len_utf8()..).unwrap_or_default();
        } else if let Some(named) = special.strip_prefix('{') {
            let (name, after) = named.split_once('}').ok_or_else(illegal)?;
            out.push_str(found.name(name).map_or("", |group| group.as_str()));
            rest = after;
        } else {
            let digits = special.find(|c: char| !c.is_ascii_digit()).unwrap_or(special.len());
            // The longest number that is a group.
            let group = (1..=digits.min(2)).rev().find_map(|length| {
                let number: usize = special.get(..length)?.parse().ok()?;
                (number < found.len()).then_some((number, length))
            });
            let (number, length) = group.ok_or_else(illegal)?;
            out.push_str(found.get(number).map_or("", |group| group.as_str()));
            rest = special.get(length..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    Ok(())
}

fn compared(text: &str, name: &str, other: &str) -> Value {
    match name {
        "contains" => Value::Bool(text.contains(other)),
        "startsWith" => Value::Bool(text.starts_with(other)),
        "endsWith" => Value::Bool(text.ends_with(other)),
        "equalsIgnoreCase" => Value::Bool(text.to_lowercase() == other.to_lowercase()),
        "compareTo" => Value::Int(order(text.cmp(other))),
        "compareToIgnoreCase" => Value::Int(order(text.to_lowercase().cmp(&other.to_lowercase()))),
        "indexOf" => position(text, text.find(other)),
        "lastIndexOf" => position(text, text.rfind(other)),
        _ => Value::Null,
    }
}

/// `indexOf` and `lastIndexOf` with a place to begin at.
fn found_from(text: &str, name: &str, other: &str, from: i64) -> Value {
    let from = usize::try_from(from).unwrap_or(0);
    let (mut units, mut bytes) = (0, 0);
    for c in text.chars() {
        if units >= from {
            break;
        }
        units += c.len_utf16();
        bytes += c.len_utf8();
    }
    match name {
        "indexOf" => {
            let rest = text.get(bytes..).unwrap_or_default();
            position(text, rest.find(other).map(|at| at + bytes))
        }
        "lastIndexOf" => {
            let end = bytes.saturating_add(other.len()).min(text.len());
            position(text, text.get(..end).and_then(|part| part.rfind(other)))
        }
        _ => Value::Null,
    }
}

/// A place in bytes as Java's index; -1 for none.
fn position(text: &str, at: Option<usize>) -> Value {
    let units = at.and_then(|at| text.get(..at)).map(|before| before.encode_utf16().count());
    units.map_or(Value::Int(-1), count)
}

/// `String.hashCode`: 32 bits that overflow.
fn hash_code(text: &str) -> i64 {
    let hash =
        text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    i64::from(hash)
}

/// Ours: what compiling a pattern is counted as.
const PATTERN_STEPS: usize = 10_000;
