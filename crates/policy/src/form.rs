//! Writing patterns: text that stands for itself, a variable in place of a value, a prefix in place of many values.
//!
//! The reading side is `template.rs`; this is its inverse, for whoever makes policies from what was seen. Refuses to know
//! where the values come from.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// How many different texts must share a prefix before the prefix may stand for them. Ours: fewer are better listed.
pub const EVIDENCE_MIN: usize = 8;
/// A value shorter than this is recognised only where it is the whole text, never inside of one: `a` is in everything.
pub const PART_BYTES_MIN: usize = 4;

/// One text of a policy that was made from texts of requests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Exactly this text.
    Literal(String),
    /// Policy text with at least one variable.
    Template(String),
    /// Any text that begins so.
    Prefix(String),
}

impl Form {
    /// As a policy writes it.
    pub fn text(&self) -> String {
        match self {
            Self::Literal(text) => quoted(text),
            Self::Template(text) => text.clone(),
            Self::Prefix(text) => format!("{}*", quoted(text)),
        }
    }

    /// Whether it needs an operator with wildcards.
    pub fn is_wild(&self) -> bool {
        matches!(self, Self::Prefix(_))
    }

    /// The one text that a template stands for where its variables have these values; `None` where one is missing, and of
    /// forms that are no templates.
    pub fn filled(&self, variables: &[(String, String)]) -> Option<String> {
        let Self::Template(template) = self else { return None };
        let mut out = String::with_capacity(template.len());
        let mut rest = template.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}')?;
            let value = match name {
                "*" | "?" | "$" => name,
                name => variables.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())?,
            };
            out.push_str(before);
            out.push_str(value);
            rest = after;
        }
        out.push_str(rest);
        Some(out)
    }

    /// Whether it stands for `text`, taken literally.
    pub fn covers(&self, text: &str) -> bool {
        match self {
            Self::Literal(own) => own == text,
            Self::Template(_) => false,
            Self::Prefix(start) => text.starts_with(start.as_str()),
        }
    }
}

/// `text` as a pattern that matches it and nothing else.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '*' => out.push_str("${*}"),
            '?' => out.push_str("${?}"),
            '$' if rest.peek() == Some(&'{') => out.push_str("${$}"),
            c => out.push(c),
        }
    }
    out
}

/// Every way to write `text`, from byte `from` on, with one of `variables` (name, value) in place of its value. Whole
/// values come before parts; otherwise in the order of `variables`. Parts have [`PART_BYTES_MIN`].
pub fn templates(text: &str, from: usize, variables: &[(String, String)]) -> Vec<Form> {
    templates_of_parts(text, from, variables, PART_BYTES_MIN)
}

/// The same with parts that may be as short as `part_bytes_min`: for whoever has other evidence that they are no accident.
pub fn templates_of_parts(
    text: &str,
    from: usize,
    variables: &[(String, String)],
    part_bytes_min: usize,
) -> Vec<Form> {
    let Some((head, body)) = text.split_at_checked(from) else { return Vec::new() };
    let whole = variables.iter().filter(|(_, value)| !value.is_empty() && value == body);
    let mut found: Vec<Form> =
        whole.map(|(name, _)| Form::Template(format!("{}${{{name}}}", quoted(head)))).collect();
    let part = |value: &String| !value.is_empty() && value.len() >= part_bytes_min && value != body;
    for (name, value) in variables.iter().filter(|(_, value)| part(value)) {
        let Some((before, after)) = split_at_value(body, value) else { continue };
        // In one piece: a `$` that ends the one and a `{` that begins the other would become a variable's beginning.
        let before = quoted(&format!("{head}{before}"));
        found.push(Form::Template(format!("{before}${{{name}}}{}", quoted(after))));
    }
    found
}

/// Cuts `text` around the first `value` that is a word of its own: `ann` is in `inbox#ann`, not in `annex`.
fn split_at_value<'t>(text: &'t str, value: &str) -> Option<(&'t str, &'t str)> {
    text.match_indices(value).find_map(|(at, _)| {
        let before = text.get(..at)?;
        let after = text.get(at.checked_add(value.len())?..)?;
        let apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        (apart(before.chars().next_back()) && apart(after.chars().next())).then_some((before, after))
    })
}

/// Puts prefixes in place of literals until at most `limit` forms are left: first where at least [`EVIDENCE_MIN`] share
/// a prefix that ends at a delimiter, the longest first; if that is not enough, one prefix for all. No prefix is
/// shorter than `from` bytes; where there is none, `None`: the texts have nothing in common.
pub fn generalised(forms: BTreeSet<Form>, limit: usize, from: usize) -> Option<BTreeSet<Form>> {
    let mut forms = forms;
    while forms.len() > limit {
        let prefix = best_prefix(&forms, from).or_else(|| common_prefix(&forms, from))?;
        let before = forms.len();
        forms.retain(|form| match form {
            Form::Literal(text) | Form::Prefix(text) => !text.starts_with(&prefix),
            Form::Template(_) => true,
        });
        forms.insert(Form::Prefix(prefix));
        if forms.len() >= before {
            return None;
        }
    }
    Some(forms)
}

