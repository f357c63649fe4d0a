//! What an operation says must be allowed before it may run.

use casemate_names::{AccountId, Arn, Secret};
use casemate_policy::Value;

use crate::KeyValue;

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
    /// Service and request condition keys with their values, e.g. `("dynamodb:LeadingKeys", Some(KeyValue::Many(..)))`.
    /// `None` marks a key the service could not determine: it never satisfies an Allow and always satisfies a Deny. A name
    /// that ends with `*` then stands for every key that begins so and is not named itself.
    pub keys: Vec<(String, Option<KeyValue>)>,
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
                ask.keys.push((key.to_owned(), Some(value.into())));
            }
        }
    }

    /// Adds a condition key to the latest ask: a text of a single-valued key, a list of a multi-valued one.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<KeyValue>) -> Self {
        if let Self::Iam(asks) = &mut self
            && let Some(ask) = asks.last_mut()
        {
            ask.put(key, Some(value.into()));
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

    /// Adds a condition key: a text of a single-valued key, a list of a multi-valued one, also if it has one value only.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<KeyValue>) -> Self {
        self.put(key, Some(value.into()));
        self
    }

    /// Adds a condition key whose value could not be determined; `service:Part/*` for all keys that begin so.
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
            self.put(&format!("aws:RequestTag/{key}"), Some(value.into()));
            names.push(key.to_owned());
        }
        if !names.is_empty() {
            self.put("aws:TagKeys", Some(names.into()));
        }
        self
    }

    /// What is said of a key, if anything.
    pub(crate) fn said_of(&self, key: &str) -> Option<Value<'_>> {
        let mut unknown = None;
        for (name, value) in &self.keys {
            if name.eq_ignore_ascii_case(key) {
                return Some(value.as_ref().map_or(Value::Unknown, KeyValue::as_value));
            }
            let begins = |start: &str| {
                key.as_bytes().get(..start.len()).is_some_and(|k| k.eq_ignore_ascii_case(start.as_bytes()))
            };
            if value.is_none() && name.strip_suffix('*').is_some_and(begins) {
                unknown = Some(Value::Unknown);
            }
        }
        unknown
    }

    /// Adds a key. Of which two different things are said, in whatever case, nothing is known: which of them the operation
    /// goes by is not for the gate to guess.
    pub(crate) fn put(&mut self, key: &str, value: Option<KeyValue>) {
        match self.keys.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case(key)) {
            Some((_, said)) if *said == value => {}
            Some((_, said)) => *said = None,
            None => self.keys.push((key.to_owned(), value)),
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
            .with("toys:Colour", "red")
            .with("AWS:multifactorauthpresent", "false")
            .with_unknown("toys:Size");
        let mut access = Access::Iam(vec![ask, Ask::on_any("toys:Swap")]);
        access.prove_mfa();
        let Access::Iam(asks) = access else { panic!("asks stay asks") };
        let proven = [(MFA_PRESENT.to_owned(), Some("true".into())), (MFA_AGE.to_owned(), Some("0".into()))];
        let kept = [("toys:Colour".to_owned(), Some("red".into())), ("toys:Size".to_owned(), None)];
        assert_eq!(asks[0].keys, [kept, proven.clone()].concat());
        assert_eq!(asks[1].keys, proven);
    }

    #[test]
    fn of_what_is_said_twice_differently_nothing_is_known() {
        let red = "red";
        let ask = Ask::on_any("toys:Make").with("toys:Colour", red);
        let known = [("toys:Colour".to_owned(), Some(red.into()))];
        let unknown = [("toys:Colour".to_owned(), None)];
        assert_eq!(ask.clone().with("TOYS:colour", red).keys, known);
        assert_eq!(ask.clone().with("toys:colour", "blue").keys, unknown);
        assert_eq!(ask.clone().with("toys:Colour", texts(&["red", "blue"])).keys, unknown);
        assert_eq!(ask.clone().with("toys:Colour", texts(&["red"])).keys, unknown, "of another kind");
        assert_eq!(ask.clone().with_unknown("toys:Colour").keys, unknown);
        assert_eq!(ask.with("toys:Colour", "blue").with("toys:Colour", red).keys, unknown);
        assert_eq!(
            Ask::on_any("toys:Make").with_unknown("toys:Colour").with("toys:Colour", red).keys,
            unknown
        );
        let access = Access::on_any("toys:Make").with("toys:Colour", red).with("toys:colour", "blue");
        let Access::Iam(asks) = access else { panic!("asks stay asks") };
        assert_eq!(asks[0].keys, unknown);
        let tagged = Ask::on_any("toys:Make").with_request_tags([("team", "a"), ("Team", "root")]);
        assert_eq!(tagged.keys[0], ("aws:RequestTag/team".to_owned(), None));
    }

    #[test]
    fn keys_can_be_unknown_by_how_they_begin() {
        let ask = Ask::on_any("toys:Make").with_unknown("toys:Part/*").with("toys:Part/Size", "7");
        assert_eq!(ask.said_of("toys:part/colour"), Some(Value::Unknown));
        assert_eq!(ask.said_of("toys:part/size"), Some(Value::one("7")), "what is said of one itself counts");
        assert_eq!(ask.said_of("toys:parts"), None);
        assert_eq!(
            Ask::on_any("toys:Make").with("toys:*", "7").said_of("toys:part"),
            None,
            "a known name is a name"
        );
    }

    #[test]
    fn tags_of_a_request_are_keys_each_and_together() {
        let ask = Ask::on_any("toys:Make").with_request_tags([("a", "1"), ("b", "2")]);
        let expected = [
            ("aws:RequestTag/a".to_owned(), Some("1".into())),
            ("aws:RequestTag/b".to_owned(), Some("2".into())),
            ("aws:TagKeys".to_owned(), Some(texts(&["a", "b"]).into())),
        ];
        assert_eq!(ask.keys, expected);
        assert!(Ask::on_any("toys:Make").with_request_tags([]).keys.is_empty());
    }
}
