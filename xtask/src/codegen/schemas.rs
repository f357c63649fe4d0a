//! Writes `pub mod schema`: one static description per reachable shape.

use std::fmt::Write;

use super::{
    model::{MemberRef, ShapeRef},
    reach::Reach,
};

/// The whole module.
pub(crate) fn all(reach: &Reach<'_>) -> Result<String, String> {
    let mut out =
        "/// What the shapes are made of and which values are legal.\npub mod schema {\n".to_owned();
    let mut body = String::new();
    for shape in reach.shapes.values() {
        body.push_str(&one(reach, *shape)?);
    }
    let mut imports = vec!["Constraints", "Kind", "Schema"];
    imports.extend(
        ["Location", "Member", "TimestampFormat"].iter().filter(|name| body.contains(&format!("{name}::"))),
    );
    imports.sort_unstable();
    let _ = writeln!(out, "use casemate_schema::{{{}}};\n", imports.join(", "));
    out.push_str(&body);
    out.push_str("}\n");
    Ok(out)
}

fn one(reach: &Reach<'_>, shape: ShapeRef<'_>) -> Result<String, String> {
    Ok(format!(
        "/// `{name}`.\npub static {id}: Schema = Schema {{ name: {name:?}, kind: {kind}, constraints: {constraints}, sensitive: {sensitive} }};\n\n",
        name = shape.name,
        id = reach.static_of(shape.name),
        kind = kind(reach, shape)?,
        constraints = constraints(shape)?,
        sensitive = shape.is("sensitive"),
    ))
}

fn kind(reach: &Reach<'_>, shape: ShapeRef<'_>) -> Result<String, String> {
    let reference = |name: &str| format!("|| &{}", reach.static_of(name));
    Ok(match shape.kind() {
        "string" if !shape.values().is_empty() => {
            let values: Vec<String> = shape.values().iter().map(|value| format!("{value:?}")).collect();
            format!("Kind::Enum(&[{}])", values.join(", "))
        }
        "string" | "character" => "Kind::String".to_owned(),
        "boolean" => "Kind::Boolean".to_owned(),
        "integer" => "Kind::Integer".to_owned(),
        "long" => "Kind::Long".to_owned(),
        "float" => "Kind::Float".to_owned(),
        "double" => "Kind::Double".to_owned(),
        "blob" => "Kind::Blob".to_owned(),
        "timestamp" => {
            let format = timestamp_format(shape.text("timestampFormat"))?;
            format!(
                "Kind::Timestamp({})",
                format.map_or_else(|| "None".to_owned(), |format| format!("Some({format})"))
            )
        }
        "list" => {
            let name = if shape.element_name().is_empty() { "member" } else { shape.element_name() };
            let member = reference(shape.part("member"));
            format!(
                "Kind::List {{ member: {member}, member_name: {name:?}, flattened: {} }}",
                shape.is("flattened")
            )
        }
        "map" => {
            format!(
                "Kind::Map {{ key: {}, value: {} }}",
                reference(shape.part("key")),
                reference(shape.part("value"))
            )
        }
        "structure" => {
            let members: Result<Vec<String>, String> =
                shape.members().iter().map(|member| self::member(reach, member)).collect();
            let payload = shape.text("payload");
            let payload = if payload.is_empty() { "None".to_owned() } else { format!("Some({payload:?})") };
            format!(
                "Kind::Structure {{ members: &[{}], payload: {payload}, union: {} }}",
                members?.join(", "),
                shape.is("union")
            )
        }
        other => return Err(format!("{}: no schema for shapes of type {other}", shape.name)),
    })
}

fn member(reach: &Reach<'_>, member: &MemberRef<'_>) -> Result<String, String> {
    let mut out = format!("Member::new({:?}, || &{})", member.name, reach.static_of(member.shape()));
    if member.required {
        out.push_str(".required()");
    }
    // Query services may name a member otherwise in requests; everywhere else `locationName` is the only wire name.
    let wire =
        [member.text("queryName"), member.text("locationName")].into_iter().find(|name| !name.is_empty());
    if let Some(wire) = wire.filter(|wire| *wire != member.name) {
        let _ = write!(out, ".called({wire:?})");
    }
    let location = match member.text("location") {
        "" => None,
        "uri" => Some("Uri"),
        "querystring" => Some("QueryString"),
        "header" => Some("Header"),
        "headers" => Some("Headers"),
        "statusCode" => Some("StatusCode"),
        other => return Err(format!("{}: no location {other}", member.name)),
    };
    if let Some(location) = location {
        let _ = write!(out, ".at(Location::{location})");
    }
    if let Some(format) = timestamp_format(member.text("timestampFormat"))? {
        let _ = write!(out, ".format({format})");
    }
    Ok(out)
}

fn timestamp_format(name: &str) -> Result<Option<&'static str>, String> {
    Ok(match name {
        "" => None,
        "iso8601" => Some("TimestampFormat::Iso8601"),
        "unixTimestamp" => Some("TimestampFormat::UnixTimestamp"),
        "rfc822" => Some("TimestampFormat::Rfc822"),
        other => return Err(format!("no timestamp format {other}")),
    })
}

/// Patterns that are not checked, because no linear-time expression matches the same texts. Recorded here so that the list
/// is reviewed; an operation that takes such a value must check it itself.
const UNCHECKED_PATTERNS: &[&str] = &[
    // DocumentDB collection names of event source mappings: must not begin with `system.`
    r"(^(?!(system\x2e)))(^[_a-zA-Z0-9])([^$]*)",
    // a qualifier inside a function URL's name must not be digits alone
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]{1,64})(:((?!\d+$)[0-9a-zA-Z-_]+))?",
    // surrogate pairs and POSIX classes of auto-scaling settings, which are not stored
    r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*",
];

fn constraints(shape: ShapeRef<'_>) -> Result<String, String> {
    let pattern = shape.text("pattern");
    let checked = !pattern.is_empty() && !UNCHECKED_PATTERNS.contains(&pattern);
    if checked && !casemate_schema::pattern_is_usable(pattern) {
        return Err(format!(
            "{}: the pattern {pattern} must be rewritten in schema/src/pattern.rs",
            shape.name
        ));
    }
    let (min, max) = (shape.number("min"), shape.number("max"));
    if min.is_none() && max.is_none() && !checked {
        return Ok("Constraints::NONE".to_owned());
    }
    let number =
        |number: Option<f64>| number.map_or_else(|| "None".to_owned(), |n| format!("Some({})", float(n)));
    let pattern = if checked { format!("Some({})", raw(pattern)) } else { "None".to_owned() };
    Ok(format!("Constraints {{ min: {}, max: {}, pattern: {pattern} }}", number(min), number(max)))
}

/// A float literal with its digits in groups of three: `131_072.0`.
fn float(number: f64) -> String {
    let text = format!("{number}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push('_');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}.{fraction}")
}

/// A raw string literal with just the hashes it needs.
fn raw(text: &str) -> String {
    if !text.contains(['\\', '"']) {
        return format!("{text:?}");
    }
    let hashes = if text.contains('"') { "#" } else { "" };
    format!("r{hashes}\"{text}\"{hashes}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_legible() {
        assert_eq!(float(131_072.0), "131_072.0");
        assert_eq!(float(-5.0), "-5.0");
        assert_eq!(float(0.5), "0.5");
        assert_eq!(raw(r"[\w]+"), r#"r"[\w]+""#);
        assert_eq!(raw("[a]"), r#""[a]""#);
    }
}
