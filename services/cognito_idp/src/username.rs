//! How people name themselves: usernames, subs and aliases, by the pool's rules. Pure text; looking a name up is `users`'
//! business.

use serde::{Deserialize, Serialize};

use crate::{attributes, refusal::Refusal};

/// The naming rules of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Naming {
    /// `UsernameAttributes`: users sign up with these (`email`, `phone_number`); their username is then their sub.
    pub username_attributes: Vec<String>,
    /// `AliasAttributes`: once verified, these name the user too.
    pub alias_attributes: Vec<String>,
    /// Whether `Alice` and `alice` are two users.
    pub case_sensitive: bool,
}

impl Naming {
    /// The form under which a name is stored and compared.
    pub fn canonical(&self, name: &str) -> String {
        if self.case_sensitive { name.to_owned() } else { name.to_lowercase() }
    }

    /// Do users sign up with an attribute instead of a username?
    pub fn by_attribute(&self) -> bool {
        !self.username_attributes.is_empty()
    }

    /// Which attribute a sign-up name is, in a pool where names are attributes.
    ///
    /// # Errors
    /// The name is of no allowed form, in AWS's words.
    pub fn attribute_of(&self, name: &str) -> Result<&'static str, Refusal> {
        let allows = |attribute: &str| self.username_attributes.iter().any(|a| a == attribute);
        if allows("email") && attributes::is_email(name) {
            return Ok("email");
        }
        if allows("phone_number") && attributes::is_phone(name) {
            return Ok("phone_number");
        }
        // AWS: texts as clients show them.
        Err(Refusal::invalid_parameter(match (allows("email"), allows("phone_number")) {
            (true, true) => "Username should be either an email or a phone number.",
            (true, false) => "Username should be an email.",
            _ => "Username should be a phone number.",
        }))
    }

    /// Refuses a username that looks like an alias, which would let its owner answer to somebody else's address.
    pub fn check_username(&self, name: &str) -> Result<(), Refusal> {
        let aliases = |attribute: &str| self.alias_attributes.iter().any(|a| a == attribute);
        // AWS: texts as clients show them.
        if aliases("email") && attributes::is_email(name) {
            return Err(Refusal::invalid_parameter(
                "Username cannot be of email format, since user pool is configured for email alias.",
            ));
        }
        if aliases("phone_number") && attributes::is_phone(name) {
            return Err(Refusal::invalid_parameter(
                "Username cannot be of phone number format, since user pool is configured for phone number alias.",
            ));
        }
        Ok(())
    }

    /// The names, besides username and sub, that a user with these attributes answers to.
    pub fn aliases(&self, user: &attributes::Attributes) -> Vec<(String, String)> {
        let verified = |attribute: &str| match attribute {
            "email" => user.is_true("email_verified"),
            "phone_number" => user.is_true("phone_number_verified"),
            _ => true,
        };
        let by_name = self.username_attributes.iter();
        // AWS: an alias counts only once it is verified; a sign-up name counts at once.
        let by_alias = self.alias_attributes.iter().filter(|attribute| verified(attribute));
        by_name
            .chain(by_alias)
            .filter_map(|attribute| {
                user.get(attribute)
                    .filter(|value| !value.is_empty())
                    .map(|v| (attribute.clone(), self.canonical(v)))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attributes::Attributes;

    fn aliases(attributes: &[&str]) -> Naming {
        Naming { alias_attributes: attributes.iter().map(|a| (*a).to_owned()).collect(), ..Naming::default() }
    }

    fn by(attributes: &[&str]) -> Naming {
        Naming {
            username_attributes: attributes.iter().map(|a| (*a).to_owned()).collect(),
            ..Naming::default()
        }
    }

    #[test]
    fn names_are_folded_only_where_the_pool_is_case_insensitive() {
        assert_eq!(Naming::default().canonical("Alice"), "alice");
        assert_eq!(Naming { case_sensitive: true, ..Naming::default() }.canonical("Alice"), "Alice");
    }

    #[test]
    fn attribute_pools_refuse_other_names_in_the_vendors_words() {
        assert_eq!(by(&["email"]).attribute_of("a@b.co"), Ok("email"));
        assert_eq!(by(&["email", "phone_number"]).attribute_of("+15555550123"), Ok("phone_number"));
        for (naming, text) in [
            (by(&["email"]), "Username should be an email."),
            (by(&["phone_number"]), "Username should be a phone number."),
            (by(&["email", "phone_number"]), "Username should be either an email or a phone number."),
        ] {
            assert_eq!(naming.attribute_of("alice").unwrap_err().text, text);
        }
    }

    #[test]
    fn username_that_looks_like_an_alias_is_refused() {
        assert!(aliases(&["email"]).check_username("a@b.co").is_err());
        assert!(aliases(&["phone_number"]).check_username("+15555550123").is_err());
        assert_eq!(aliases(&["email"]).check_username("alice"), Ok(()));
        assert_eq!(Naming::default().check_username("a@b.co"), Ok(()));
    }

    #[test]
    fn only_verified_aliases_name_a_user() {
        let mut user = Attributes::default();
        user.set("email", "A@b.co");
        assert_eq!(aliases(&["email"]).aliases(&user), []);
        assert_eq!(by(&["email"]).aliases(&user), [("email".to_owned(), "a@b.co".to_owned())]);
        user.set("email_verified", "true");
        assert_eq!(aliases(&["email"]).aliases(&user), [("email".to_owned(), "a@b.co".to_owned())]);
    }
}
