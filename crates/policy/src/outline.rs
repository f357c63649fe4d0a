//! A policy document as text: where its statements stand and which condition keys it mentions, in its own spelling. For
//! simulators and explanations; the engine itself does not need it. The text must be one that [`crate::Policy::parse`]
//! accepts; of other text nothing is told.

use serde_json::Value;

/// A place in a text: line and column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// One statement of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementSource {
    /// Just behind the bracket, comma or colon before it.
    // AWS: the simulator tells line 3, column 17 for the statement of `AdministratorAccess`, whose third line is
    // `  "Statement": [`, and ends it in column 6 of the line `    }`.
    pub start: Place,
    /// Just behind its last character.
    pub end: Place,
    /// A document of the same version that has this statement only.
    pub document: String,
}

/// The statements of a document, in order.
pub fn statement_sources(text: &str) -> Vec<StatementSource> {
    let version = serde_json::from_str::<Value>(text)
        .ok()
        .and_then(|document| document.get("Version")?.as_str().map(str::to_owned));
    let head = version.map_or_else(String::new, |version| format!("\"Version\":\"{version}\","));
    let document = |statement: &str| format!("{{{head}\"Statement\":[{statement}]}}");
    spans(text)
        .into_iter()
        .filter_map(|(before, from, to)| {
            let statement = text.get(from..to)?;
            Some(StatementSource {
                start: place(text, before)?,
                end: place(text, to)?,
                document: document(statement),
            })
        })
        .collect()
}

/// The condition keys that a document mentions in conditions and variables, each once, in its own spelling.
pub fn context_keys(text: &str) -> Vec<String> {
    let Ok(document) = serde_json::from_str::<Value>(text) else { return Vec::new() };
    // Older documents have no variables.
    let variables = document.get("Version").and_then(Value::as_str) == Some("2012-10-17");
    let mut keys = Vec::new();
    for statement in one_or_many(document.get("Statement")) {
        if variables {
            for element in ["Resource", "NotResource"] {
                mentioned(statement.get(element), &mut keys);
            }
        }
        let operators = statement.get("Condition").and_then(Value::as_object);
        for (key, values) in
            operators.into_iter().flatten().filter_map(|(_, tests)| tests.as_object()).flatten()
        {
            note(key, &mut keys);
            if variables {
                mentioned(Some(values), &mut keys);
            }
        }
    }
    keys
}

/// Whether a statement allows any action of a service (its prefix in action names), on whatever resource and condition.
pub fn grants_service(text: &str, service: &str) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(text) else { return false };
    one_or_many(document.get("Statement")).iter().any(|statement| {
        let allows = statement.get("Effect").and_then(Value::as_str) == Some("Allow");
        let actions = |element| one_or_many(statement.get(element)).iter().filter_map(Value::as_str);
        let listed = actions("Action").any(|action| names_service(action, service));
        // All of a service is excepted only by `service:*` and `*`.
        let all_of_it = |action: &str| {
            action == "*"
                || action
                    .split_once(':')
                    .is_some_and(|(of, rest)| of.eq_ignore_ascii_case(service) && rest == "*")
        };
        let by_inverse = statement.get("NotAction").is_some() && !actions("NotAction").any(all_of_it);
        allows && (listed || by_inverse)
    })
}

// Services have no wildcards in them, except that a lone star is every action.
fn names_service(action: &str, service: &str) -> bool {
    action == "*"
        || action.split_once(':').is_some_and(|(of, _)| of == "*" || of.eq_ignore_ascii_case(service))
}

pub(crate) fn one_or_many(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(items)) => items,
        Some(other) => std::slice::from_ref(other),
        None => &[],
    }
}

/// Notes the keys of `${key}` and `${key, 'default'}`.
fn mentioned(texts: Option<&Value>, keys: &mut Vec<String>) {
    for text in one_or_many(texts).iter().filter_map(Value::as_str) {
        for piece in text.split("${").skip(1) {
            let Some((variable, _)) = piece.split_once('}') else { continue };
            let key = variable.split(',').next().unwrap_or_default().trim();
            // `${*}`, `${?}` and `${$}` are characters.
            if !matches!(key, "" | "*" | "?" | "$") {
                note(key, keys);
            }
        }
    }
}

// Key names are compared without regard to case.
fn note(key: &str, keys: &mut Vec<String>) {
    if !keys.iter().any(|known| known.eq_ignore_ascii_case(key)) {
        keys.push(key.to_owned());
    }
}

/// What the scanner is within.
struct Scan {
    depth: usize,
    in_text: bool,
    escaped: bool,
}

