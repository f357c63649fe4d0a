//! What an operation says must be allowed before it may run.

use casemate_names::{AccountId, Arn, Secret};

const MFA_PRESENT: &str = "aws:MultiFactorAuthPresent";
const MFA_AGE: &str = "aws:MultiFactorAuthAge";

/// The access declaration of one request.
#[derive(Debug)]
pub enum Access {
    /// Every ask must be allowed by policy. An empty list is a refusal.
    Iam(Vec<Ask>),
    /// Any caller whose signature verifies, whatever the policies say. The reason is printed by `xtask access`.
    Identified(&'static str),
    /// The right lies inside the input (an access token, a challenge session); the service must verify it.
    InBand(Proof),
    /// Anyone who reaches the port. The reason is printed by `xtask access` and pinned by a golden file. The account is the
    /// one that what the input names belongs to, `None` where it names nothing: a closed account's is open to nobody.
    Public(&'static str, Option<AccountId>),
}

/// Something presented inside the input that proves a right.
#[derive(Debug)]
pub struct Proof {
    /// What it is, e.g. `access token`. Goes into the audit record.
    pub kind: &'static str,
    /// The text presented.
    pub value: Secret<String>,
}

/// One `(action, resource, condition keys)` that must be allowed.
#[derive(Debug, Clone)]
pub struct Ask {
    /// `service:Action`, as in policies.
    pub action: &'static str,
    /// The resource, or `None` for actions without resource-level permission (evaluated against `*`).
    pub resource: Option<Arn>,
    /// Service and request condition keys with their values, e.g. `("dynamodb:LeadingKeys", Some(vec![..]))`.
    /// `None` marks a key the service could not determine: it never satisfies an Allow and always satisfies a Deny.
    pub keys: Vec<(String, Option<Vec<String>>)>,
}

impl Access {
    /// One ask.
    pub fn on(action: &'static str, resource: Arn) -> Self {
        Self::Iam(vec![Ask::on(action, resource)])
    }

    /// One ask for an action without resource-level permission.
    pub fn on_any(action: &'static str) -> Self {
        Self::Iam(vec![Ask::on_any(action)])
    }

    /// Adds a further ask.
    #[must_use]
    pub fn and(mut self, ask: Ask) -> Self {
        if let Self::Iam(asks) = &mut self {
            asks.push(ask);
        }
        self
    }

    /// The kernel has verified a code of one of the caller's MFA devices that came with this very request: the asks are
    /// decided with it. Replaces whatever was said of it before.
    pub(crate) fn prove_mfa(&mut self) {
        let Self::Iam(asks) = self else { return };
        for ask in asks {
            for (key, value) in [(MFA_PRESENT, "true"), (MFA_AGE, "0")] {
                ask.keys.retain(|(name, _)| !name.eq_ignore_ascii_case(key));
                ask.keys.push((key.to_owned(), Some(vec![value.to_owned()])));
            }
        }
    }

    /// Adds a condition key to the latest ask.
    #[must_use]
    pub fn with(mut self, key: &str, values: Vec<String>) -> Self {
        if let Self::Iam(asks) = &mut self
            && let Some(ask) = asks.last_mut()
        {
            ask.put(key, Some(values));
        }
        self
    }
}

impl Ask {
    /// Asks for `action` on `resource`.
    pub fn on(action: &'static str, resource: Arn) -> Self {
        Self { action, resource: Some(resource), keys: Vec::new() }
    }

    /// Asks for an action without resource-level permission.
    pub fn on_any(action: &'static str) -> Self {
        Self { action, resource: None, keys: Vec::new() }
    }

    /// Adds a condition key with its values (one value: single-valued key; the operator in the policy decides).
    #[must_use]
    pub fn with(mut self, key: &str, values: Vec<String>) -> Self {
        self.put(key, Some(values));
        self
    }

    /// Adds a condition key whose value could not be determined.
    #[must_use]
    pub fn with_unknown(mut self, key: &str) -> Self {
        self.put(key, None);
        self
    }

    /// Adds `aws:RequestTag/*` and `aws:TagKeys` for tags carried by the request.
    #[must_use]
    pub fn with_request_tags<'t>(mut self, tags: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let mut names = Vec::new();
        for (key, value) in tags {
            self.put(&format!("aws:RequestTag/{key}"), Some(vec![value.to_owned()]));
            names.push(key.to_owned());
        }
        if !names.is_empty() {
            self.put("aws:TagKeys", Some(names));
        }
        self
    }

    /// Adds a key. Of which two different things are said, in whatever case, nothing is known: which of them the operation
    /// goes by is not for the gate to guess.
    pub(crate) fn put(&mut self, key: &str, values: Option<Vec<String>>) {
        match self.keys.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(key)) {
            Some((_, said)) if *said == values => {}
            Some((_, said)) => *said = None,
            None => self.keys.push((key.to_owned(), values)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn a_proven_code_replaces_what_was_said_of_codes_and_nothing_else() {
        let ask = Ask::on_any("toys:Make")
            .with("toys:Colour", vec!["red".to_owned()])
            .with("AWS:multifactorauthpresent", vec!["false".to_owned()])
            .with_unknown("toys:Size");
        let mut access = Access::Iam(vec![ask, Ask::on_any("toys:Swap")]);
        access.prove_mfa();
        let Access::Iam(asks) = access else { panic!("asks stay asks") };
        let proven =
            [(MFA_PRESENT.to_owned(), Some(texts(&["true"]))), (MFA_AGE.to_owned(), Some(texts(&["0"])))];
        let kept = [("toys:Colour".to_owned(), Some(texts(&["red"]))), ("toys:Size".to_owned(), None)];
        assert_eq!(asks[0].keys, [kept, proven.clone()].concat());
        assert_eq!(asks[1].keys, proven);
    }

    #[test]
    fn of_what_is_said_twice_differently_nothing_is_known() {
        let red = || texts(&["red"]);
        let ask = Ask::on_any("toys:Make").with("toys:Colour", red());
        let known = [("toys:Colour".to_owned(), Some(red()))];
        let unknown = [("toys:Colour".to_owned(), None)];
        assert_eq!(ask.clone().with("TOYS:colour", red()).keys, known);
        assert_eq!(ask.clone().with("toys:colour", texts(&["blue"])).keys, unknown);
        assert_eq!(ask.clone().with("toys:Colour", texts(&["red", "blue"])).keys, unknown);
        assert_eq!(ask.clone().with_unknown("toys:Colour").keys, unknown);
        assert_eq!(ask.with("toys:Colour", texts(&["blue"])).with("toys:Colour", red()).keys, unknown);
        assert_eq!(
            Ask::on_any("toys:Make").with_unknown("toys:Colour").with("toys:Colour", red()).keys,
            unknown
        );
        let access =
            Access::on_any("toys:Make").with("toys:Colour", red()).with("toys:colour", texts(&["blue"]));
        let Access::Iam(asks) = access else { panic!("asks stay asks") };
        assert_eq!(asks[0].keys, unknown);
        let tagged = Ask::on_any("toys:Make").with_request_tags([("team", "a"), ("Team", "root")]);
        assert_eq!(tagged.keys[0], ("aws:RequestTag/team".to_owned(), None));
    }

    #[test]
    fn tags_of_a_request_are_keys_each_and_together() {
        let ask = Ask::on_any("toys:Make").with_request_tags([("a", "1"), ("b", "2")]);
        let expected = [
            ("aws:RequestTag/a".to_owned(), Some(texts(&["1"]))),
            ("aws:RequestTag/b".to_owned(), Some(texts(&["2"]))),
            ("aws:TagKeys".to_owned(), Some(texts(&["a", "b"]))),
        ];
        assert_eq!(ask.keys, expected);
        assert!(Ask::on_any("toys:Make").with_request_tags([]).keys.is_empty());
    }
}
