//! User attributes: the pool's schema, who may write what, and what a value must look like. Pure; knows no users.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// AWS: longest value, in bytes, and most custom attributes of a pool.
pub const VALUE_BYTES_MAX: usize = 2048;
/// See [`VALUE_BYTES_MAX`].
pub const CUSTOM_MAX: usize = 50;

/// A user's attributes, `sub` included.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Attributes(BTreeMap<String, String>);

impl Attributes {
    /// The value of an attribute.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Is it `true`?
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// Sets a value; an empty one removes the attribute, as at AWS.
    pub fn set(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            self.0.remove(name);
        } else {
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// What values an attribute takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Type {
    /// Text.
    String,
    /// A decimal integer.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A time, as text.
    DateTime,
}

/// One attribute of a pool's schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// With its `custom:` prefix, where it has one.
    pub name: String,
    /// What values it takes.
    pub value_type: Type,
    /// Only administrators may write it.
    pub developer_only: bool,
    /// May it change once set?
    pub mutable: bool,
    /// Must every user have it?
    pub required: bool,
    /// Smallest length (text) or value (numbers), as the vendor keeps it: text.
    pub min: Option<String>,
    /// Largest length or value.
    pub max: Option<String>,
}

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer<'a> {
    /// An IAM caller.
    Administrator,
    /// A user through an app client that may write these; `None`: the standard attributes.
    Client(Option<&'a [String]>),
}

/// Whether the user exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// Immutable attributes may be set, required ones must be.
    Creation,
    /// Immutable attributes are refused.
    Update,
}

/// A pool's schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema(pub Vec<Definition>);

impl Default for Schema {
    fn default() -> Self {
        Self(standard())
    }
}

impl Schema {
    /// The attribute called `name`.
    pub fn find(&self, name: &str) -> Option<&Definition> {
        self.0.iter().find(|definition| definition.name == name)
    }

    /// Names of the attributes every user must have, `sub` aside.
    pub fn required(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|d| d.required && d.name != "sub").map(|d| d.name.as_str())
    }

    /// Checks attributes that `writer` wants to set.
    pub fn check_write<'a>(
        &self,
        writer: Writer<'_>,
        occasion: Occasion,
        written: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), Refusal> {
        for (name, value) in written {
            let definition = self.find(name).ok_or_else(|| {
                // AWS: as clients show it.
                Refusal::invalid_parameter(format!(
                    "Attributes did not conform to the schema: Type for attribute {{{name}}} could not be determined"
                ))
            })?;
            check_right(writer, definition)?;
            if name == "sub" || (occasion == Occasion::Update && !definition.mutable) {
                // AWS: as clients show it.
                return Err(Refusal::invalid_parameter(format!(
                    "user.{name}: Attribute cannot be updated.\n"
                )));
            }
            definition.check_value(value)?;
        }
        Ok(())
    }

    /// Refuses a user who lacks a required attribute.
    pub fn check_complete(&self, attributes: &Attributes) -> Result<(), Refusal> {
        let missing: Vec<String> = self
            .required()
            .filter(|name| attributes.get(name).is_none())
            .map(|name| format!("{name}: The attribute {name} is required\n"))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        // AWS: as clients show it.
        Err(Refusal::invalid_parameter(format!(
            "Attributes did not conform to the schema: {}",
            missing.concat()
        )))
    }
}

fn check_right(writer: Writer<'_>, definition: &Definition) -> Result<(), Refusal> {
    let allowed = match writer {
        Writer::Administrator => true,
        Writer::Client(_)
            if definition.developer_only || VERIFICATION_FLAGS.contains(&definition.name.as_str()) =>
        {
            false
        }
        Writer::Client(Some(listed)) => listed.contains(&definition.name),
        Writer::Client(None) => !definition.name.contains(':'),
    };
    if allowed {
        return Ok(());
    }
    // AWS: as clients show it.
    Err(Refusal::not_authorized("A client attempted to write unauthorized attribute"))
}

