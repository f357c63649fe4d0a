//! Turns properties into an operation's input by the operation's own shape: names, nesting and types come from the model, so
//! an unknown property or a wrong type is found before anything is made. Knows no resource type.

use casemate_schema::{Document, Kind, Schema};

use crate::{
    intrinsic::{NO_VALUE, function},
    template::{Node, TemplateError, Value},
};

/// What is being converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// A template's own text: functions are not evaluated and stand for anything.
    Template,
    /// Evaluated values: what looks like a function is data.
    Evaluated,
}

/// Converts `node` to a document of `schema`.
pub(crate) fn document(
    node: &Node,
    schema: &'static Schema,
    stage: Stage,
) -> Result<Document, TemplateError> {
    if stage == Stage::Template
        && let Some((name, argument)) = function(node)
    {
        if name == "Fn::If" {
            for branch in argument.items().iter().skip(1).filter(|branch| !is_no_value(branch)) {
                document(branch, schema, stage)?;
            }
        }
        return Ok(Document::Null);
    }
    match &schema.kind {
        Kind::Structure { .. } => structure(node, schema, stage),
        Kind::Map { value, .. } => {
            let entries =
                node.is_map().then(|| node.entries()).ok_or_else(|| expected(node, "an object", stage))?;
            let entries =
                entries.iter().map(|entry| Ok((entry.key.clone(), document(&entry.node, value(), stage)?)));
            entries.collect::<Result<_, _>>().map(Document::Map)
        }
        Kind::List { member, .. } => {
            if !node.is_list() {
                return Err(expected(node, "a list", stage));
            }
            let items = node.items().iter().map(|item| document(item, member(), stage));
            items.collect::<Result<_, _>>().map(Document::List)
        }
        _ => scalar(node, schema, stage),
    }
}

/// The member of a structure that a property is called after: properties begin with a capital letter, members of some
/// services do not.
pub(crate) fn member_of(schema: &'static Schema, property: &str) -> Option<&'static casemate_schema::Member> {
    schema.member(property).or_else(|| {
        let mut letters = property.chars();
        let first = letters.next()?.to_ascii_lowercase();
        schema.member(&format!("{first}{}", letters.as_str()))
    })
}

fn structure(node: &Node, schema: &'static Schema, stage: Stage) -> Result<Document, TemplateError> {
    if !node.is_map() {
        return Err(expected(node, "an object", stage));
    }
    let mut document_ = Document::empty();
    for entry in node.entries() {
        let member = member_of(schema, &entry.key).ok_or_else(|| {
            TemplateError::at(entry.line, format!("Encountered unsupported property {}", entry.key))
        })?;
        document_.push(member.name, document(&entry.node, (member.schema)(), stage)?);
    }
    let missing = schema.members().iter().find(|member| {
        member.required && !node.entries().iter().any(|entry| is_called(member.name, &entry.key))
    });
    match missing {
        Some(member) => {
            Err(TemplateError::at(node.line, format!("required key [{}] not found", member.name)))
        }
        None => Ok(document_),
    }
}

fn is_called(member: &str, property: &str) -> bool {
    // Names that differ in more than their first letter were refused already.
    member.eq_ignore_ascii_case(property)
}

fn scalar(node: &Node, schema: &'static Schema, stage: Stage) -> Result<Document, TemplateError> {
    let text = node.scalar();
    let what = match &schema.kind {
        Kind::String => "text",
        Kind::Enum(_) => "one of the values the API knows",
        Kind::Boolean => "true or false",
        Kind::Integer | Kind::Long => "a whole number",
        Kind::Float | Kind::Double => "a number",
        Kind::Blob => "bytes in base64",
        Kind::Timestamp(_) => "a time",
        Kind::List { .. } | Kind::Map { .. } | Kind::Structure { .. } => "a value",
    };
    let text = text.ok_or_else(|| expected(node, what, stage))?;
    let converted = match &schema.kind {
        Kind::String => Some(Document::String(text)),
        Kind::Enum(values) if values.contains(&text.as_str()) => Some(Document::String(text)),
        Kind::Boolean if text.eq_ignore_ascii_case("true") => Some(Document::Bool(true)),
        Kind::Boolean if text.eq_ignore_ascii_case("false") => Some(Document::Bool(false)),
        Kind::Integer | Kind::Long => text.parse().ok().map(Document::Integer),
        Kind::Float | Kind::Double => text.parse().ok().map(Document::Double),
        _ => None,
    };
    converted.ok_or_else(|| expected(node, what, stage))
}

fn is_no_value(node: &Node) -> bool {
    function(node).is_some_and(|(name, argument)| name == "Ref" && argument.as_text() == Some(NO_VALUE))
}

/// Only the template's own text is quoted: an evaluated value may be a parameter that must never be shown.
fn expected(node: &Node, what: &str, stage: Stage) -> TemplateError {
    let found = match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "an object".to_owned(),
        _ if stage == Stage::Evaluated => "what it came to".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::Text(_) => {
            format!("\"{}\"", node.scalar().unwrap_or_default().chars().take(60).collect::<String>())
        }
    };
    TemplateError::at(node.line, format!("Value of property must be {what}, not {found}"))
}

