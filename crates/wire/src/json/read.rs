//! JSON straight into a document, guided by the schema: no intermediate tree, unknown members skipped without being built.
//!
//! - Members the model does not have are ignored, as AWS does; `null` members are absent.
//! - A value of the wrong type is refused in the vendor's words.
//! - DIVERGES: a member or map key that occurs twice is refused (AWS takes the last): two readers of one request must
//!   not be able to disagree about it.

use std::{cell::RefCell, fmt};

use casemate_schema::{Document, Kind, Schema, TimestampFormat};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Members;
use crate::{
    DecodeError,
    http_value::{read_base64, read_timestamp, timestamp_from_seconds},
};

/// Nested deeper, a body is refused. The same number as `casemate_schema::check` uses; the deepest legitimate input is a
/// DynamoDB-like value of 32 levels, two of ours each.
const DEPTH_MAX: usize = 100;

/// Reads one value that is the whole text.
pub(super) fn read(schema: &Schema, members: Members, json: &[u8]) -> Result<Document, DecodeError> {
    let failure = RefCell::new(None);
    let seed = Value { schema, format: None, members, depth: 0, failure: &failure };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let read = seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    read.map_err(|error| {
        failure.take().unwrap_or_else(|| {
            DecodeError::serialization(format!("Could not parse request body into json: {error}"))
        })
    })
}

/// A value of a shape.
#[derive(Clone, Copy)]
struct Value<'a> {
    schema: &'a Schema,
    /// The member's override.
    format: Option<TimestampFormat>,
    members: Members,
    depth: usize,
    /// What was refused by us rather than by the grammar.
    failure: &'a RefCell<Option<DecodeError>>,
}

impl<'a> Value<'a> {
    fn inner(&self, schema: &'a Schema, format: Option<TimestampFormat>) -> Self {
        Self { schema, format, members: Members::All, depth: self.depth + 1, failure: self.failure }
    }

    fn refuse<T, E: de::Error>(&self, error: DecodeError) -> Result<T, E> {
        self.failure.replace(Some(error));
        Err(E::custom("refused"))
    }

    fn wrong<T, E: de::Error>(&self, message: impl Into<String>) -> Result<T, E> {
        self.refuse(DecodeError::Serialization(message.into()))
    }

    /// AWS: `NUMBER_VALUE cannot be converted to String`, as the vendor's JSON front end says for every scalar mismatch.
    fn mismatch<T, E: de::Error>(&self, found: &str) -> Result<T, E> {
        let wanted = match self.schema.kind {
            Kind::String | Kind::Enum(_) => "String",
            Kind::Boolean => "Boolean",
            Kind::Integer => "Integer",
            Kind::Long => "Long",
            Kind::Float => "Float",
            Kind::Double => "Double",
            Kind::Blob => "ByteBuffer",
            Kind::Timestamp(_) => "Timestamp",
            // AWS: the same front end's text where a list or structure belongs.
            Kind::List { .. } | Kind::Map { .. } | Kind::Structure { .. } => {
                return self.wrong("Unexpected field type");
            }
        };
        self.wrong(format!("{found} cannot be converted to {wanted}"))
    }

    fn integer<E: de::Error>(&self, value: i64) -> Result<Document, E> {
        match self.schema.kind {
            Kind::Integer if i32::try_from(value).is_ok() => Ok(Document::Integer(value)),
            Kind::Integer => self.wrong("NUMBER_VALUE out of the range of Integer"),
            Kind::Long => Ok(Document::Integer(value)),
            #[expect(clippy::cast_precision_loss, reason = "a floating-point member takes the nearest value")]
            Kind::Float | Kind::Double => Ok(Document::Double(value as f64)),
            #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 seconds; the range is checked")]
            Kind::Timestamp(_) => self.instant(timestamp_from_seconds(value as f64)),
            _ => self.mismatch("NUMBER_VALUE"),
        }
    }

    fn instant<E: de::Error>(&self, time: Option<casemate_names::Timestamp>) -> Result<Document, E> {
        time.map_or_else(|| self.wrong("Invalid timestamp"), |time| Ok(Document::Timestamp(time)))
    }

    fn text<E: de::Error>(&self, text: &str) -> Result<Document, E> {
        match &self.schema.kind {
            Kind::String | Kind::Enum(_) => Ok(Document::String(text.to_owned())),
            Kind::Blob => match read_base64(text) {
                Ok(bytes) => Ok(Document::Blob(bytes.into())),
                Err(error) => self.refuse(error),
            },
            Kind::Float | Kind::Double => match text {
                "NaN" => Ok(Document::Double(f64::NAN)),
                "Infinity" => Ok(Document::Double(f64::INFINITY)),
                "-Infinity" => Ok(Document::Double(f64::NEG_INFINITY)),
                _ => self.mismatch("STRING_VALUE"),
            },
            Kind::Timestamp(own) => match self.format.or(*own) {
                Some(format @ (TimestampFormat::Iso8601 | TimestampFormat::Rfc822)) => {
                    self.instant(read_timestamp(format, text))
                }
                // Some clients send ISO 8601 where the model wants seconds; the vendor reads both.
                None | Some(TimestampFormat::UnixTimestamp) => {
                    self.instant(read_timestamp(TimestampFormat::Iso8601, text))
                }
            },
            _ => self.mismatch("STRING_VALUE"),
        }
    }

