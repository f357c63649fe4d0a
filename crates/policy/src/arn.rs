//! ARN patterns: six parts matched one by one, so that a wildcard in one never swallows another.

use crate::{
    facts::{Context, Value},
    index::Certainty,
    template::{Pattern, Reading, Token, tokens},
    truth::Truth,
};

/// Parts before the resource: `arn`, partition, service, region, account.
const PREFIX_PARTS: usize = 5;

/// A compiled ARN pattern.
#[derive(Debug, Clone)]
pub(crate) struct ArnPattern {
    /// What stands before the resource: up to and with the fifth colon.
    prefix: Vec<Step>,
    /// `None` in a short ARN: anything.
    resource: Option<Pattern>,
    /// The longest text every matching ARN starts with.
    literal_prefix: Box<str>,
    certainty: Certainty,
    /// The whole text as one pattern, where a star ends one of the first five parts.
    wide: Option<Pattern>,
    /// Unknown where a policy variable stands before the fifth colon, where AWS does not fill it in: an Allow does not
    /// apply, and a Deny is not lost.
    surest: Truth,
}

#[derive(Debug, Clone)]
enum Step {
    /// Parts without wildcards, each with its colon: one comparison.
    Literal(Box<str>),
    /// A part of any text, and its colon.
    Any,
    /// A part of this pattern, and its colon.
    Part(Pattern),
}

/// Why a text is not an ARN pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvalidPattern {
    /// Does not begin with `arn:`.
    NotAnArn,
    /// A wildcard in the service part.
    WildcardService,
    /// A policy variable in the service part.
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
        if service.iter().any(is_variable) {
            return Err(InvalidPattern::Variable);
        }
        let early = parts.iter().take(PREFIX_PARTS).flatten().any(is_variable);
        let open = is_open(&parts);
        let mut pattern = Self::compile(parts, &all);
        pattern.wide = open.then(|| Pattern::new(all));
        pattern.surest = if early { Truth::Unknown } else { Truth::True };
        Ok(pattern)
    }

    /// Compiles a value of an ARN condition: all six parts are needed, variables may stand anywhere.
    pub(crate) fn condition(text: &str, variables: bool) -> Option<Self> {
        let all = tokens(text, Reading { variables, wildcards: true });
        let parts = split(&all);
        (is_arn(&parts) && parts.len() > PREFIX_PARTS).then(|| Self::compile(parts, &all))
    }

    fn compile(parts: Vec<Vec<Token>>, all: &[Token]) -> Self {
        let (literal_prefix, certainty) = literal_start(all);
        let mut parts = parts.into_iter();
        let prefix = steps(parts.by_ref().take(PREFIX_PARTS));
        let resource = parts.next().map(Pattern::new);
        Self { prefix, resource, literal_prefix, certainty, wide: None, surest: Truth::True }
    }

    /// The longest text every matching ARN starts with, and what starting with it means.
    pub(crate) fn literal(&self) -> (&str, Certainty) {
        (&self.literal_prefix, self.certainty)
    }

    /// Whether `arn` fits. Text that is not a whole ARN never does.
    // DIVERGES: a star that ends a part matches beyond the colon for a Deny only. Where the two readings differ the answer
    // is unknown, so that an Allow is never wider than it looks.
    pub(crate) fn matches(&self, arn: &str, context: &dyn Context) -> Truth {
        let narrow = self.matches_by_parts(arn, context).min(self.surest);
        match &self.wide {
            Some(wide) if narrow == Truth::False && is_whole_arn(arn) => {
                wide.matches(arn, context).min(Truth::Unknown)
            }
            Some(_) | None => narrow,
        }
    }

    fn matches_by_parts(&self, arn: &str, context: &dyn Context) -> Truth {
        let (mut rest, mut so_far) = (arn, Truth::True);
        for step in &self.prefix {
            let after = match step {
                Step::Literal(literal) => rest.strip_prefix(&**literal),
                Step::Any => cut_at_colon(rest).map(|(_, after)| after),
                Step::Part(pattern) => cut_at_colon(rest).map(|(part, after)| {
                    so_far = so_far.min(pattern.matches(part, context));
                    after
                }),
            };
            match after {
                Some(after) if so_far != Truth::False => rest = after,
                Some(_) | None => return Truth::False,
            }
        }
        so_far.min(self.resource.as_ref().map_or(Truth::True, |pattern| pattern.matches(rest, context)))
    }
}

