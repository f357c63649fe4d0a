//! Action patterns: service and name, without regard to case; wildcards do not cross the colon.

use crate::{glob::Glob, head_table::Head, index::Certainty};

/// Longest action kept on the stack, in bytes. AWS's longest has fewer; a longer one is merely slower.
const INLINE_MAX: usize = 96;

/// A request's action in lower case, made once for all policies.
pub(crate) struct LowerAction {
    inline: [u8; INLINE_MAX],
    length: usize,
    long: Option<String>,
    head: Head,
}

impl LowerAction {
    #[inline]
    pub(crate) fn new(action: &str) -> Self {
        let mut inline = [0; INLINE_MAX];
        let length = action.len();
        let long = match inline.get_mut(..length) {
            Some(room) => {
                room.copy_from_slice(action.as_bytes());
                // All of it, not the room alone: for a length known beforehand this is a handful of instructions.
                inline.make_ascii_lowercase();
                None
            }
            None => Some(action.to_ascii_lowercase()),
        };
        let head = Head::of(long.as_ref().map_or(&inline, |long| long.as_bytes()));
        Self { inline, length, long, head }
    }

    /// What the text starts with.
    #[inline]
    pub(crate) fn head(&self) -> Head {
        self.head
    }

    #[inline]
    pub(crate) fn text(&self) -> &str {
        match &self.long {
            Some(long) => long,
            // INVARIANT: a copy of text whose ASCII letters were lowered is text.
            None => self.inline.get(..self.length).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or(""),
        }
    }
}

/// A compiled element of `Action` or `NotAction`.
#[derive(Debug, Clone)]
pub(crate) enum ActionPattern {
    /// `*`
    Everything,
    /// `service:name`
    Named(Box<Named>),
}

/// In lower case throughout.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    service: Glob,
    name: Glob,
    /// The text before the first wildcard.
    literal_prefix: Box<str>,
    certainty: Certainty,
}

/// Why a text is not an action pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InvalidAction {
    /// No colon.
    NoService,
    /// More than one colon.
    Colons,
}

impl ActionPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidAction> {
        if text == "*" {
            return Ok(Self::Everything);
        }
        let text = text.to_ascii_lowercase();
        let (service, name) = text.split_once(':').ok_or(InvalidAction::NoService)?;
        if service.is_empty() || name.is_empty() {
            return Err(InvalidAction::NoService);
        }
        if name.contains(':') {
            return Err(InvalidAction::Colons);
        }
        let literal_prefix: Box<str> = text.split(['*', '?']).next().unwrap_or("").into();
        let certainty = match text.strip_prefix(&*literal_prefix) {
            Some("") => Certainty::Exact,
            Some("*") if literal_prefix.contains(':') => Certainty::Prefix,
            Some(_) | None => Certainty::Check,
        };
        Ok(Self::Named(Box::new(Named {
            service: Glob::parse(service),
            name: Glob::parse(name),
            literal_prefix,
            certainty,
        })))
    }

    /// `action` in lower case.
    pub(crate) fn matches(&self, action: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Named(named) => {
                let fits = |(service, name): (&str, &str)| {
                    named.service.matches(service) && named.name.matches(name)
                };
                action.starts_with(&*named.literal_prefix) && action.split_once(':').is_some_and(fits)
            }
        }
    }

    /// The longest text every matching action starts with, and what starting with it means.
    pub(crate) fn literal(&self) -> (&str, Certainty) {
        match self {
            Self::Everything => ("", Certainty::Prefix),
            Self::Named(named) => (&named.literal_prefix, named.certainty),
        }
    }
}

/// Whether an element of `Action` names `action`, without regard to case. An element that no policy may have names nothing.
pub fn names_action(element: &str, action: &str) -> bool {
    ActionPattern::parse(element).is_ok_and(|pattern| pattern.matches(LowerAction::new(action).text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_names_actions_as_a_statement_would() {
        assert!(names_action("s3:Get*", "S3:GetObject") && names_action("*", "s3:GetObject"));
        assert!(!names_action("s3", "s3:GetObject") && !names_action("s3:Get", "s3:GetObject"));
    }

    #[test]
    fn wildcards_do_not_cross_the_colon() {
        let fits = |pattern: &str, action: &str| ActionPattern::parse(pattern).unwrap().matches(action);
        assert!(fits("S3:get*", "s3:getobject"));
        assert!(fits("*:*", "s3:getobject"));
        assert!(fits("s?:GetObjec?", "s3:getobject"));
        assert!(!fits("s*t:x", "s3:getobject"));
        assert!(!fits("s3:Get", "s3:getobject"));
    }

    #[test]
    fn actions_of_any_length_are_lowered_whole() {
        for length in [0, 1, INLINE_MAX - 1, INLINE_MAX, INLINE_MAX + 1, 500] {
            let action = "Aé:".chars().cycle().take(length).collect::<String>();
            assert_eq!(LowerAction::new(&action).text(), action.to_ascii_lowercase(), "{length}");
        }
    }

    #[test]
    fn actions_need_exactly_one_colon() {
        assert_eq!(ActionPattern::parse("GetObject").err(), Some(InvalidAction::NoService));
        assert_eq!(ActionPattern::parse("s3*").err(), Some(InvalidAction::NoService));
        assert_eq!(ActionPattern::parse(":x").err(), Some(InvalidAction::NoService));
        assert_eq!(ActionPattern::parse("").err(), Some(InvalidAction::NoService));
        assert_eq!(ActionPattern::parse("s3:a:b").err(), Some(InvalidAction::Colons));
    }
}
