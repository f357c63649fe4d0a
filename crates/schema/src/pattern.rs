//! Model patterns, compiled once per process.
//!
//! The models write Java regular expressions. Ours differ in three ways, each handled here so that a message can still
//! quote the vendor's own text: `\w`, `\d` and `\s` mean ASCII there; look-around does not exist here ([`REWRITTEN`]); and a
//! pattern that still cannot be compiled refuses every value, so it is noticed by the first test that uses it rather than
//! silently admitting everything. `cargo xtask codegen` refuses to emit such a pattern.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use regex::Regex;

static COMPILED: LazyLock<Mutex<HashMap<&'static str, Option<Regex>>>> = LazyLock::new(Mutex::default);

/// Patterns that do not compile here, mostly for look-around, and a form without it that matches the same texts (within the shape's own length limits).
const REWRITTEN: &[(&str, &str)] = &[
    // no two hyphens in a row
    ("^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$", "[a-z0-9](-?[a-z0-9])+"),
    // does not end in a dot
    (r"^[0-9A-Za-z\.\-_]*(?<!\.)$", "([0-9A-Za-z._-]*[0-9A-Za-z_-])?"),
    (r"[0-9A-Za-z\.\-_]*(?<!\.)", "([0-9A-Za-z._-]*[0-9A-Za-z_-])?"),
    // not digits alone
    ("(?!^[0-9]+$)([a-zA-Z0-9-_]+)", "[0-9]*[a-zA-Z_-][a-zA-Z0-9_-]*"),
    (r"((?!^\d+$)^[0-9a-zA-Z-_]+$)", "[0-9]*[a-zA-Z_-][a-zA-Z0-9_-]*"),
    // a class that is called otherwise here
    (r"\p{Print}+", "[[:print:]]+"),
];

/// Does the whole of `text` match `pattern`?
pub(crate) fn matches(pattern: &'static str, text: &str) -> bool {
    let regex = {
        let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        compiled.entry(pattern).or_insert_with(|| compile(pattern)).clone()
    };
    regex.is_some_and(|regex| regex.is_match(text))
}

/// Can values be checked against this pattern of a model? Asked by `cargo xtask codegen`, so that no other is emitted.
pub fn pattern_is_usable(pattern: &str) -> bool {
    compile(pattern).is_some()
}

fn compile(pattern: &str) -> Option<Regex> {
    let rewritten = REWRITTEN.iter().find(|(theirs, _)| *theirs == pattern).map_or(pattern, |(_, ours)| ours);
    Regex::new(&format!(r"\A(?:{})\z", ascii_classes(rewritten))).ok()
}

/// Replaces the Perl classes, which are Unicode here, by their ASCII forms; `\p{…}` stays what it is.
fn ascii_classes(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let escaped = chars.next();
                match escaped.and_then(ascii_class) {
                    Some(class) if in_class => out.push_str(class),
                    Some(class) => out.extend(["[", class, "]"]),
                    None => out.extend(std::iter::once('\\').chain(escaped)),
                }
            }
            '[' if !in_class => {
                in_class = true;
                out.push(c);
            }
            // In a class, an opening bracket that stands alone is meant literally in every model we have seen.
            '[' => out.push_str(r"\["),
            ']' => {
                in_class = false;
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

fn ascii_class(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "[:digit:]",
        'D' => "[:^digit:]",
        'w' => "[:word:]",
        'W' => "[:^word:]",
        's' => "[:space:]",
        'S' => "[:^space:]",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_text_must_match_and_unusable_patterns_refuse() {
        assert!(matches(r"[\w-]+_[0-9a-zA-Z]+", "us-east-1_abc"));
        assert!(!matches(r"[\w-]+_[0-9a-zA-Z]+", "us-east-1_abc!"));
        assert!(!matches(r"(?=x)x", "x"));
        assert!(!pattern_is_usable(r"(?=x)x"));
    }

    #[test]
    fn perl_classes_are_ascii_as_in_java() {
        assert!(matches(r"\d{12}", "123456789012"));
        assert!(!matches(r"\d{12}", "١٢٣٤٥٦٧٨٩٠١٢"));
        assert!(matches(r"[\w+=,.@-]+", "a_1+=,.@-"));
        assert!(!matches(r"[\w+=,.@-]+", "müller"));
        assert!(matches(r"[\S\s]+", "a\n b é"));
        assert!(matches(r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", "müller"));
        assert!(matches(r"[A-Za-z-_.~\]]\]", "]]"));
    }

    #[test]
    fn rewritten_patterns_mean_what_the_look_around_meant() {
        let alias = "^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$";
        assert!(matches(alias, "my-account"));
        assert!(!matches(alias, "my--account"));
        assert!(!matches(alias, "account-"));
        let qualifier = "(?!^[0-9]+$)([a-zA-Z0-9-_]+)";
        assert!(matches(qualifier, "1a"));
        assert!(!matches(qualifier, "12"));
        let bucket = r"^[0-9A-Za-z\.\-_]*(?<!\.)$";
        assert!(matches(bucket, "a.b") && matches(bucket, ""));
        assert!(!matches(bucket, "a."));
        assert!(REWRITTEN.iter().all(|(theirs, _)| pattern_is_usable(theirs)));
    }
}
