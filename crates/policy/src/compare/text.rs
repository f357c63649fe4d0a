//! Texts of a policy as symbols: actions, ARNs and condition values, with their variables filled in. Mirrors how the
//! engine cuts ARNs into parts; the tests hold the two together.

use super::language::{Symbol, Symbols};
use crate::{
    arn::has_wide_reading,
    template::{Reading, Token, tokens},
};

/// Colons before the resource part of an ARN.
const PREFIX_COLONS: usize = 5;

/// What stands for a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fill {
    /// Its value or default.
    Text(String),
    /// It has none in this request.
    Missing,
    /// It is the variable of this number, and left open.
    Hole(usize),
}

/// Asked for every variable, with its default.
pub(super) type Filling<'a> = &'a dyn Fn(&str, Option<&str>) -> Fill;

/// Leaves every variable without a value.
pub(super) fn nothing(_key: &str, _default: Option<&str>) -> Fill {
    Fill::Missing
}

/// A pattern, filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flat {
    pub(super) symbols: Symbols,
    /// No variable was missing. What fits an incomplete pattern only perhaps fits.
    pub(super) complete: bool,
}

/// An element of `Action`, for texts that [`any_action`] knows. Those have one colon, so that behind it the general
/// wildcards say the same as those within a part, and let the automaton forget more.
pub(super) fn action(text: &str) -> Symbols {
    let mut is_name = text == "*";
    let symbol = |c: char| {
        is_name |= c == ':';
        match (c, is_name) {
            ('*', false) => Symbol::ManyInPart,
            ('*', true) => Symbol::Many,
            ('?', false) => Symbol::OneInPart,
            ('?', true) => Symbol::One,
            (c, _) => Symbol::Char(c.to_ascii_lowercase()),
        }
    };
    text.chars().map(symbol).collect()
}

/// What an action can be: `service:name`.
pub(super) fn any_action() -> Vec<Symbols> {
    use Symbol::{Char, ManyInPart, OneInPart};
    vec![vec![OneInPart, ManyInPart, Char(':'), OneInPart, ManyInPart]]
}

/// What a resource can be: `*`, or an ARN of a partition of AWS with a service and a resource.
pub(super) fn any_resource() -> Vec<Symbols> {
    use Symbol::{Char, Many, ManyInPart, One, OneInPart};
    let mut arn: Symbols = "arn:aws".chars().map(Char).collect();
    arn.extend([ManyInPart, Char(':'), OneInPart, ManyInPart, Char(':'), ManyInPart, Char(':'), ManyInPart]);
    arn.extend([Char(':'), One, Many]);
    vec![vec![Char('*')], arn]
}

/// What the engine takes for a whole ARN in a condition.
pub(super) fn whole_arn() -> Symbols {
    let mut symbols: Symbols = "arn:".chars().map(Symbol::Char).collect();
    for _ in 1..PREFIX_COLONS {
        symbols.extend([Symbol::Many, Symbol::Char(':')]);
    }
    symbols.push(Symbol::Many);
    symbols
}

/// An element of `Resource`: what it fits, and what it perhaps fits, which is incomplete.
pub(super) fn resource(text: &str, variables: bool, fill: Filling<'_>) -> Vec<Flat> {
    if text == "*" {
        return vec![Flat { symbols: vec![Symbol::Many], complete: true }];
    }
    let by_parts = resource_by_parts(text, variables, fill);
    let wide = has_wide_reading(text, variables).then(|| Flat {
        complete: false,
        ..plain(text, Reading { variables, wildcards: true }, &Symbol::Char, fill)
    });
    by_parts.into_iter().chain(wide).collect()
}

/// The reading part by part. `None` if it fits nothing.
fn resource_by_parts(text: &str, variables: bool, fill: Filling<'_>) -> Option<Flat> {
    let Arn { mut flat, mut colons, early } = arn(text, variables, fill)?;
    // A variable before the resource is one that AWS does not fill in.
    flat.complete &= !early;
    // A short ARN is filled up.
    while colons < PREFIX_COLONS {
        colons = colons.saturating_add(1);
        let rest = if colons < PREFIX_COLONS { Symbol::ManyInPart } else { Symbol::Many };
        flat.symbols.extend([Symbol::Char(':'), rest]);
    }
    Some(flat)
}

/// A value of an ARN condition. `None` if it is no ARN or fits nothing.
pub(super) fn arn_condition(text: &str, variables: bool, fill: Filling<'_>) -> Option<Flat> {
    arn(text, variables, fill).filter(|arn| arn.colons == PREFIX_COLONS).map(|arn| arn.flat)
}

/// An ARN with as many parts as it has.
struct Arn {
    flat: Flat,
    /// The number of colons that end a part.
    colons: usize,
    /// A variable stands before the resource part.
    early: bool,
}

