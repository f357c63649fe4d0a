//! Conditions that hold for every request of a group.

use std::collections::{BTreeMap, BTreeSet};

use casemate_policy::Form;

use crate::{
    contain::{equal_within, within},
    cover::{How, Seen, cover},
    document::Conditions,
    keys::{ALL_ATTRIBUTES, ATTRIBUTES, LEAST, ONLY_ALGORITHM, Rule, SELECT, Use, rule},
    recorded::{Exact, General, KeyValue},
};

/// Values, or patterns of values, in one condition.
pub const VALUES_MAX: usize = 16;

/// What the conditions of one key are made from.
struct Observed {
    rule: Rule,
    forms: BTreeSet<Form>,
}

/// Which keys a request has: groups are made of requests with the same ones, or an optional key would make the others'
/// conditions fail. `named`: the statement is for this one resource, so that what the resource is need not be said again.
pub(crate) fn signature(exact: &Exact, named: bool) -> BTreeSet<&str> {
    let matters = |name: &str, value: &KeyValue| {
        let texts = value.texts();
        let (algorithm, only) = ONLY_ALGORITHM;
        let of_resource = match rule(name, value.is_many()).usage {
            Use::Skip => return false,
            Use::OfResource => true,
            _ => name.eq_ignore_ascii_case(algorithm) && texts.iter().all(|text| text == only),
        };
        !(texts.is_empty() || named && of_resource)
    };
    let present =
        exact.keys.iter().filter(|(name, value)| value.as_ref().is_some_and(|value| matters(name, value)));
    let via = if exact.called_via.is_empty() { None } else { Some("aws:CalledVia") };
    present.map(|(name, _)| name.as_str()).chain(via).collect()
}

/// The conditions that requests have in common whose signature these `names` are. Remarks go to `notes`.
pub(crate) fn conditions(
    group: &[&Exact],
    names: &BTreeSet<&str>,
    what: &str,
    notes: &mut BTreeSet<String>,
) -> Conditions {
    let mut observed = BTreeMap::new();
    for name in names.iter().copied().filter(|name| *name != "aws:CalledVia") {
        let own = |exact: &'_ Exact| -> Option<KeyValue> {
            exact.keys.iter().find(|(key, _)| key == name)?.1.clone()
        };
        let all: Vec<(KeyValue, &Exact)> =
            group.iter().filter_map(|exact| Some((own(exact)?, *exact))).collect();
        let rule = rule(name, all.iter().any(|(value, _)| value.is_many()));
        let seen: Vec<Seen<'_>> = all
            .iter()
            .flat_map(|(value, exact)| {
                value.texts().iter().map(|text| Seen { text, variables: &exact.variables })
            })
            .collect();
        let how = How { personal: rule.personal, from: 0, limit: VALUES_MAX };
        match cover(&seen, how) {
            Some(cover) => {
                if cover.generalised {
                    notes
                        .insert(format!("{what}: the values of {name} are generalised, there were too many"));
                }
                if !cover.beside.is_empty() {
                    notes.insert(beside(what, &format!("values of {name}"), &cover.beside));
                }
                if cover.single_witness {
                    notes.insert(format!(
                        "{what}: that {name} equals a variable rests on one value only; check it"
                    ));
                }
                observed.insert(name.to_owned(), Observed { rule, forms: cover.forms });
            }
            None => drop(notes.insert(no_condition(what, name))),
        }
    }
    let via: BTreeSet<&String> = group.iter().flat_map(|exact| &exact.called_via).collect();
    let mut conditions = written(observed);
    if !via.is_empty() {
        let services = via.into_iter().cloned().collect();
        let any = conditions.entry("ForAnyValue:StringEquals".to_owned()).or_default();
        any.insert("aws:CalledVia".to_owned(), services);
    }
    conditions
}