/// Only confirming a code, or an administrator, sets these.
pub const VERIFICATION_FLAGS: [&str; 2] = ["email_verified", "phone_number_verified"];

impl Definition {
    fn check_value(&self, value: &str) -> Result<(), Refusal> {
        if value.is_empty() {
            return Ok(());
        }
        let wrong = |what: &str| {
            Err(Refusal::invalid_parameter(format!(
                "Attributes did not conform to the schema: {}: {what}\n",
                self.name
            )))
        };
        if value.len() > VALUE_BYTES_MAX {
            return wrong("Attribute value is too long");
        }
        // AWS: the two format texts are as clients show them.
        match self.name.as_str() {
            "email" if !is_email(value) => {
                return Err(Refusal::invalid_parameter("Invalid email address format."));
            }
            "phone_number" if !is_phone(value) => {
                return Err(Refusal::invalid_parameter("Invalid phone number format."));
            }
            _ => {}
        }
        let bound = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<i64>().ok());
        match self.value_type {
            Type::Boolean if value != "true" && value != "false" => wrong("Attribute must be true or false"),
            Type::Boolean => Ok(()),
            Type::String | Type::DateTime => {
                let length = i64::try_from(value.chars().count()).unwrap_or(i64::MAX);
                if bound(&self.max).is_some_and(|max| length > max) {
                    return wrong(&format!(
                        "String must be no longer than {} characters",
                        bound(&self.max).unwrap_or(0)
                    ));
                }
                if bound(&self.min).is_some_and(|min| length < min) {
                    return wrong(&format!(
                        "String must be no shorter than {} characters",
                        bound(&self.min).unwrap_or(0)
                    ));
                }
                Ok(())
            }
            Type::Number => {
                let Ok(number) = value.parse::<i64>() else { return wrong("Attribute must be a number") };
                if bound(&self.max).is_some_and(|max| number > max)
                    || bound(&self.min).is_some_and(|min| number < min)
                {
                    return wrong("Number is outside of its range");
                }
                Ok(())
            }
        }
    }
}

/// One `@` with something before it and a dotted domain behind it; no blanks or control characters; at most 128 characters, as
/// usernames.
pub fn is_email(text: &str) -> bool {
    let legal = text.len() <= 128 && text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    legal
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.contains('@')
                && domain.split('.').count() >= 2
                && domain.split('.').all(|label| !label.is_empty())
        })
}

