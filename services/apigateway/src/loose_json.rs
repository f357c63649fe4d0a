//! The status in what a MOCK's request template renders. API Gateway reads it loosely, and tools rely on that: CDK writes
//! `{ statusCode: 204 }` for every preflight.
// AWS: keys without quotes and single quotes are taken (seen with CDK's `addCorsPreflight`).
//!
//! Looks at the outermost object only, keeps nothing of the rest.

use serde_json::Value;

/// The text of `statusCode`; `None` if there is none, or the text is no object.
pub(crate) fn status_code(text: &str) -> Option<String> {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return match value.get("statusCode")? {
            Value::Number(number) => Some(number.to_string()),
            Value::String(text) => Some(text.clone()),
            _ => None,
        };
    }
    let mut rest = text.trim().strip_prefix('{')?;
    let mut status = None;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if let Some(end) = rest.strip_prefix('}') {
            return status.filter(|_| end.is_empty());
        }
        let (key, after) = token(rest)?;
        let (value, after) = value(after.trim_start().strip_prefix(':')?.trim_start())?;
        if key == "statusCode" {
            status = value.map(str::to_owned);
        }
        rest = after;
        if !rest.trim_start().starts_with([',', '}']) {
            return None;
        }
    }
}

/// A word, or what stands between quotes.
fn token(text: &str) -> Option<(&str, &str)> {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        return text.get(1..)?.split_once(quote);
    }
    let length = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')));
    let (word, rest) = text.split_at_checked(length.unwrap_or(text.len()))?;
    (!word.is_empty()).then_some((word, rest))
}

/// A value: its text, or `None` for a list or an object, which is passed over.
fn value(text: &str) -> Option<(Option<&str>, &str)> {
    if !text.starts_with(['{', '[']) {
        return token(text).map(|(token, rest)| (Some(token), rest));
    }
    let (mut open, mut quote) = (0_usize, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(end), _) if c == end => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '{' | '[') => open += 1,
            (None, '}' | ']') => open = open.checked_sub(1)?,
            _ => {}
        }
        if open == 0 {
            return text.get(at + 1..).map(|rest| (None, rest));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::status_code;

    #[test]
    fn the_status_is_found_in_strict_and_in_loose_json() {
        for text in [
            r#"{"statusCode": 204}"#,
            r#"{"statusCode": "204"}"#,
            "{ statusCode: 204 }",
            "{statusCode:'204',}",
            "{'statusCode': 204, 'a': {b: [1, '}']}, c: x}",
            "\n {a: [], \"statusCode\": 204\n}\n",
        ] {
            assert_eq!(status_code(text).as_deref(), Some("204"), "{text}");
        }
        for text in [
            "",
            "{}",
            "204",
            "[204]",
            "{statusCode}",
            "{statusCode: }",
            "{statusCode: 204",
            "{statusCode: 204} x",
            "{statusCode: [204]}",
            r#"{"statusCode": [204]}"#,
            "{a: {statusCode: 204}}",
            "{statusCode: 204 204}",
            "{'statusCode: 204}",
            "statusCode: 204",
            "{a: ]}",
            "{a: [}",
        ] {
            assert_eq!(status_code(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "[{}\\[\\]'\":,a-z0-9é ]{0,40}") {
            let _ = status_code(&text);
        }
    }
}