/// The same for requests that are known as patterns only.
pub(crate) fn conditions_of_general(
    general: &General,
    what: &str,
    notes: &mut BTreeSet<String>,
) -> Conditions {
    let mut observed = BTreeMap::new();
    for (name, key) in &general.keys {
        let rule = rule(name, key.many);
        if rule.usage == Use::Skip || key.unknown || key.present_in < general.folded {
            continue;
        }
        match &key.forms {
            Some(forms) => drop(observed.insert(name.clone(), Observed { rule, forms: forms.clone() })),
            None => drop(notes.insert(no_condition(what, name))),
        }
    }
    written(observed)
}

/// Values named in a remark; the rest is counted.
const NAMED_MAX: usize = 3;

/// The remark on texts that are listed beside a variable which looks as if it stood for them.
pub(crate) fn beside(what: &str, which: &str, texts: &BTreeSet<String>) -> String {
    let named: Vec<&str> = texts.iter().take(NAMED_MAX).map(String::as_str).collect();
    let more = texts.len().saturating_sub(NAMED_MAX);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{what}: {which} are listed beside a variable, open to every caller: {}{rest}", named.join(", "))
}

fn no_condition(what: &str, name: &str) -> String {
    format!("{what}: no condition on {name}, its values have nothing in common")
}

/// Writes conditions down, leaving out those that would promise what they do not keep.
fn written(mut observed: BTreeMap<String, Observed>) -> Conditions {
    // AWS: "Using IAM policy conditions for fine-grained access control": a list of attributes binds a read only together
    // with `dynamodb:Select`, because a request that names no attributes returns them all.
    let reads_all = |one: &Observed| one.forms.iter().any(|form| form.text() == ALL_ATTRIBUTES);
    if observed.get(SELECT).is_some_and(reads_all) {
        observed.remove(SELECT);
        observed.remove(ATTRIBUTES);
    }
    let mut conditions = Conditions::new();
    for (name, Observed { rule, forms }) in observed {
        let wild = forms.iter().any(Form::is_wild);
        let least = forms.iter().any(|form| form.text() == LEAST);
        let operator = match (rule.usage, wild) {
            (Use::Skip, _) => continue,
            // AWS's example has `IfExists` on both keys. Here only on the one whose absence asks for less: a read that does
            // not say what it selects returns everything, so that `Select` has to be there.
            (Use::Least, false) if least => "StringEqualsIfExists",
            (Use::Single | Use::Least | Use::OfResource, false) => "StringEquals",
            (Use::Single | Use::Least | Use::OfResource, true) => "StringLike",
            (Use::Set, false) => "ForAllValues:StringEquals",
            (Use::Set, true) => "ForAllValues:StringLike",
        };
        if rule.usage == Use::Set {
            // `ForAllValues` also holds where the key is absent.
            let null = conditions.entry("Null".to_owned()).or_default();
            null.insert(name.clone(), vec!["false".to_owned()]);
        }
        let values = forms.iter().map(Form::text).collect();
        conditions.entry(operator.to_owned()).or_default().insert(name, values);
    }
    conditions
}

/// The conditions of the current statement together with the learned ones. What the learned ones imply is left out.
pub(crate) fn narrowed(current: &Conditions, learned: Conditions) -> Conditions {
    let mut merged = learned;
    for (operator, keys) in current {
        for (key, values) in keys {
            if implied(&merged, operator, key, values) {
                continue;
            }
            // The same operator on the same key, and not implied: both cannot be written, the current one must stay.
            let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
            for (_, block) in merged.iter_mut().filter(|(other, _)| same(other, operator)) {
                block.retain(|other, _| !same(other, key));
            }
            merged.retain(|_, block| !block.is_empty());
            merged.entry(operator.clone()).or_default().insert(key.clone(), values.clone());
        }
    }
    merged
}

