//! Conditions that hold when they should not, or never.

use super::at;
use crate::{
    actions,
    document::{Condition, Document, Statement},
    finding::{
        Finding, NEGATED_WITHOUT_KEY, SCAN_UNDER_LEADING_KEYS, UNKNOWN_KEY, VACUOUS, WILDCARD_IN_EXACT,
    },
};

const LEADING_KEYS: &str = "dynamodb:LeadingKeys";

/// Actions whose requests name no partition key, or (PartiQL) need not.
// AWS: Service Authorization Reference, "Actions, resources, and condition keys for Amazon DynamoDB": which actions know the
// key; DynamoDB Developer Guide, "IAM policy to prevent full table scans": a SELECT without the key reads the whole table.
const WITHOUT_LEADING_KEYS: [&str; 4] =
    ["dynamodb:Scan", "dynamodb:PartiQLSelect", "dynamodb:ExportTableToPointInTime", "dynamodb:GetRecords"];

pub(super) fn all(document: &Document) -> Vec<Finding> {
    let mut found = Vec::new();
    for statement in &document.statements {
        for condition in statement.conditions() {
            found.extend(misspelt(statement, condition));
            found.extend(exact_wildcards(statement, condition));
            if statement.allows {
                found.extend(vacuous(statement, condition));
                found.extend(negated(statement, condition));
            }
        }
    }
    found
}

fn misspelt(statement: &Statement, condition: Condition<'_>) -> Option<Finding> {
    let similar = actions::key(condition.key).err()?;
    let hint = similar.map_or_else(String::new, |similar| format!("; did you mean {similar}?"));
    Some(at(&UNKNOWN_KEY, statement, format!("no request has the key `{}`{hint}", condition.key)))
}

fn exact_wildcards(statement: &Statement, condition: Condition<'_>) -> Vec<Finding> {
    let exact = matches!(
        condition.comparison().as_str(),
        "stringequals" | "stringnotequals" | "stringequalsignorecase" | "stringnotequalsignorecase"
    );
    if !exact {
        return Vec::new();
    }
    let wild = |value: &String| value.replace("${*}", "").replace("${?}", "").contains(['*', '?']);
    let values = condition.texts();
    values
        .iter()
        .filter(|value| wild(value))
        .map(|value| {
            let text =
                format!("{} compares {} with `{value}` letter by letter", condition.operator, condition.key);
            at(&WILDCARD_IN_EXACT, statement, text)
        })
        .collect()
}

fn vacuous(statement: &Statement, condition: Condition<'_>) -> Option<Finding> {
    if !condition.for_all() || statement.insists_on(condition.key) || tags_are_required(statement, condition)
    {
        return None;
    }
    if condition.key.eq_ignore_ascii_case(LEADING_KEYS) {
        let open: Vec<&str> = WITHOUT_LEADING_KEYS
            .into_iter()
            .filter(|action| {
                statement.texts("Action").iter().any(|pattern| crate::glob::fits(pattern, action))
            })
            .collect();
        if !open.is_empty() {
            let text =
                format!("{} can be asked without {LEADING_KEYS}: the whole table is open", open.join(", "));
            return Some(at(&SCAN_UNDER_LEADING_KEYS, statement, text));
        }
    }
    let text = format!("{} on {} also holds where the key is missing", condition.operator, condition.key);
    Some(at(&VACUOUS, statement, text))
}

/// Whether the request must carry a tag, so that there are tag keys.
fn tags_are_required(statement: &Statement, condition: Condition<'_>) -> bool {
    let required = |other: &Condition<'_>| {
        let plain = other.comparison() == other.operator.to_ascii_lowercase();
        let by_value = plain && !other.is_null() && !other.comparison().contains("not");
        other.key.to_ascii_lowercase().starts_with("aws:requesttag/")
            && (by_value || statement.insists_on(other.key))
    };
    condition.key.eq_ignore_ascii_case("aws:TagKeys") && statement.conditions().iter().any(required)
}

fn negated(statement: &Statement, condition: Condition<'_>) -> Option<Finding> {
    let comparison = condition.comparison();
    let negated = comparison.contains("not") && !condition.for_all();
    let any = condition.operator.to_ascii_lowercase().starts_with("foranyvalue:");
    if !negated || any || statement.insists_on(condition.key) {
        return None;
    }
    let text = format!("{} on {} also holds where the key is missing", condition.operator, condition.key);
    Some(at(&NEGATED_WITHOUT_KEY, statement, text))
}