/// The longest prefix, ending at a delimiter, that enough of the literals share.
fn best_prefix(forms: &BTreeSet<Form>, from: usize) -> Option<String> {
    // Literals are sorted: those with a common prefix lie side by side.
    let literals: Vec<&str> = forms
        .iter()
        .filter_map(|form| if let Form::Literal(text) = form { Some(text.as_str()) } else { None })
        .collect();
    let shared = literals.iter().zip(literals.iter().skip(EVIDENCE_MIN - 1)).filter_map(|(first, last)| {
        let common = common(first, last);
        let end = common.rfind(|c: char| !c.is_alphanumeric())?;
        let prefix = common.get(..=end)?;
        (prefix.len() >= from && !prefix.is_empty()).then_some(prefix)
    });
    shared.max_by(|a, b| a.len().cmp(&b.len()).then(b.cmp(a))).map(str::to_owned)
}

/// The prefix of everything but templates.
fn common_prefix(forms: &BTreeSet<Form>, from: usize) -> Option<String> {
    let mut texts = forms.iter().filter_map(|form| match form {
        Form::Literal(text) | Form::Prefix(text) => Some(text.as_str()),
        Form::Template(_) => None,
    });
    let first = texts.next()?;
    let shared = texts.fold(first, common);
    (!shared.is_empty() && shared.len() >= from).then(|| shared.to_owned())
}

fn common<'a>(a: &'a str, b: &str) -> &'a str {
    let end = a.char_indices().zip(b.chars()).find(|((_, x), y)| x != y).map(|((at, _), _)| at);
    let end = end.unwrap_or_else(|| usize::min(a.len(), b.len()));
    a.get(..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        NoContext,
        template::{Pattern, Reading, tokens},
        truth::Truth,
    };

    fn matches(pattern: &str, text: &str) -> bool {
        let read = tokens(pattern, Reading { variables: true, wildcards: true });
        Pattern::new(read).matches(text, &NoContext) == Truth::True
    }

    proptest! {
        #[test]
        fn quoted_text_matches_itself_and_nothing_else(a in "[*?$\\{\\}ab]{0,8}", b in "[*?$\\{\\}ab]{0,8}") {
            prop_assert!(matches(&quoted(&a), &a), "{}", quoted(&a));
            prop_assert_eq!(matches(&quoted(&a), &b), a == b);
        }

        #[test]
        fn a_template_filled_with_what_it_was_made_of_is_the_text(
            text in "[*?$\\{\\}ab#]{0,8}", value in "[*$\\{ab]{1,3}", from in 0_usize..3
        ) {
            let variables = [("t".to_owned(), value)];
            for form in templates_of_parts(&text, from, &variables, 1) {
                prop_assert_eq!(form.filled(&variables), Some(text.clone()), "{}", form.text());
            }
        }

        #[test]
        fn generalised_forms_cover_every_text(texts in prop::collection::btree_set("[ab]/[ab]{1,3}[/#]?[abc]{0,3}", 1..60), limit in 1_usize..20) {
            let forms = texts.iter().cloned().map(Form::Literal).collect();
            if let Some(short) = generalised(forms, limit, 0) {
                prop_assert!(short.len() <= limit);
                for text in &texts {
                    prop_assert!(short.iter().any(|form| form.covers(text)));
                }
            }
        }
    }

    #[test]
    fn variables_replace_whole_values_and_words_only() {
        let variables = [("aws:username".to_owned(), "anna".to_owned()), ("t".to_owned(), "x".to_owned())];
        let shown =
            |text: &str| -> Vec<String> { templates(text, 0, &variables).iter().map(Form::text).collect() };
        assert_eq!(shown("anna"), ["${aws:username}"]);
        assert_eq!(shown("inbox#anna/*"), ["inbox#${aws:username}/${*}"]);
        assert_eq!(shown("x"), ["${t}"]);
        assert!(shown("annals").is_empty() && shown("a/x").is_empty());
        assert_eq!(templates_of_parts("a/x", 0, &variables, 1), [Form::Template("a/${t}".to_owned())]);
        assert_eq!(templates_of_parts("${/x", 1, &variables, 1), [Form::Template("${$}{/${t}".to_owned())]);
    }

    #[test]
    fn only_templates_are_filled_and_only_with_every_variable() {
        let variables = [("t".to_owned(), "x".to_owned())];
        let template = |text: &str| Form::Template(text.to_owned());
        assert_eq!(template("a${t}${*}${$}{").filled(&variables).as_deref(), Some("ax*${"));
        assert_eq!(template("${t}${u}").filled(&variables), None);
        assert_eq!(Form::Literal("x".to_owned()).filled(&variables), None);
    }

    #[test]
    fn prefixes_need_evidence_and_never_reach_before_the_resource() {
        let many = |n: usize| -> BTreeSet<Form> {
            (0..n).map(|i| Form::Literal(format!("arn:aws:s3:::b/home/{i:02}"))).collect()
        };
        assert_eq!(generalised(many(9), 9, 13), Some(many(9)));
        let one = BTreeSet::from([Form::Prefix("arn:aws:s3:::b/home/".to_owned())]);
        assert_eq!(generalised(many(9), 4, 13), Some(one));
        let apart = BTreeSet::from(["arn:aws:s3:::a", "arn:aws:s3:::b"].map(|t| Form::Literal(t.to_owned())));
        assert_eq!(generalised(apart, 1, 14), None);
    }
}
