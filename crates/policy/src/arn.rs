//! ARN patterns: six parts matched one by one, so that a wildcard in one never swallows another.

use crate::{
    facts::Context,
    template::{Pattern, Reading, Token, tokens},
    truth::Truth,
};

/// Parts before the resource: `arn`, partition, service, region, account.
const PREFIX_PARTS: usize = 5;

/// A compiled ARN pattern.
#[derive(Debug, Clone)]
pub(crate) struct ArnPattern {
    prefix: Prefix,
    /// `None` in a short ARN: anything.
    resource: Option<Pattern>,
    /// The longest text every matching ARN starts with.
    literal_prefix: Box<str>,
}

#[derive(Debug, Clone)]
enum Prefix {
    /// The five parts and their colons, without wildcards: one comparison.
    Literal(Box<str>),
    /// Up to five patterns; fewer in a short ARN.
    Parts(Vec<Pattern>),
}

/// Why a text is not an ARN pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvalidPattern {
    /// Does not begin with `arn:`.
    NotAnArn,
    /// A wildcard in the service part.
    WildcardService,
    /// A policy variable before the fifth colon.
    Variable,
}

impl ArnPattern {
    /// Compiles an element of `Resource` or `NotResource`, which may be short.
    // AWS: `arn:aws:sqs` and `arn:aws:sqs:us-east-1` mean the same as when filled up with `*`.
    pub(crate) fn resource(text: &str, variables: bool) -> Result<Self, InvalidPattern> {
        let all = tokens(text, Reading { variables, wildcards: true });
        let parts = split(&all);
        if !is_arn(&parts) || parts.len() < 3 {
            return Err(InvalidPattern::NotAnArn);
        }
        let service = parts.get(2).map_or(&[][..], Vec::as_slice);
        if service.iter().any(|token| matches!(token, Token::Star | Token::Any)) {
            return Err(InvalidPattern::WildcardService);
        }
        let is_variable = |token: &Token| matches!(token, Token::Variable { .. });
        if parts.iter().take(PREFIX_PARTS).flatten().any(is_variable) {
            return Err(InvalidPattern::Variable);
        }
        Ok(Self::compile(parts, literal_start(&all)))
    }

    /// Compiles a value of an ARN condition: all six parts are needed, variables may stand anywhere.
    pub(crate) fn condition(text: &str, variables: bool) -> Option<Self> {
        let all = tokens(text, Reading { variables, wildcards: true });
        let parts = split(&all);
        (is_arn(&parts) && parts.len() > PREFIX_PARTS).then(|| Self::compile(parts, literal_start(&all)))
    }

    fn compile(parts: Vec<Vec<Token>>, literal_prefix: Box<str>) -> Self {
        let mut parts = parts.into_iter().map(Pattern::new);
        let prefix: Vec<Pattern> = parts.by_ref().take(PREFIX_PARTS).collect();
        let resource = parts.next();
        let literals: Option<Vec<&str>> = prefix.iter().map(Pattern::literal).collect();
        let prefix = match literals {
            Some(parts) if resource.is_some() => {
                let mut text = parts.join(":");
                text.push(':');
                Prefix::Literal(text.into_boxed_str())
            }
            Some(_) | None => Prefix::Parts(prefix),
        };
        Self { prefix, resource, literal_prefix }
    }

    /// The longest text every matching ARN starts with.
    pub(crate) fn literal_prefix(&self) -> &str {
        &self.literal_prefix
    }

    /// Whether `arn` fits. Text that is not a whole ARN never does.
    pub(crate) fn matches(&self, arn: &str, context: &dyn Context) -> Truth {
        let (prefix, rest) = match &self.prefix {
            Prefix::Literal(prefix) => match arn.strip_prefix(&**prefix) {
                Some(rest) => (Truth::True, rest),
                None => return Truth::False,
            },
            Prefix::Parts(patterns) => {
                let mut given = arn.splitn(PREFIX_PARTS + 1, ':');
                let mut so_far = Truth::True;
                for index in 0..PREFIX_PARTS {
                    let Some(part) = given.next() else { return Truth::False };
                    let fits = patterns.get(index).map_or(Truth::True, |p| p.matches(part, context));
                    so_far = so_far.min(fits);
                    if so_far == Truth::False {
                        return Truth::False;
                    }
                }
                let Some(rest) = given.next() else { return Truth::False };
                (so_far, rest)
            }
        };
        prefix.min(self.resource.as_ref().map_or(Truth::True, |pattern| pattern.matches(rest, context)))
    }
}

