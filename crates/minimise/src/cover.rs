//! The fewest patterns that stand for every text seen: variables where they explain the text, the texts themselves while
//! they are few, prefixes otherwise.

use std::collections::{BTreeMap, BTreeSet};

use casemate_policy::{Form, generalised, templates};

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
}

/// Different texts a variable must have explained before it is believed in a resource or inside of a text.
const WITNESSES_MIN: usize = 2;

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
    let forms: BTreeSet<Form> = chosen
        .iter()
        .map(|e| e.form.clone())
        .chain(literals.into_iter().map(|text| Form::Literal(text.to_owned())))
        .collect();
    let too_many = forms.len() > how.limit;
    let forms = generalised(forms, how.limit, how.from)?;
    Some(Cover { forms, generalised: too_many, single_witness })
}

/// A template and the sightings it accounts for.
struct Explanation {
    form: Form,
    explains: BTreeSet<usize>,
}

fn explanations(seen: &[Seen<'_>], from: usize) -> Vec<Explanation> {
    let mut found: BTreeMap<Form, (usize, BTreeSet<usize>)> = BTreeMap::new();
    for (at, one) in seen.iter().enumerate() {
        for (rank, form) in templates(one.text, from, one.variables).into_iter().enumerate() {
            let entry = found.entry(form).or_insert((rank, BTreeSet::new()));
            entry.0 = entry.0.min(rank);
            entry.1.insert(at);
        }
    }
    let believable = |form: &Form, explains: &BTreeSet<usize>| {
        let texts: BTreeSet<&str> = explains.iter().filter_map(|at| seen.get(*at)).map(|s| s.text).collect();
        from == 0 && is_whole(form) || texts.len() >= WITNESSES_MIN
    };
    let mut ranked: Vec<(usize, Explanation)> = found
        .into_iter()
        .filter(|(form, (_, explains))| believable(form, explains))
        .map(|(form, (rank, explains))| (rank, Explanation { form, explains }))
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, explanation)| explanation).collect()
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
    fn many_values_become_a_prefix_and_say_so() {
        let texts: Vec<String> = (0..20).map(|n| format!("order#{n:02}")).collect();
        let seen: Vec<Seen<'_>> = texts.iter().map(|text| Seen { text, variables: &[] }).collect();
        let cover = cover(&seen, HOW).unwrap();
        assert!(cover.generalised);
        assert_eq!(cover.forms, BTreeSet::from([Form::Prefix("order#".to_owned())]));
    }
}