/// Whether `conditions` hold only where this one does. Errs towards no.
pub(crate) fn implied(conditions: &Conditions, operator: &str, key: &str, values: &[String]) -> bool {
    let blocks =
        conditions.iter().flat_map(|(operator, keys)| keys.iter().map(move |(k, v)| (operator, k, v)));
    let of_key = blocks.filter(|(_, k, _)| k.eq_ignore_ascii_case(key));
    let (set, plain) = split_operator(operator);
    of_key.into_iter().any(|(other, _, own)| {
        let (other_set, other_plain) = split_operator(other);
        if other.eq_ignore_ascii_case(operator) && same_values(own, values) {
            return true;
        }
        if !other_set.eq_ignore_ascii_case(set) || own.is_empty() {
            return false;
        }
        let subset = |inside: fn(&str, &str) -> bool| {
            own.iter().all(|value| values.iter().any(|wider| inside(value, wider)))
        };
        let equals = other_plain.eq_ignore_ascii_case("StringEquals");
        let like = other_plain.eq_ignore_ascii_case("StringLike");
        let if_exists = other_plain.eq_ignore_ascii_case("StringEqualsIfExists");
        match plain {
            // Without the key both hold, or the other one does not hold at all.
            plain if plain.eq_ignore_ascii_case("StringEqualsIfExists") => {
                (equals || if_exists) && set.is_empty() && subset(equal_within)
            }
            plain if plain.eq_ignore_ascii_case("StringEquals") => equals && subset(equal_within),
            // Values of `StringEquals` have no wildcards: as patterns they would say more than they do.
            plain if plain.eq_ignore_ascii_case("StringLike") => {
                like && subset(within)
                    || equals && own.iter().all(|v| !v.replace("${*}", "").contains(['*'])) && subset(within)
            }
            _ => false,
        }
    })
}

fn same_values(a: &[String], b: &[String]) -> bool {
    a.iter().collect::<BTreeSet<_>>() == b.iter().collect::<BTreeSet<_>>()
}

fn split_operator(operator: &str) -> (&str, &str) {
    operator.split_once(':').unwrap_or(("", operator))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(operator: &str, key: &str, values: &[&str]) -> Conditions {
        let values = values.iter().map(|v| (*v).to_owned()).collect();
        Conditions::from([(operator.to_owned(), BTreeMap::from([(key.to_owned(), values)]))])
    }

    #[test]
    fn learned_conditions_replace_only_what_they_imply() {
        let current = block("ForAllValues:StringLike", "k:K", &["a*", "b"]);
        let tighter = block("ForAllValues:StringEquals", "k:k", &["ax", "b"]);
        assert_eq!(narrowed(&current, tighter.clone()), tighter);
        let other = block("ForAllValues:StringEquals", "k:K", &["c"]);
        assert_eq!(narrowed(&current, other).len(), 2, "both stay");
        let clash = block("forallvalues:stringlike", "k:k", &["c*"]);
        assert_eq!(narrowed(&current, clash), current, "the current one stays");
    }

    #[test]
    fn negated_and_foreign_operators_imply_nothing_but_themselves() {
        let current = block("StringNotEquals", "k:K", &["a", "b"]);
        assert!(implied(&current, "StringNotEquals", "k:k", &["b".to_owned(), "a".to_owned()]));
        assert!(!implied(&current, "StringNotEquals", "k:k", &["a".to_owned()]));
        assert!(!implied(
            &block("StringEquals", "k", &["a"]),
            "ForAllValues:StringEquals",
            "k",
            &["a".to_owned()]
        ));
        let if_exists = |operator: &str, values: &[&str]| {
            implied(
                &block(operator, "k", values),
                "StringEqualsIfExists",
                "K",
                &["a".to_owned(), "b".to_owned()],
            )
        };
        assert!(if_exists("StringEquals", &["a"]) && if_exists("StringEqualsIfExists", &["a"]));
        assert!(!if_exists("StringEqualsIfExists", &["c"]) && !if_exists("StringLikeIfExists", &["a"]));
        assert!(!implied(
            &block("StringEqualsIfExists", "k", &["a"]),
            "StringEquals",
            "k",
            &["a".to_owned()]
        ));
        assert!(!implied(&block("StringEquals", "k", &["a*"]), "StringLike", "k", &["a*".to_owned()]));
    }
}