/// E.164: a plus sign and up to 15 digits.
pub fn is_phone(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|digits| (2..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// AWS: the standard attributes every pool has, in the order `DescribeUserPool` lists them.
pub fn standard() -> Vec<Definition> {
    let text = |name: &str, min: &str, max: &str| Definition {
        name: name.to_owned(),
        value_type: Type::String,
        developer_only: false,
        mutable: true,
        required: false,
        min: Some(min.to_owned()),
        max: Some(max.to_owned()),
    };
    let flag =
        |name: &str| Definition { value_type: Type::Boolean, min: None, max: None, ..text(name, "", "") };
    let mut all = vec![Definition { mutable: false, required: true, ..text("sub", "1", "2048") }];
    all.extend(PLAIN.iter().take(9).map(|name| text(name, "0", "2048")));
    all.extend([text("email", "0", "2048"), flag("email_verified"), text("gender", "0", "2048")]);
    all.push(text("birthdate", "10", "10"));
    all.extend(PLAIN.iter().skip(9).map(|name| text(name, "0", "2048")));
    all.extend([flag("phone_number_verified"), text("address", "0", "2048")]);
    all.push(Definition {
        value_type: Type::Number,
        min: Some("0".to_owned()),
        max: None,
        ..text("updated_at", "", "")
    });
    all
}

const PLAIN: [&str; 12] = [
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "zoneinfo",
    "locale",
    "phone_number",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Kind;

    fn schema() -> Schema {
        let mut all = standard();
        let custom = |name: &str, value_type, mutable| Definition {
            name: name.to_owned(),
            value_type,
            developer_only: false,
            mutable,
            required: false,
            min: Some("2".to_owned()),
            max: Some("5".to_owned()),
        };
        all.push(custom("custom:plan", Type::String, true));
        all.push(custom("custom:level", Type::Number, true));
        all.push(custom("custom:tenant", Type::String, false));
        all.push(Definition { developer_only: true, ..custom("dev:custom:note", Type::String, true) });
        Schema(all)
    }

    fn write(writer: Writer<'_>, occasion: Occasion, name: &str, value: &str) -> Result<(), Kind> {
        schema().check_write(writer, occasion, [(name, value)]).map_err(|refusal| refusal.kind)
    }

    #[test]
    fn there_are_twenty_standard_attributes() {
        let names: Vec<String> = standard().into_iter().map(|d| d.name).collect();
        assert_eq!(names.len(), 20);
        for name in [
            "sub",
            "email",
            "email_verified",
            "phone_number",
            "phone_number_verified",
            "updated_at",
            "address",
        ] {
            assert!(names.iter().any(|n| n == name), "{name}");
        }
    }

    #[test]
    fn unknown_attributes_and_sub_are_refused_even_to_administrators() {
        for name in ["custom:unknown", "shoe_size", "sub"] {
            assert_eq!(
                write(Writer::Administrator, Occasion::Creation, name, "x"),
                Err(Kind::InvalidParameter),
                "{name}"
            );
        }
    }

    #[test]
    fn clients_write_only_what_they_are_listed_for() {
        let listed = ["email".to_owned(), "custom:plan".to_owned()];
        let client = Writer::Client(Some(&listed));
        assert_eq!(write(client, Occasion::Update, "custom:plan", "gold"), Ok(()));
        assert_eq!(write(client, Occasion::Update, "name", "Al"), Err(Kind::NotAuthorized));
        let unlisted = Writer::Client(None);
        assert_eq!(write(unlisted, Occasion::Update, "name", "Al"), Ok(()));
        assert_eq!(write(unlisted, Occasion::Update, "custom:plan", "gold"), Err(Kind::NotAuthorized));
    }

    #[test]
    fn no_client_can_declare_an_address_verified_or_write_developer_attributes() {
        let listed =
            ["email_verified".to_owned(), "phone_number_verified".to_owned(), "dev:custom:note".to_owned()];
        for name in &listed {
            assert_eq!(
                write(Writer::Client(Some(&listed)), Occasion::Update, name, "true"),
                Err(Kind::NotAuthorized),
                "{name}"
            );
            assert_eq!(write(Writer::Administrator, Occasion::Update, name, "true"), Ok(()));
        }
    }

    #[test]
    fn immutable_attributes_can_be_set_only_at_creation() {
        assert_eq!(write(Writer::Administrator, Occasion::Creation, "custom:tenant", "abc"), Ok(()));
        assert_eq!(
            write(Writer::Administrator, Occasion::Update, "custom:tenant", "abc"),
            Err(Kind::InvalidParameter)
        );
    }

    #[test]
    fn values_must_fit_type_length_and_range() {
        for (name, value) in [
            ("custom:plan", "x"),
            ("custom:plan", "toolong"),
            ("custom:level", "one"),
            ("custom:level", "6"),
            ("email", "nobody"),
            ("email", "a b@c.d"),
            ("email", "a@b@c.d"),
            ("phone_number", "5555550123"),
            ("phone_number", "+1555555012a"),
            ("email_verified", "yes"),
            ("birthdate", "2000"),
        ] {
            assert_eq!(
                write(Writer::Administrator, Occasion::Creation, name, value),
                Err(Kind::InvalidParameter),
                "{name}={value}"
            );
        }
    }

    #[test]
    fn required_attributes_are_asked_for_by_name() {
        let mut all = schema();
        all.0.iter_mut().find(|d| d.name == "email").unwrap().required = true;
        let refusal = all.check_complete(&Attributes::default()).unwrap_err();
        assert!(refusal.text.contains("email"), "{refusal}");
        let mut user = Attributes::default();
        user.set("email", "a@b.co");
        assert_eq!(all.check_complete(&user), Ok(()));
    }
}
