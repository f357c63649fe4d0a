//! The policy document of a browser form: until when, and what each field must be. Knows nothing of signatures.

use casemate_names::Timestamp;
use serde_json::Value;

use crate::post_form::{Field, FormError};

/// A policy, read.
#[derive(Debug)]
pub(crate) struct PostPolicy {
    expires_at: Timestamp,
    conditions: Vec<Condition>,
}

#[derive(Debug)]
enum Condition {
    Equal { field: String, value: String },
    StartsWith { field: String, prefix: String },
    Length { min: u64, max: u64 },
}

impl PostPolicy {
    // AWS: S3 API reference, "POST Policy": `expiration` and `conditions` are needed.
    pub(crate) fn read(json: &[u8]) -> Result<Self, FormError> {
        let invalid = |why: &str| FormError::InvalidPolicy(why.to_owned());
        let value: Value = serde_json::from_slice(json).map_err(|_| invalid("Invalid JSON."))?;
        let expires_at = value
            .get("expiration")
            .and_then(Value::as_str)
            .ok_or_else(|| invalid("Policy missing expiration."))
            .and_then(|text| {
                Timestamp::parse_iso8601(text).map_err(|_| invalid("Invalid 'expiration' value."))
            })?;
        let conditions = value
            .get("conditions")
            .and_then(Value::as_array)
            .ok_or_else(|| invalid("Policy missing conditions."))?
            .iter()
            .map(|condition| Condition::read(condition).ok_or_else(|| invalid("Invalid Condition.")))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { expires_at, conditions: conditions.into_iter().flatten().collect() })
    }

    /// Does the policy allow this form? Every field must be mentioned and every condition hold.
    pub(crate) fn check(
        &self,
        fields: &[Field<'_>],
        bucket: &str,
        file_bytes: u64,
        now: Timestamp,
    ) -> Result<(), FormError> {
        if self.expires_at <= now {
            return Err(FormError::Refused("Policy expired.".to_owned()));
        }
        for condition in &self.conditions {
            condition.check(fields, bucket, file_bytes)?;
        }
        let mentioned = |name: &str| {
            self.conditions.iter().any(|condition| match condition {
                Condition::Equal { field, .. } | Condition::StartsWith { field, .. } => {
                    field.eq_ignore_ascii_case(name)
                }
                Condition::Length { .. } => false,
            })
        };
        // A form names no bucket: only its policy binds it to one.
        if !mentioned("bucket") {
            return Err(FormError::Refused("Extra input fields: bucket".to_owned()));
        }
        let extra = fields.iter().find(|field| !is_exempt(field.name) && !mentioned(field.name));
        match extra {
            None => Ok(()),
            Some(field) => Err(FormError::Refused(format!("Extra input fields: {}", field.name))),
        }
    }
}

/// Fields that no condition has to mention.
// AWS: S3 API reference, "POST Policy", "Conditions".
fn is_exempt(name: &str) -> bool {
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    let ignored = name.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("x-ignore-"));
    is("x-amz-signature") || is("file") || is("policy") || ignored
}

impl Condition {
    /// One element of `conditions`; an object may hold several.
    fn read(value: &Value) -> Option<Vec<Self>> {
        match value {
            Value::Object(pairs) if !pairs.is_empty() => pairs
                .iter()
                .map(|(field, value)| {
                    Some(Self::Equal { field: field.clone(), value: value.as_str()?.to_owned() })
                })
                .collect(),
            Value::Array(parts) => {
                let [operator, second, third] = parts.as_slice() else { return None };
                let operator = operator.as_str()?.to_ascii_lowercase();
                if operator == "content-length-range" {
                    let (min, max) = (whole(second)?, whole(third)?);
                    return Some(vec![Self::Length { min, max }]);
                }
                let field = second.as_str()?.strip_prefix('$')?.to_owned();
                let text = third.as_str()?.to_owned();
                match operator.as_str() {
                    "eq" => Some(vec![Self::Equal { field, value: text }]),
                    "starts-with" => Some(vec![Self::StartsWith { field, prefix: text }]),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn check(&self, fields: &[Field<'_>], bucket: &str, file_bytes: u64) -> Result<(), FormError> {
        let value = |name: &str| {
            if name.eq_ignore_ascii_case("bucket") {
                return Some(bucket);
            }
            fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
        };
        let (holds, shown) = match self {
            Self::Equal { field, value: wanted } => {
                (value(field) == Some(wanted.as_str()), format!(r#"["eq", "${field}", "{wanted}"]"#))
            }
            Self::StartsWith { field, prefix } => {
                let shown = format!(r#"["starts-with", "${field}", "{prefix}"]"#);
                (value(field).is_some_and(|value| starts_with(field, value, prefix)), shown)
            }
            Self::Length { min, max } => {
                return match file_bytes {
                    bytes if bytes > *max => Err(FormError::TooLarge { max: *max }),
                    bytes if bytes < *min => Err(FormError::TooSmall { min: *min }),
                    _ => Ok(()),
                };
            }
        };
        if holds { Ok(()) } else { Err(FormError::Refused(format!("Policy Condition failed: {shown}"))) }
    }
}

// AWS: S3 API reference, "POST Policy": each of several comma-separated content types must start so.
fn starts_with(field: &str, value: &str, prefix: &str) -> bool {
    if field.eq_ignore_ascii_case("content-type") {
        return value.split(',').all(|part| part.trim_start().starts_with(prefix));
    }
    value.starts_with(prefix)
}

/// Numbers come as numbers or, from some form builders, as text.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