fn arn(text: &str, variables: bool, fill: Filling<'_>) -> Option<Arn> {
    let all = tokens(text, Reading { variables, wildcards: true });
    if !matches!(all.first(), Some(Token::Text(text)) if text.starts_with("arn:")) {
        return None;
    }
    let mut flat = Flat { symbols: Vec::new(), complete: true };
    let mut colons = 0_usize;
    let mut early = false;
    for token in &all {
        let in_part = colons < PREFIX_COLONS;
        early |= in_part && matches!(token, Token::Variable { .. });
        let many = if in_part { Symbol::ManyInPart } else { Symbol::Many };
        match token {
            Token::Star => flat.symbols.push(many),
            Token::Any => flat.symbols.push(if in_part { Symbol::OneInPart } else { Symbol::One }),
            Token::Text(text) => {
                flat.symbols.extend(text.chars().map(Symbol::Char));
                colons = colons.saturating_add(text.matches(':').count()).min(PREFIX_COLONS);
            }
            Token::Variable { key, default } => match fill(key, default.as_deref()) {
                // A part of an ARN has no colon, so none fits.
                Fill::Text(value) if in_part && value.contains(':') => return None,
                Fill::Text(value) => flat.symbols.extend(value.chars().map(Symbol::Char)),
                Fill::Missing => {
                    flat.complete = false;
                    flat.symbols.push(many);
                }
                Fill::Hole(key) => flat.symbols.push(Symbol::Hole { key, in_part }),
            },
        }
    }
    Some(Arn { flat, colons, early })
}

/// A value of `StringLike`.
pub(super) fn like(text: &str, variables: bool, fill: Filling<'_>) -> Flat {
    plain(text, Reading { variables, wildcards: true }, &Symbol::Char, fill)
}

/// A value of `StringEquals`.
pub(super) fn exact(text: &str, variables: bool, fill: Filling<'_>) -> Flat {
    plain(text, Reading { variables, wildcards: false }, &Symbol::Char, fill)
}

/// A value of `StringEqualsIgnoreCase`.
pub(super) fn ignoring_case(text: &str, variables: bool, fill: Filling<'_>) -> Flat {
    let folded = |c| Symbol::Fold(super::language::fold(c));
    plain(text, Reading { variables, wildcards: false }, &folded, fill)
}

fn plain(text: &str, reading: Reading, character: &dyn Fn(char) -> Symbol, fill: Filling<'_>) -> Flat {
    let mut flat = Flat { symbols: Vec::new(), complete: true };
    for token in tokens(text, reading) {
        match token {
            Token::Star => flat.symbols.push(Symbol::Many),
            Token::Any => flat.symbols.push(Symbol::One),
            Token::Text(text) => flat.symbols.extend(text.chars().map(character)),
            Token::Variable { key, default } => match fill(&key, default.as_deref()) {
                Fill::Text(value) => flat.symbols.extend(value.chars().map(character)),
                Fill::Missing => {
                    flat.complete = false;
                    flat.symbols.push(Symbol::Many);
                }
                Fill::Hole(key) => flat.symbols.push(Symbol::Hole { key, in_part: false }),
            },
        }
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        NoContext,
        arn::{ArnPattern, is_whole_arn},
        compare::language::Machine,
        truth::Truth,
    };

    #[test]
    fn arns_are_cut_as_the_engine_cuts_them() {
        let patterns = [
            "arn:aws:sqs",
            "arn:aws:sqs:",
            "arn:aws:sqs:us-*",
            "arn:*:sqs:?s-east-1:*:q",
            "arn:aws:sqs:*:q",
            "arn:aws:s3:::b",
            "arn:aws:s3:::b/*",
            "arn:aws:s3:::b?x",
            "arn:aws:s3:::*",
            "arn:aws:s3:::${*}",
            "arn:aws*:s3:*",
            "arn:aws:sqs:us-*:q",
            "arn:aws:sqs:us-east-1:${aws:userid}:q",
            "arn:aws:sqs:*:${aws:userid}:q",
            "arn:aws:iam::1:",
            "arn:aws:iam::1:user/*:x",
        ];
        let texts = [
            "*",
            "arn:aws:sqs",
            "arn:aws:sqs:us-east-1",
            "arn:aws:sqs:us-east-1:1:q",
            "arn:aws:sqs::1:q",
            "arn:aws-cn:sqs:us-east-1:1:q:r",
            "arn:aws:s3:::b",
            "arn:aws:s3:::b/",
            "arn:aws:s3:::b/a:b",
            "arn:aws:s3:::b:x",
            "arn:aws:s3:::*",
            "arn:aws:s3:::",
            "arn:aws:iam::1:",
            "arn:aws:iam::1:user/a:b:x",
        ];
        for pattern in patterns {
            let engine = ArnPattern::resource(pattern, true).unwrap();
            let ours = resource(pattern, true, &nothing);
            let surely: Vec<Symbols> =
                ours.iter().filter(|flat| flat.complete).map(|flat| flat.symbols.clone()).collect();
            let perhaps: Vec<Symbols> = ours.into_iter().map(|flat| flat.symbols).collect();
            for text in texts.iter().filter(|text| is_whole_arn(text)) {
                let engine = engine.matches(text, &NoContext);
                let fits = |group: &[Symbols]| !Machine::new([group]).read(text).is_empty();
                assert_eq!(fits(&surely), engine == Truth::True, "{pattern} surely on {text}");
                assert_eq!(fits(&perhaps), engine != Truth::False, "{pattern} perhaps on {text}");
            }
        }
    }

    #[test]
    fn a_value_with_a_colon_fits_no_part_before_the_resource() {
        let fill = |_: &str, _: Option<&str>| Fill::Text("1:q".to_owned());
        assert_eq!(arn_condition("arn:aws:sqs:us-east-1:${k}:r", true, &fill), None);
        assert!(arn_condition("arn:aws:sqs:us-east-1:1:${k}", true, &fill).is_some());
        assert_eq!(arn_condition("arn:aws:sqs:us-east-1", true, &nothing), None);
    }
}