#[cfg(test)]
mod tests {
    use casemate_schema::{Constraints, Member};

    use super::*;
    use crate::template::parse_value;

    static TEXT: Schema = plain("Text", Kind::String);
    static NUMBER: Schema = plain("Number", Kind::Integer);
    static FLAG: Schema = plain("Flag", Kind::Boolean);
    static MODE: Schema = plain("Mode", Kind::Enum(&["ON", "OFF"]));
    static LIST: Schema =
        plain("List", Kind::List { member: || &INNER, member_name: "member", flattened: false });
    static INNER: Schema = plain(
        "Inner",
        Kind::Structure { members: &[Member::new("name", || &TEXT).required()], payload: None, union: false },
    );
    static OUTER: Schema = plain(
        "Outer",
        Kind::Structure {
            members: &[
                Member::new("Size", || &NUMBER),
                Member::new("Flag", || &FLAG),
                Member::new("Mode", || &MODE),
                Member::new("Items", || &LIST),
            ],
            payload: None,
            union: false,
        },
    );

    const fn plain(name: &'static str, kind: Kind) -> Schema {
        Schema { name, kind, constraints: Constraints::NONE, sensitive: false }
    }

    fn refused(text: &str) -> String {
        document(&parse_value(text).unwrap(), &OUTER, Stage::Template).unwrap_err().to_string()
    }

    #[test]
    fn scalars_become_what_the_model_wants() {
        let node = parse_value("Size: '5'\nFlag: 'True'\nMode: ON\nItems: [{Name: 3}]").unwrap();
        let made = document(&node, &OUTER, Stage::Evaluated).unwrap();
        assert_eq!(made.get("Size"), Some(&Document::Integer(5)));
        assert_eq!(made.get("Flag"), Some(&Document::Bool(true)));
        assert_eq!(made.get("Items").unwrap().items()[0].get("name").and_then(Document::as_str), Some("3"));
    }

    #[test]
    fn what_the_model_does_not_know_is_refused_with_its_line() {
        assert_eq!(refused("Size: 1\nSise: 2"), "Encountered unsupported property Sise (line 2)");
        assert_eq!(refused("Items:\n - {Nam: x}"), "Encountered unsupported property Nam (line 2)");
        assert_eq!(refused("Items:\n - {}"), "required key [name] not found (line 2)");
        assert_eq!(refused("Size: many"), "Value of property must be a whole number, not \"many\" (line 1)");
        assert!(refused("Mode: MAYBE").contains("must be one of the values the API knows"));
        assert!(refused("Items: x").contains("must be a list, not \"x\""));
        assert!(refused("Size: [1]").contains("not a list"));
    }

    #[test]
    fn evaluated_values_are_not_quoted() {
        let node = parse_value("Size: a-secret").unwrap();
        let error = document(&node, &OUTER, Stage::Evaluated).unwrap_err().to_string();
        assert!(!error.contains("a-secret"), "{error}");
    }

    #[test]
    fn functions_stand_for_anything_but_their_branches_are_looked_at() {
        let fine = parse_value("Size: !Ref P\nItems: !If [C, [{Name: a}], !Ref 'AWS::NoValue']").unwrap();
        assert!(document(&fine, &OUTER, Stage::Template).is_ok());
        assert!(refused("Items: !If [C, [{Nam: a}], []]").contains("unsupported property Nam"));
    }
}
