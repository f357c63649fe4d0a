//! What API Gateway adds to Velocity: `$input`, `$util`, and the values under `$context`.
// AWS: mapping template reference of the developer guide.

use std::{collections::BTreeMap, fmt::Write as _, rc::Rc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value as Json;

use super::{
    RenderError,
    collections::count,
    interpreter::Machine,
    jsonpath::{Found, Path},
    value::{Heap, Kind, Value},
};

/// A value under `$context`. What is not known is empty text.
// AWS: `$context.identity.user` and the like of unsigned requests come out empty (seen with the console's pass-through
// template).
pub(super) fn context_value(heap: &mut Heap, json: &Json) -> Result<Value, RenderError> {
    let Json::Object(entries) = json else {
        return if json.is_null() { heap.text("") } else { heap.of_json(json) };
    };
    let map = heap.new_map(Kind::Ordinary)?;
    for (name, value) in entries {
        let value = context_value(heap, value)?;
        if let ("claims", Value::Map(claims)) = (name.as_str(), &value)
            && let Some(claims) = heap.map_mut(*claims)
        {
            claims.kind = Kind::Hidden;
        }
        heap.fill(&map, name, value)?;
    }
    Ok(map)
}

impl Machine<'_> {
    /// Texts by name.
    pub(super) fn text_map(
        &mut self,
        texts: &BTreeMap<String, String>,
        kind: Kind,
    ) -> Result<Value, RenderError> {
        let map = self.heap.new_map(kind)?;
        for (name, text) in texts {
            let text = self.heap.text(text)?;
            self.heap.fill(&map, name, text)?;
        }
        Ok(map)
    }

    // AWS: an empty body is `{}` to templates (recorded by others).
    pub(super) fn input_body(&mut self) -> Result<Value, RenderError> {
        let body = self.inputs.body;
        self.heap.text(if body.is_empty() { "{}" } else { body })
    }

    pub(super) fn input_method(&mut self, name: &str, arguments: &[Value]) -> Result<Value, RenderError> {
        match (name, arguments) {
            ("json", [path]) => {
                let (path, body) = (self.path(path)?, self.body()?);
                let text = match path.find(&body, &mut self.heap)? {
                    // AWS: a path that leads nowhere is empty text (seen: `"$input.path('$.none')"` renders `""`).
                    Found::Missing => "\"\"".to_owned(),
                    Found::One(one) => one.to_string(),
                    Found::Length(length) => length.to_string(),
                    Found::Many(many) => {
                        let mut text = String::from("[");
                        for (at, one) in many.into_iter().enumerate() {
                            text.push_str(if at == 0 { "" } else { "," });
                            let one = one.to_string();
                            self.heap.allocate(one.len())?;
                            text.push_str(&one);
                        }
                        text.push(']');
                        text
                    }
                };
                self.heap.text(&text)
            }
            ("path", [path]) => {
                let (path, body) = (self.path(path)?, self.body()?);
                match path.find(&body, &mut self.heap)? {
                    Found::Missing => self.heap.text(""),
                    Found::One(one) => self.heap.of_json(one),
                    Found::Length(length) => Ok(count(length)),
                    Found::Many(many) => {
                        let items = many.into_iter().map(|one| self.heap.of_json(one));
                        let items = items.collect::<Result<_, _>>()?;
                        self.heap.new_list(items, true)
                    }
                }
            }
            ("params", []) => self.all_parameters(),
            ("params", [name]) => {
                let name = self.heap.shown(name)?;
                self.any_parameter(&name)
            }
            _ => Ok(Value::Null),
        }
    }

    fn path(&mut self, path: &Value) -> Result<Path, RenderError> {
        let path = self.heap.shown(path)?;
        self.heap.charge_text(path.len().saturating_mul(16))?;
        Path::parse(&path)
    }

    /// The body as JSON; what is no JSON is one text.
    // AWS: form data comes out of `$input.json('$')` as a quoted text (seen in use).
    fn body(&mut self) -> Result<Rc<Json>, RenderError> {
        if let Some(known) = &self.body {
            return Ok(Rc::clone(known));
        }
        let text = self.inputs.body;
        // Before it is read: many short values need far more memory than their text.
        let values = text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
        self.heap.allocate(text.len().saturating_add(values.saturating_mul(VALUE_BYTES)))?;
        let body = match text.trim() {
            "" => Json::Object(serde_json::Map::new()),
            _ => serde_json::from_str(text).unwrap_or_else(|_| Json::from(text)),
        };
        Ok(Rc::clone(self.body.insert(Rc::new(body))))
    }

    fn all_parameters(&mut self) -> Result<Value, RenderError> {
        if let Some(known) = &self.parameters {
            return Ok(known.clone());
        }
        let inputs = self.inputs;
        let all = self.heap.new_map(Kind::Ordinary)?;
        for (name, texts, kind) in [
            ("path", inputs.path, Kind::Ordinary),
            ("querystring", inputs.query, Kind::Ordinary),
            ("header", inputs.headers, Kind::AnyCase),
        ] {
            let texts = self.text_map(texts, kind)?;
            self.heap.fill(&all, name, texts)?;
        }
        Ok(self.parameters.insert(all).clone())
    }

    // AWS: path, then query string, then header; a parameter that is not there is empty text.
    fn any_parameter(&mut self, name: &str) -> Result<Value, RenderError> {
        let inputs = self.inputs;
        self.heap.charge(inputs.headers.len())?;
        self.heap.charge_text(name.len())?;
        let header = || {
            inputs.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let found = inputs.path.get(name).or_else(|| inputs.query.get(name)).or_else(header);
        self.heap.text(found.map_or("", String::as_str))
    }

    pub(super) fn util_method(&mut self, name: &str, arguments: &[Value]) -> Result<Value, RenderError> {
        let [given] = arguments else { return Ok(Value::Null) };
        if !UTILITIES.contains(&name) {
            return Ok(Value::Null);
        }
        let text = self.heap.shown(given)?;
        self.heap.charge_text(text.len())?;
        let made = match name {
            "escapeJavaScript" => escaped(&text),
            "urlEncode" => url_encoded(&text),
            "urlDecode" => url_decoded(&text)?,
            "base64Encode" => STANDARD.encode(text.as_bytes()),
            "base64Decode" => {
                let bytes = STANDARD.decode(text.as_bytes());
                let bytes =
                    bytes.map_err(|_| RenderError::new("$util.base64Decode: the text is not base64"))?;
                String::from_utf8_lossy(&bytes).into_owned()
            }
            _ => {
                let values = text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
                self.heap.allocate(text.len().saturating_add(values.saturating_mul(VALUE_BYTES)))?;
                let json: Json = serde_json::from_str(&text)
                    .map_err(|_| RenderError::new("$util.parseJson: the text is not JSON"))?;
                return self.heap.of_json(&json);
            }
        };
        self.heap.text(&made)
    }
}

/// Text for the inside of a JavaScript string.
// AWS: as Apache Commons' escapeJavaScript: quotes of both kinds, backslash, slash, control characters, and everything
// beyond ASCII as `\uXXXX`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' | '/' => out.extend(['\\', c]),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to text cannot fail.
                    let _ = write!(out, "\\u{unit:04X}");
                }
            }
        }
    }
    out
}

/// `application/x-www-form-urlencoded`, as Java's `URLEncoder`.
fn url_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'.' | b'-' | b'*' | b'_' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

fn url_decoded(text: &str) -> Result<String, RenderError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
                let decoded = digit().zip(digit()).and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
                decoded.ok_or_else(|| RenderError::new("$util.urlDecode: a broken escape"))?
            }
            byte => byte,
        });
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

const UTILITIES: [&str; 6] =
    ["base64Decode", "base64Encode", "escapeJavaScript", "parseJson", "urlDecode", "urlEncode"];
/// Ours: what a value of a parsed document is counted as, bytes.
const VALUE_BYTES: usize = 48;
