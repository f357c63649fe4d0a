//! Texts of a policy as symbols: actions, ARNs and condition values, with their variables filled in. Mirrors how the
//! engine cuts ARNs into parts; the tests hold the two together.

use super::language::{Symbol, Symbols};
use crate::template::{Reading, Token, tokens};

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

/// An element of `Action`.
pub(super) fn action(text: &str) -> Symbols {
    if text == "*" {
        return vec![Symbol::Many];
    }
    let symbol = |c: char| match c {
        '*' => Symbol::ManyInPart,
        '?' => Symbol::OneInPart,
        c => Symbol::Char(c.to_ascii_lowercase()),
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

/// An element of `Resource`. `None` if it fits nothing.
pub(super) fn resource(text: &str, variables: bool, fill: Filling<'_>) -> Option<Flat> {
    if text == "*" {
        return Some(Flat { symbols: vec![Symbol::Many], complete: true });
    }
    let (mut flat, mut colons) = arn(text, variables, fill)?;
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
    arn(text, variables, fill).filter(|(_, colons)| *colons == PREFIX_COLONS).map(|(flat, _)| flat)
}

/// An ARN with as many parts as it has, and the number of colons that end one.
fn arn(text: &str, variables: bool, fill: Filling<'_>) -> Option<(Flat, usize)> {
    let all = tokens(text, Reading { variables, wildcards: true });
    if !matches!(all.first(), Some(Token::Text(text)) if text.starts_with("arn:")) {
        return None;
    }
    let mut flat = Flat { symbols: Vec::new(), complete: true };
    let mut colons = 0_usize;
    for token in &all {
        let in_part = colons < PREFIX_COLONS;
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
    Some((flat, colons))
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
    use crate::{NoContext, arn::ArnPattern, compare::language::Machine, truth::Truth};

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
            let ours = [resource(pattern, true, &nothing).unwrap().symbols];
            let machine = Machine::new([ours.as_slice()]);
            for text in texts {
                let expected = engine.matches(text, &NoContext) == Truth::True;
                assert_eq!(!machine.read(text).is_empty(), expected, "{pattern} on {text}");
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