    /// What a `null` element of a list or map is.
    fn null_element<E: de::Error>(&self) -> Result<Document, E> {
        match self.schema.kind {
            // A structure without members: refused by whoever needs one, in their own words.
            Kind::Structure { .. } => Ok(Document::empty()),
            _ => self.mismatch("NULL_VALUE"),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Document;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Document, D::Error> {
        if self.depth > DEPTH_MAX {
            return self.refuse(DecodeError::TooComplex("The request is nested too deeply"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.schema.name)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Document, E> {
        match self.schema.kind {
            Kind::Boolean => Ok(Document::Bool(value)),
            _ => self.mismatch(if value { "TRUE_VALUE" } else { "FALSE_VALUE" }),
        }
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Document, E> {
        self.integer(value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Document, E> {
        match i64::try_from(value) {
            Ok(value) => self.integer(value),
            #[expect(clippy::cast_precision_loss, reason = "a floating-point member takes the nearest value")]
            Err(_) => self.visit_f64(value as f64),
        }
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Document, E> {
        match self.schema.kind {
            Kind::Float | Kind::Double => Ok(Document::Double(value)),
            Kind::Timestamp(_) => self.instant(timestamp_from_seconds(value)),
            // Clients whose only number is a float write 5.0 for 5.
            Kind::Integer | Kind::Long if value.fract() == 0.0 && value.abs() <= FLOAT_EXACT_MAX =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "integral and within 2^53")]
                self.integer(value as i64)
            }
            _ => self.mismatch("DECIMAL_VALUE"),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Document, E> {
        self.text(text)
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Document, E> {
        match self.schema.kind {
            Kind::String | Kind::Enum(_) => Ok(Document::String(text)),
            _ => self.text(&text),
        }
    }

    fn visit_unit<E: de::Error>(self) -> Result<Document, E> {
        if self.depth == 0 { self.wrong("Unexpected null") } else { Ok(Document::Null) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Document, A::Error> {
        let Kind::List { member, .. } = &self.schema.kind else {
            // AWS: text of the vendor's JSON front end.
            return self.wrong("Start of list found where not expected");
        };
        let seed = self.inner(member(), None);
        let mut items = Vec::new();
        while let Some(item) = elements.next_element_seed(seed)? {
            items.push(if item.is_null() { seed.null_element()? } else { item });
        }
        Ok(Document::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Document, A::Error> {
        match &self.schema.kind {
            Kind::Structure { .. } => self.structure(&mut entries),
            Kind::Map { value, .. } => {
                let seed = self.inner(value(), None);
                let mut found: Vec<(String, Document)> = Vec::new();
                while let Some(key) = entries.next_key::<String>()? {
                    let entry = entries.next_value_seed(seed)?;
                    found.push((key, if entry.is_null() { seed.null_element()? } else { entry }));
                }
                if repeats(&found) {
                    return self.wrong("A key occurs twice");
                }
                Ok(Document::Map(found))
            }
            // AWS: text of the vendor's JSON front end.
            _ => self.wrong("Start of structure or map found where not expected."),
        }
    }
}

impl Value<'_> {
    fn structure<'de, A: MapAccess<'de>>(&self, entries: &mut A) -> Result<Document, A::Error> {
        let mut found: Vec<(String, Document)> = Vec::new();
        // Null members leave no entry but count as given.
        let mut nulls: Vec<&str> = Vec::new();
        while let Some(known) = entries.next_key_seed(Name { schema: self.schema, members: self.members })? {
            let Some(member) = known else {
                entries.next_value::<IgnoredAny>()?;
                continue;
            };
            if nulls.contains(&member.name) || found.iter().any(|(name, _)| name == member.name) {
                return self.wrong("A member occurs twice");
            }
            let value = entries.next_value_seed(self.inner((member.schema)(), member.timestamp_format))?;
            if value.is_null() {
                nulls.push(member.name);
            } else {
                found.push((member.name.to_owned(), value));
            }
        }
        Ok(Document::Map(found))
    }
}

/// The name of a member; `None` for one the model does not have.
struct Name<'a> {
    schema: &'a Schema,
    members: Members,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<&'static casemate_schema::Member>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<&'static casemate_schema::Member>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.schema.members().iter().find(|member| {
            member.wire_name == name
                && (self.members == Members::All || member.location == casemate_schema::Location::Body)
        }))
    }
}

fn repeats(entries: &[(String, Document)]) -> bool {
    let mut keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys.windows(2).any(|two| two.first() == two.last())
}

/// 2^53: below it every integral float is that integer.
const FLOAT_EXACT_MAX: f64 = 9_007_199_254_740_992.0;