/// Whether an element of `Resource` can mean `resource` in some request, whatever its policy variables then hold. An element
/// that no policy may have means nothing.
pub fn can_mean(element: &str, resource: &str) -> bool {
    let means = |pattern: ArnPattern| {
        pattern.matches(resource, &AnyContext) != Truth::False && is_whole_arn(resource)
    };
    element == "*" || ArnPattern::resource(element, true).is_ok_and(means)
}

/// Some request, of which nothing is known.
struct AnyContext;

impl Context for AnyContext {
    fn value<'a>(&'a self, _key: &str) -> Value<'a> {
        Value::Unknown
    }
}

/// Five parts as steps; those that a short ARN lacks may be anything.
fn steps(parts: impl Iterator<Item = Vec<Token>>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let missing = std::iter::repeat_with(|| vec![Token::Star]);
    for part in parts.chain(missing).take(PREFIX_PARTS) {
        if part == [Token::Star] {
            steps.push(Step::Any);
            continue;
        }
        let pattern = Pattern::new(part);
        let Some(literal) = pattern.literal() else {
            steps.push(Step::Part(pattern));
            continue;
        };
        let text = format!("{literal}:");
        if let Some(Step::Literal(before)) = steps.last_mut() {
            *before = format!("{before}{text}").into_boxed_str();
        } else {
            steps.push(Step::Literal(text.into_boxed_str()));
        }
    }
    steps
}

/// Parts are short: looking at each byte is quicker than setting up a search.
fn cut_at_colon(text: &str) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == b':')?;
    Some((text.get(..at)?, text.get(at.checked_add(1)?..)?))
}

/// Whether `text` has the six parts of an ARN.
pub(crate) fn is_whole_arn(text: &str) -> bool {
    text.starts_with("arn:") && text.bytes().filter(|byte| *byte == b':').count() >= PREFIX_PARTS
}

fn is_arn(parts: &[Vec<Token>]) -> bool {
    parts.len() > 1 && matches!(parts.first().map(Vec::as_slice), Some([Token::Text(text)]) if text == "arn")
}

/// Can the pattern be read as one text, stars across colons?
// AWS: IAM User Guide, "Resource": a star that ends a part can match beyond the colon. Variables may be empty, so one that only
// they follow counts as such.
fn is_open(parts: &[Vec<Token>]) -> bool {
    let ends_in_star = |part: &Vec<Token>| {
        part.iter().rfind(|token| !matches!(token, Token::Variable { .. })) == Some(&Token::Star)
    };
    parts.len() > 1 && parts.iter().take(PREFIX_PARTS).any(ends_in_star)
}

