//! Model patterns, compiled once per process.
//!
//! The models write Java regular expressions. The few that linear-time engines cannot express (look-around) are
//! rewritten by `cargo xtask codegen`; one that still fails to compile refuses every value, so a bad pattern is noticed
//! by the first test that uses it rather than silently admitting everything.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use regex::Regex;

static COMPILED: LazyLock<Mutex<HashMap<&'static str, Option<Regex>>>> = LazyLock::new(Mutex::default);

/// Does the whole of `text` match `pattern`?
pub(crate) fn matches(pattern: &'static str, text: &str) -> bool {
    let regex = {
        let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        compiled.entry(pattern).or_insert_with(|| Regex::new(&format!(r"\A(?:{pattern})\z")).ok()).clone()
    };
    regex.is_some_and(|regex| regex.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_text_must_match_and_unusable_patterns_refuse() {
        assert!(matches(r"[\w-]+_[0-9a-zA-Z]+", "us-east-1_abc"));
        assert!(!matches(r"[\w-]+_[0-9a-zA-Z]+", "us-east-1_abc!"));
        assert!(!matches(r"(?=x)x", "x"));
    }
}