/// Of each statement: where it may begin (behind what separates it), where it begins and where it ends, in bytes.
fn spans(text: &str) -> Vec<(usize, usize, usize)> {
    let Some(value) = statement_value(text) else { return Vec::new() };
    let is_list = text.get(value..).is_some_and(|rest| rest.trim_start().starts_with('['));
    let inner: usize = if is_list { 2 } else { 1 };
    let mut found = Vec::new();
    let mut scan = Scan { depth: 1, in_text: false, escaped: false };
    let (mut before, mut from) = (value, None);
    for (at, byte) in text.bytes().enumerate().skip(value) {
        let depth = scan.depth;
        scan.step(byte);
        if scan.in_text {
            continue;
        }
        let after = at.saturating_add(1);
        match byte {
            b'{' if depth == inner => from = Some(at),
            b'}' if scan.depth == inner => found.extend(from.take().map(|from| (before, from, after))),
            b'[' if is_list && depth == 1 => before = after,
            b',' if is_list && depth == inner => before = after,
            _ => {}
        }
        if scan.depth <= 1 && !found.is_empty() {
            break;
        }
    }
    found
}

/// Where the value of the document's `Statement` begins: behind the colon.
fn statement_value(text: &str) -> Option<usize> {
    let mut scan = Scan { depth: 0, in_text: false, escaped: false };
    let (mut text_from, mut last) = (0, "");
    for (at, byte) in text.bytes().enumerate() {
        let was_in_text = scan.in_text;
        scan.step(byte);
        match (was_in_text, scan.in_text) {
            (false, true) => text_from = at.saturating_add(1),
            (true, false) => last = text.get(text_from..at)?,
            _ => {}
        }
        if byte == b':' && !scan.in_text && !was_in_text && scan.depth == 1 && last == "Statement" {
            return at.checked_add(1);
        }
    }
    None
}

impl Scan {
    fn step(&mut self, byte: u8) {
        if self.in_text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

fn place(text: &str, at: usize) -> Option<Place> {
    let before = text.get(..at)?;
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()).saturating_add(1);
    Some(Place { line, column })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Policy};

    #[test]
    fn statements_are_found_where_aws_says_they_are() {
        let text = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \"Allow\",\n      \"Action\": \"*\",\n      \"Resource\": \"*\"\n    }\n  ]\n}";
        let found = statement_sources(text);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].start, found[0].end),
            (Place { line: 3, column: 17 }, Place { line: 8, column: 6 })
        );
    }

    #[test]
    fn each_statement_is_a_document_of_its_own() {
        let one = r#"{"Sid":"a,[{","Effect":"Allow","Action":["x:y","x:z"],"Resource":"*","Condition":{"StringLike":{"aws:x":"}\"{"}}}"#;
        let two = r#"{"Effect":"Deny","Action":"*","Resource":["*"]}"#;
        for (text, count) in [
            (format!(r#"{{"Version":"2012-10-17","Statement":[{one} , {two}]}}"#), 2),
            (format!(r#"{{"Statement":[{one},{two}],"Version":"2012-10-17"}}"#), 2),
            (format!(r#"{{"Id":"Statement","Statement":{two},"Version":"2012-10-17"}}"#), 1),
        ] {
            let found = statement_sources(&text);
            assert_eq!(found.len(), count, "{text}");
            for source in found {
                let parsed = Policy::parse(&source.document.replace("a,[{", "a"), Kind::Identity);
                assert!(parsed.is_ok(), "{}", source.document);
            }
        }
    }

    #[test]
    fn other_text_has_no_statements_and_no_keys() {
        for text in ["", "{", "[]", "{\"Statement\"", "{\"Statement\":", "é{\"Statement\":[{\"é\"", "}}}]]"]
        {
            assert!(statement_sources(text).is_empty(), "{text}");
            assert!(context_keys(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn a_service_is_granted_by_any_allowed_action_of_it() {
        let of = |effect: &str, element: &str, action: &str| {
            format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}","{element}":["{action}"],"Resource":"*"}}]}}"#
            )
        };
        for (effect, element, action, granted) in [
            ("Allow", "Action", "S3:GetObject", true),
            ("Allow", "Action", "*", true),
            ("Allow", "Action", "s3tables:*", false),
            ("Deny", "Action", "s3:*", false),
            ("Allow", "NotAction", "iam:*", true),
            ("Allow", "NotAction", "s3:GetObject", true),
            ("Allow", "NotAction", "s3:*", false),
            ("Deny", "NotAction", "iam:*", false),
        ] {
            assert_eq!(
                grants_service(&of(effect, element, action), "s3"),
                granted,
                "{effect} {element} {action}"
            );
        }
    }

    #[test]
    fn keys_are_told_once_and_in_their_own_spelling() {
        let text = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*",
            "Resource":["arn:aws:s3:::b/${aws:username}/${*}","arn:aws:s3:::c/${aws:PrincipalTag/team, 'none'}"],
            "Condition":{"StringEquals":{"AWS:UserName":"x","aws:SourceVpc":"${aws:userid}"},"Null":{"aws:SourceVpc":"true"}}}]}"#;
        let mut keys = context_keys(text);
        keys.sort();
        assert_eq!(keys, ["aws:PrincipalTag/team", "aws:SourceVpc", "aws:userid", "aws:username"]);
        let old = r#"{"Version":"2008-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}"}}"#;
        assert!(context_keys(old).is_empty());
    }
}