/// Whether an element of `Resource` has that second, wide reading.
pub(crate) fn has_wide_reading(text: &str, variables: bool) -> bool {
    is_open(&split(&tokens(text, Reading { variables, wildcards: true })))
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

/// What every matching text starts with. A short ARN is never certain: the text must be a whole one.
fn literal_start(all: &[Token]) -> (Box<str>, Certainty) {
    let Some(Token::Text(text)) = all.first() else { return ("".into(), Certainty::Check) };
    let certainty = match all.get(1..) {
        _ if text.bytes().filter(|byte| *byte == b':').count() < PREFIX_PARTS => Certainty::Check,
        Some([]) => Certainty::Exact,
        Some([Token::Star]) => Certainty::Prefix,
        Some(_) | None => Certainty::Check,
    };
    (text.as_str().into(), certainty)
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
        assert!(fits("arn:aws:lambda:us-east-1:1:function:f", "arn:aws:lambda:us-east-1:1:function:f"));
        assert!(!fits("arn:aws:lambda:us-east-1:1:function:f", "arn:aws:lambda:us-east-1:1:function"));
    }

    #[test]
    fn an_element_can_mean_what_its_wildcards_and_variables_leave_open() {
        let queue = "arn:aws:sqs:us-east-1:123456789012:q-a1";
        for element in
            ["*", queue, "arn:aws:sqs", "arn:aws:sqs:*:123456789012:q-??", "arn:aws:sqs:*:*:${aws:userid}"]
        {
            assert!(can_mean(element, queue), "{element}");
        }
        for element in ["", "q-a1", "arn:aws:sns", "arn:aws:sqs:*:*:q-?", "arn:aws:sqs:*:*:r${aws:userid}"] {
            assert!(!can_mean(element, queue), "{element}");
        }
        assert!(!can_mean("arn:aws:sqs:*:*:*", "arn:aws:sqs"), "not a whole ARN");
    }

    #[test]
    fn variable_before_the_fifth_colon_never_allows_and_still_denies() {
        struct Region;
        impl Context for Region {
            fn value<'a>(&'a self, _key: &str) -> crate::Value<'a> {
                crate::Value::one("us-east-1")
            }
        }
        let pattern = ArnPattern::resource("arn:aws:sqs:${aws:RequestedRegion}:1:q", true).unwrap();
        assert_eq!(pattern.matches("arn:aws:sqs:us-east-1:1:q", &Region), Truth::Unknown);
        assert_eq!(pattern.matches("arn:aws:sqs:eu-west-1:1:q", &Region), Truth::False);
        assert_eq!(pattern.matches("arn:aws:sqs:us-east-1:1:q", &NoContext), Truth::Unknown);
    }

    #[test]
    fn star_at_the_end_of_a_part_reaches_beyond_the_colon_for_denies_only() {
        let answer =
            |pattern: &str, arn: &str| ArnPattern::resource(pattern, true).unwrap().matches(arn, &NoContext);
        for pattern in ["arn:aws:sqs:*:q", "arn:aws:sqs:us-*:q", "arn:*:sqs:*:q"] {
            let arn = "arn:aws:sqs:us-east-1:123456789012:q";
            assert_eq!(answer(pattern, arn), Truth::Unknown, "{pattern}");
        }
        assert_eq!(answer("arn:aws:sqs:u*t-1:q", "arn:aws:sqs:us-east-1:123456789012:q"), Truth::False);
        assert_eq!(answer("arn:aws:sqs:*:q", "arn:aws:sqs:us-east-1:123456789012:r"), Truth::False);
        assert_eq!(
            answer("arn:aws:sqs:u*1:q", "arn:aws:sqs:us-east-1:12:1:q"),
            Truth::False,
            "it ends no part"
        );
        let before_a_variable = "arn:aws:sqs:u*${aws:PrincipalTag/t}:q";
        assert_eq!(
            answer(before_a_variable, "arn:aws:sqs:us-east-1:12:q"),
            Truth::Unknown,
            "it may be empty"
        );
        assert_eq!(answer("arn:aws:sqs:*:q", "arn:aws:sqs:us-east-1:q"), Truth::False, "not a whole ARN");
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
            ("arn", InvalidPattern::NotAnArn),
            ("arn:aws", InvalidPattern::NotAnArn),
            ("a*", InvalidPattern::NotAnArn),
            ("arn:aws:s*:::x", InvalidPattern::WildcardService),
            ("arn:aws:${aws:PrincipalTag/service}:us-east-1:1:q", InvalidPattern::Variable),
        ] {
            assert_eq!(ArnPattern::resource(text, true).err(), Some(why), "{text}");
        }
        for text in
            ["arn:aws:sqs:us-east-1", "arn:aws:sqs:us-east-1:1", "*:aws:sqs:us-east-1:1:q", "a*:aws:sqs:::q"]
        {
            assert!(ArnPattern::condition(text, true).is_none(), "{text}");
        }
        assert!(ArnPattern::condition("arn:aws:sqs:us-east-1:1:q", true).is_some());
    }
}
