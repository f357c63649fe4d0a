//! The fewest patterns that stand for every text seen: variables where they explain the text, the texts themselves while
//! they are few, prefixes otherwise.

use std::collections::{BTreeMap, BTreeSet};

use casemate_policy::{Form, PART_BYTES_MIN, generalised, templates_of_parts};

/// A text and who was seen with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) text: &'a str,
    pub(crate) variables: &'a [(String, String)],
}

/// How to cover.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    /// Variables may be used.
    pub(crate) personal: bool,
    /// Bytes at the beginning that stay as they are.
    pub(crate) from: usize,
    /// Patterns at most.
    pub(crate) limit: usize,
}

/// The patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cover {
    pub(crate) forms: BTreeSet<Form>,
    /// There were too many texts to list.
    pub(crate) generalised: bool,
    /// A variable rests on a single value.
    pub(crate) single_witness: bool,
    /// Texts that are listed although they look as if a variable stood for them: they are open to everybody.
    pub(crate) beside: BTreeSet<String>,
}

/// Different texts a variable must have explained before it is believed in a resource or inside of a text.
const WITNESSES_MIN: usize = 2;
/// The same for values that are too short to be told from chance one by one.
const SHORT_WITNESSES_MIN: usize = 3;

/// Covers every text. `None`: they have nothing in common.
pub(crate) fn cover(seen: &[Seen<'_>], how: How) -> Option<Cover> {
    let explained = if how.personal { explanations(seen, how.from) } else { Vec::new() };
    let mut open: BTreeSet<usize> = (0..seen.len()).collect();
    let mut chosen: Vec<&Explanation> = Vec::new();
    loop {
        let useful = |e: &&Explanation| e.explains.intersection(&open).count();
        // The one that explains most; of equals the first, which is the most telling.
        let mut best: Option<&Explanation> = None;
        for candidate in &explained {
            if useful(&candidate) > best.as_ref().map_or(0, useful) {
                best = Some(candidate);
            }
        }
        let Some(best) = best else { break };
        open.retain(|at| !best.explains.contains(at));
        chosen.push(best);
    }
    let text_at = |at: &usize| seen.get(*at).map_or("", |seen| seen.text);
    let literals: BTreeSet<&str> = open.iter().map(text_at).collect();
    // A variable that explains nothing beyond what must be listed anyway would only grant more.
    chosen.retain(|e| !e.explains.iter().all(|at| literals.contains(text_at(at))));
    let witnesses = |e: &&Explanation| e.explains.iter().map(text_at).collect::<BTreeSet<_>>().len();
    let single_witness = chosen.iter().any(|e| witnesses(e) < WITNESSES_MIN);
    let variables = seen.iter().flat_map(|one| one.variables);
    let any: Vec<(String, String)> = variables.map(|(name, _)| (name.clone(), ANY.to_owned())).collect();
    let alike = |text: &&&str| chosen.iter().any(|e| looks_like(text, &e.form, &any));
    let beside = literals.iter().filter(alike).map(|text| (*text).to_owned()).collect();
    let forms: BTreeSet<Form> = chosen
        .iter()
        .map(|e| e.form.clone())
        .chain(literals.into_iter().map(|text| Form::Literal(text.to_owned())))
        .collect();
    let too_many = forms.len() > how.limit;
    let forms = generalised(forms, how.limit, how.from)?;
    Some(Cover { forms, generalised: too_many, single_witness, beside })
}

/// A template and the sightings it accounts for.
struct Explanation {
    form: Form,
    explains: BTreeSet<usize>,
}

/// What was seen of a template.
#[derive(Default)]
struct Evidence {
    rank: usize,
    /// Sightings it was made from.
    explains: BTreeSet<usize>,
    /// Those of them whose value is long enough to be no accident.
    sure: BTreeSet<usize>,
}

fn explanations(seen: &[Seen<'_>], from: usize) -> Vec<Explanation> {
    let mut found: BTreeMap<Form, Evidence> = BTreeMap::new();
    for (at, one) in seen.iter().enumerate() {
        let sure = templates_of_parts(one.text, from, one.variables, PART_BYTES_MIN);
        for (rank, form) in templates_of_parts(one.text, from, one.variables, 1).into_iter().enumerate() {
            let is_sure = sure.contains(&form);
            let entry = found.entry(form).or_insert(Evidence { rank, ..Evidence::default() });
            entry.rank = entry.rank.min(rank);
            entry.explains.insert(at);
            if is_sure {
                entry.sure.insert(at);
            }
        }
    }
    let texts = |at: &BTreeSet<usize>| {
        at.iter().filter_map(|at| seen.get(*at)).map(|seen| seen.text).collect::<BTreeSet<_>>().len()
    };
    let believable = |(form, evidence): &(Form, Evidence)| {
        from == 0 && is_whole(form)
            || texts(&evidence.sure) >= WITNESSES_MIN
            || texts(&evidence.explains) >= SHORT_WITNESSES_MIN
    };
    let mut ranked: Vec<(Form, Evidence)> = found.into_iter().filter(believable).collect();
    ranked.sort_by_key(|(_, evidence)| evidence.rank);
    let explaining = |(form, _): (Form, Evidence)| {
        // Once believed, it accounts for every text that it is with the sighting's own values, however short: what is
        // listed beside it would be everybody's.
        let own = |(_, one): &(usize, &Seen<'_>)| form.filled(one.variables).as_deref() == Some(one.text);
        let explains = seen.iter().enumerate().filter(own).map(|(at, _)| at).collect();
        Explanation { form, explains }
    };
    ranked.into_iter().map(explaining).collect()
}

/// Stands for any value of a variable; no text of a request has it.
const ANY: &str = "\0";

/// Whether a text begins and ends as the template does, `any` being all variables with [`ANY`] as their value.
fn looks_like(text: &str, form: &Form, any: &[(String, String)]) -> bool {
    let filled = form.filled(any).unwrap_or_default();
    filled.split_once(ANY).is_some_and(|(before, after)| {
        text.len() > before.len() + after.len() && text.starts_with(before) && text.ends_with(after)
    })
}

/// A template that is one variable and nothing else.
fn is_whole(form: &Form) -> bool {
    match form {
        Form::Template(text) => text.starts_with("${") && text.find('}') == Some(text.len() - 1),
        Form::Literal(_) | Form::Prefix(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOW: How = How { personal: true, from: 0, limit: 4 };

    fn covered(pairs: &[(&str, &str)]) -> Vec<String> {
        let tags: Vec<Vec<(String, String)>> = pairs
            .iter()
            .map(|(who, _)| vec![("aws:PrincipalTag/user".to_owned(), (*who).to_owned())])
            .collect();
        let seen: Vec<Seen<'_>> =
            pairs.iter().zip(&tags).map(|((_, text), variables)| Seen { text, variables }).collect();
        cover(&seen, HOW).unwrap().forms.iter().map(Form::text).collect()
    }

    #[test]
    fn a_tag_that_explains_every_value_takes_its_place() {
        let own =
            [("alice", "alice"), ("bobby", "bobby"), ("alice", "inbox#alice"), ("bobby", "inbox#bobby")];
        assert_eq!(covered(&own), ["${aws:PrincipalTag/user}", "inbox#${aws:PrincipalTag/user}"]);
    }

    #[test]
    fn a_tag_that_does_not_explain_everything_grants_nothing_extra() {
        let crossed = [("alice", "alice"), ("alice", "bobby"), ("bobby", "bobby"), ("bobby", "alice")];
        assert_eq!(covered(&crossed), ["alice", "bobby"]);
        let inbox_once = [("alice", "inbox#alice")];
        assert_eq!(covered(&inbox_once), ["inbox#alice"], "one witness inside of a text is none");
    }

    #[test]
    fn values_too_short_to_prove_a_variable_are_explained_by_it_all_the_same() {
        let tenants = ["alice", "carol", "bob", "7"];
        let texts: Vec<String> = tenants.iter().map(|who| format!("USER#{who}")).collect();
        let own: Vec<(&str, &str)> =
            tenants.iter().zip(&texts).map(|(who, text)| (*who, text.as_str())).collect();
        assert_eq!(covered(&own), ["USER#${aws:PrincipalTag/user}"]);
        // Whichever of them came first.
        let reversed: Vec<(&str, &str)> = own.iter().rev().copied().collect();
        assert_eq!(covered(&reversed), ["USER#${aws:PrincipalTag/user}"]);
        // The value is in the text twice: the template says which of the two it is.
        let twice = [("alice", "7#alice"), ("carol", "7#carol"), ("7", "7#7")];
        assert_eq!(covered(&twice), ["7#${aws:PrincipalTag/user}"]);
        // Someone else's stays listed.
        let crossed =
            [("alice", "USER#alice"), ("carol", "USER#carol"), ("alice", "USER#7"), ("7", "USER#7")];
        assert_eq!(covered(&crossed), ["USER#7", "USER#${aws:PrincipalTag/user}"]);
    }

    #[test]
    fn short_values_alone_prove_a_variable_once_there_are_three() {
        let own = [("bob", "USER#bob"), ("7", "USER#7"), ("ann", "USER#ann")];
        assert_eq!(covered(&own), ["USER#${aws:PrincipalTag/user}"]);
        assert_eq!(covered(&own[..2]), ["USER#7", "USER#bob"], "two may be chance");
        assert_eq!(covered(&[("bob", "USER#bob"), ("bob", "USER#bob")]), ["USER#bob"]);
    }

    #[test]
    fn what_is_listed_beside_a_variable_of_its_shape_is_told() {
        let tags = |who: &str| vec![("aws:PrincipalTag/user".to_owned(), who.to_owned())];
        let (alice, bobby) = (tags("alice"), tags("bobby"));
        let seen = |text: &'static str, variables| Seen { text, variables };
        let texts = [
            seen("USER#alice", &alice),
            seen("USER#bobby", &bobby),
            seen("USER#shared", &bobby),
            seen("CONFIG", &alice),
        ];
        assert_eq!(cover(&texts, HOW).unwrap().beside, BTreeSet::from(["USER#shared".to_owned()]));
        assert_eq!(cover(&texts[..2], HOW).unwrap().beside, BTreeSet::new());
    }

    #[test]
    fn many_values_become_a_prefix_and_say_so() {
        let texts: Vec<String> = (0..20).map(|n| format!("order#{n:02}")).collect();
        let seen: Vec<Seen<'_>> = texts.iter().map(|text| Seen { text, variables: &[] }).collect();
        let cover = cover(&seen, HOW).unwrap();
        assert!(cover.generalised);
        assert_eq!(cover.forms, BTreeSet::from([Form::Prefix("order#".to_owned())]));
    }
}
