//! Filter patterns: which events `FilterLogEvents` shows. Sans-io.
//!
//! ```text
//! terms    ERROR "exact phrase" -without ?any ?of %regex%
//! JSON     { $.level = "error" && ($.latency > 100 || $.tags[0] = api*) }
//! ```
//! AWS: CloudWatch Logs User Guide, "Filter pattern syntax".
//! DIVERGES: space-delimited patterns (`[ip, user, …]`) are refused.

mod json;
mod terms;

use crate::api::Error;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) enum Pattern {
    /// Matches every event.
    Everything,
    /// Matches text.
    Terms(terms::Terms),
    /// Matches events that are JSON objects.
    Json(json::Condition),
}

/// Why a pattern is not one.
#[derive(Debug, PartialEq)]
pub(crate) struct InvalidPattern(String);

impl Pattern {
    /// Compiles a pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let text = text.trim();
        match text.chars().next() {
            None => Ok(Self::Everything),
            Some('{') => json::Condition::parse(text).map(Self::Json),
            Some('[') => Err(InvalidPattern("space-delimited patterns are not available".to_owned())),
            Some(_) => terms::Terms::parse(text).map(Self::Terms),
        }
    }

    /// Whether an event's text matches.
    pub(crate) fn matches(&self, message: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Terms(terms) => terms.match_text(message),
            Self::Json(condition) => serde_json::from_str(message).is_ok_and(|value| condition.holds(&value)),
        }
    }
}

impl From<InvalidPattern> for Error {
    fn from(invalid: InvalidPattern) -> Self {
        Self::invalid_parameter_exception(format!("Invalid filter pattern: {}", invalid.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching<'m>(pattern: &str, messages: &[&'m str]) -> Vec<&'m str> {
        let pattern = Pattern::parse(pattern).unwrap();
        messages.iter().copied().filter(|message| pattern.matches(message)).collect()
    }

    #[test]
    fn terms_are_all_needed_phrases_are_exact_and_exclusions_win() {
        let messages = ["[ERROR] 419 Bad Request", "[ERROR] 500 Internal", "[WARN] Bad Request", "error bad"];
        assert_eq!(matching("", &messages), messages);
        assert_eq!(matching("ERROR Bad", &messages), ["[ERROR] 419 Bad Request"]);
        assert_eq!(matching("\"Bad Request\"", &messages), ["[ERROR] 419 Bad Request", "[WARN] Bad Request"]);
        assert_eq!(matching("ERROR -\"Bad Request\"", &messages), ["[ERROR] 500 Internal"]);
        assert_eq!(matching("?500 ?WARN", &messages), ["[ERROR] 500 Internal", "[WARN] Bad Request"]);
        assert_eq!(matching("-ERROR", &messages), ["[WARN] Bad Request", "error bad"]);
        assert_eq!(matching(r"%[45]\d\d%", &messages), ["[ERROR] 419 Bad Request", "[ERROR] 500 Internal"]);
    }

    #[test]
    fn json_fields_are_compared() {
        let messages = [
            r#"{"level":"error","latency":120,"user":{"name":"ann"},"tags":["api-1","b"],"ok":false,"gone":null}"#,
            r#"{"level":"info","latency":20.5,"user":{"name":"bob"},"tags":[],"ok":true}"#,
            "level error",
        ];
        let one = &messages[..1];
        assert_eq!(matching("{ $.level = \"error\" }", &messages), one);
        assert_eq!(matching("{ $.level = err* }", &messages), one);
        assert_eq!(matching("{ $.latency > 100 }", &messages), one);
        assert_eq!(matching("{ $.latency >= 120 && $.user.name = ann }", &messages), one);
        assert_eq!(matching("{ $.user.name != ann }", &messages), &messages[1..2]);
        assert_eq!(matching("{ ($.latency < 1) || ($.tags[0] = \"api*\") }", &messages), one);
        assert_eq!(matching("{ $.tags[*] = b }", &messages), one);
        assert_eq!(matching("{ $['level'] = error }", &messages), one);
        assert_eq!(matching("{ $.gone IS NULL }", &messages), one);
        assert_eq!(matching("{ $.gone NOT EXISTS }", &messages), &messages[1..2]);
        assert_eq!(matching("{ $.ok IS FALSE }", &messages), one);
        assert_eq!(matching("{ $.ok IS TRUE }", &messages), &messages[1..2]);
        assert_eq!(matching("{ $.latency = 20.5 }", &messages), &messages[1..2]);
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for bad in [
            "\"open",
            "a:b",
            "%(%",
            "%open",
            "-",
            "?",
            "{",
            "{}",
            "{ $ }",
            "{ $.a }",
            "{ $.a = }",
            "{ $.a = 1",
            "{ $.a ~ 1 }",
            "{ a = 1 }",
            "{ $.a = 1 && }",
            "{ ($.a = 1 }",
            "{ $.a = 1 } x",
            "{ $.a[x] = 1 }",
            "{ $.a IS ODD }",
            "[a, b]",
            "{ $.a > b }",
        ] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        let deep = format!("{{ {}$.a = 1{} }}", "(".repeat(400), ")".repeat(400));
        assert!(Pattern::parse(&deep).is_err());
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_patterns_do_not_panic(pattern: String, message: String) {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                let _ = pattern.matches(&message);
            }
        }

        #[test]
        fn pattern_like_texts_do_not_panic(pattern in "[{}$.a\\[\\]()=<>!&|\"'*%?\\- 0-9]{0,40}", message in "[{}a:\"0-9,]{0,20}") {
            if let Ok(pattern) = Pattern::parse(&pattern) {
                let _ = pattern.matches(&message);
            }
        }
    }
}