/// Whether `text` has the six parts of an ARN.
pub(crate) fn is_whole_arn(text: &str) -> bool {
    text.starts_with("arn:") && text.bytes().filter(|byte| *byte == b':').count() >= PREFIX_PARTS
}

fn is_arn(parts: &[Vec<Token>]) -> bool {
    parts.len() > 1 && matches!(parts.first().map(Vec::as_slice), Some([Token::Text(text)]) if text == "arn")
}

/// Cuts at the first five colons that are written in the text itself, not in a variable's name.
fn split(all: &[Token]) -> Vec<Vec<Token>> {
    let mut parts: Vec<Vec<Token>> = Vec::new();
    let mut part = Vec::new();
    for token in all {
        let Token::Text(text) = token else {
            part.push(token.clone());
            continue;
        };
        let mut rest = text.as_str();
        while parts.len() < PREFIX_PARTS
            && let Some((before, after)) = rest.split_once(':')
        {
            if !before.is_empty() {
                part.push(Token::Text(before.to_owned()));
            }
            parts.push(std::mem::take(&mut part));
            rest = after;
        }
        if !rest.is_empty() {
            part.push(Token::Text(rest.to_owned()));
        }
    }
    parts.push(part);
    parts
}

fn literal_start(all: &[Token]) -> Box<str> {
    match all.first() {
        Some(Token::Text(text)) => text.as_str().into(),
        Some(Token::Star | Token::Any | Token::Variable { .. }) | None => "".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoContext;

    fn fits(pattern: &str, arn: &str) -> bool {
        ArnPattern::resource(pattern, true).unwrap().matches(arn, &NoContext) == Truth::True
    }

    #[test]
    fn wildcards_stay_within_their_part_and_cross_slashes() {
        assert!(fits("arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket/a/b:c"));
        assert!(fits("arn:aws:sqs:*:123456789012:q", "arn:aws:sqs:us-east-1:123456789012:q"));
        assert!(!fits("arn:aws:sqs:*:q", "arn:aws:sqs:us-east-1:123456789012:q"));
        assert!(!fits("arn:aws:sqs:*:1:q", "arn:aws:sqs:us-east-1:9:1:q"));
        assert!(!fits("arn:aws:s3:::Bucket", "arn:aws:s3:::bucket"));
    }

    #[test]
    fn short_arns_are_filled_up() {
        for pattern in ["arn:aws:sqs", "arn:aws:sqs:us-east-1", "arn:aws:sqs:us-*", "arn:*:sqs"] {
            assert!(fits(pattern, "arn:aws:sqs:us-east-1:123456789012:q"), "{pattern}");
            assert!(!fits(pattern, "arn:aws:sns:eu-west-1:123456789012:q"), "{pattern}");
        }
    }

    #[test]
    fn what_is_no_arn_never_matches_and_is_refused_in_patterns() {
        assert!(!fits("arn:aws:sqs", "*"));
        assert!(!fits("arn:aws:sqs", "arn:aws:sqs:us-east-1"));
        for (text, why) in [
            ("bucket", InvalidPattern::NotAnArn),
            ("arn:aws", InvalidPattern::NotAnArn),
            ("a*", InvalidPattern::NotAnArn),
            ("arn:aws:s*:::x", InvalidPattern::WildcardService),
            ("arn:aws:sqs:${aws:RequestedRegion}:1:q", InvalidPattern::Variable),
        ] {
            assert_eq!(ArnPattern::resource(text, true).err(), Some(why), "{text}");
        }
        assert!(ArnPattern::condition("arn:aws:sqs:us-east-1", true).is_none());
    }
}
