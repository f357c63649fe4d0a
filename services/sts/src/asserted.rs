//! What identity providers may assert of a session: tags, source identity and names, in the forms that AWS allows. A
//! provider is trusted to know its users, not to write policy variables.

use crate::api::{Error, Tag};

/// Session tags.
// AWS: IAM User Guide, "Pass session tags in AWS STS".
const TAGS_MAX: usize = 50;
const KEY_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;

/// Session tags, and the keys of those that survive chaining.
pub(crate) type AssertedTags = (Vec<(String, String)>, Vec<String>);

/// Checks tags and the keys of those that are transitive.
pub(crate) fn check_tags(tags: &[(String, String)], transitive: &[String]) -> Result<(), Error> {
    let refused = |text: &str| Err(Error::invalid_identity_token_exception(text));
    if tags.len() > TAGS_MAX {
        return refused("The identity provider asserts too many session tags.");
    }
    for (at, (key, value)) in tags.iter().enumerate() {
        let sized =
            (1..=KEY_CHARS_MAX).contains(&key.chars().count()) && value.chars().count() <= VALUE_CHARS_MAX;
        if !sized || !key.chars().chain(value.chars()).all(is_tag_character) {
            return refused("The identity provider asserts a malformed session tag.");
        }
        if starts_with_aws(key) {
            return refused("Tag keys that begin with aws: are reserved.");
        }
        if tags.iter().take(at).any(|(earlier, _)| earlier.eq_ignore_ascii_case(key)) {
            return refused("Duplicate tag keys found. Please note that Tag keys are case insensitive.");
        }
    }
    if transitive.iter().all(|key| tags.iter().any(|(known, _)| known.eq_ignore_ascii_case(key))) {
        Ok(())
    } else {
        refused("The specified transitive tag key must be included in the requested tags.")
    }
}

/// The tags of a call as pairs, checked as [`check_tags`] checks them.
pub(crate) fn given_tags(tags: Option<&[Tag]>) -> Result<Vec<(String, String)>, Error> {
    let pairs: Vec<(String, String)> =
        tags.unwrap_or_default().iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect();
    match check_tags(&pairs, &[]) {
        Ok(()) => Ok(pairs),
        Err(_) => Err(Error::Validation(
            "Session tags must be unique, well-formed, at most 50, and not begin with aws:.".to_owned(),
        )),
    }
}

/// Checks a source identity.
pub(crate) fn check_source_identity(source: &str) -> Result<(), Error> {
    if is_session_name(source) && !starts_with_aws(source) {
        return Ok(());
    }
    // AWS: IAM User Guide, "Troubleshoot SAML federation".
    Err(Error::invalid_identity_token_exception(
        "Source Identity must match [a-zA-Z_0-9+=,.@-]{2,64} and not begin with \"aws:\"",
    ))
}

/// Is it a name that a session may have?
// AWS: STS API reference, `RoleSessionName`.
pub(crate) fn is_session_name(name: &str) -> bool {
    (2..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
}

/// Asterisks, question marks, dollars and braces are not among them: a tag can be a policy variable.
fn is_tag_character(c: char) -> bool {
    c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c)
}

fn starts_with_aws(text: &str) -> bool {
    text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(tags: &[(&str, &str)]) -> Vec<(String, String)> {
        tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn tags_that_could_widen_a_policy_or_be_mistaken_are_refused() {
        for tags in [
            &[("team", "*")][..],
            &[("team", "a?")],
            &[("team", "${aws:username}")],
            &[("", "x")],
            &[("aws:x", "x")],
            &[("AWS:PrincipalType", "x")],
            &[("a", "1"), ("A", "2")],
            &[("team", "a\nb")],
        ] {
            assert!(check_tags(&pairs(tags), &[]).is_err(), "{tags:?}");
        }
        assert!(check_tags(&pairs(&[("k", &"x".repeat(257))]), &[]).is_err());
        assert!(check_tags(&vec![("k".to_owned(), String::new()); TAGS_MAX + 1], &[]).is_err());
        assert!(check_tags(&pairs(&[("team", "blue")]), &["other".to_owned()]).is_err());
        assert!(check_tags(&pairs(&[("team", "blue ü")]), &["Team".to_owned()]).is_ok());
    }

    #[test]
    fn names_and_source_identities_have_their_form() {
        for name in ["", "a", "a b", "a/b", "a*", "aws:x", &"x".repeat(65)] {
            assert!(check_source_identity(name).is_err(), "{name}");
        }
        assert!(check_source_identity("ann@example.com").is_ok());
        assert!(!is_session_name("ü2"));
    }
}
