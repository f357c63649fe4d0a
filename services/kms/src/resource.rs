//! What names a key: ids, key ARNs, alias names and alias ARNs; and the ARNs themselves.

use casemate_names::{Arn, Scope};

use crate::{api::Error, rows::Place};

/// The service part of our ARNs.
pub(crate) const SERVICE: &str = "kms";
/// What every alias begins with.
pub(crate) const ALIAS: &str = "alias/";
/// What begins the aliases of AWS's own keys.
const RESERVED: &str = "alias/aws/";
/// Characters of a key's id. Ours: bounds what is looked up.
const ID_CHARS_MAX: usize = 64;

/// What a request calls a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// By its id.
    Key(Place),
    /// By an alias, with `alias/`.
    Alias(Scope, String),
}

/// Reads an id, a key ARN, an alias name or an alias ARN. What is no ARN means the caller's own.
pub(crate) fn named(home: &Scope, text: &str) -> Result<Named, Error> {
    if !text.starts_with("arn:") {
        return local(home.clone(), text, text.strip_prefix(ALIAS).is_none().then_some(text));
    }
    let invalid = || invalid_id(text);
    let arn = Arn::parse(text).map_err(|_| invalid())?;
    if arn.service() != SERVICE || arn.partition() != home.partition {
        return Err(invalid());
    }
    if arn.region() != home.region.as_str() {
        // AWS: text of the service.
        return Err(Error::not_found_exception(format!("Invalid arn {}", arn.region())));
    }
    let scope = Scope { account: arn.account_id().ok_or_else(invalid)?, ..home.clone() };
    let resource = arn.resource();
    match resource.strip_prefix("key/") {
        Some(id) => local(scope, text, Some(id)),
        None => local(scope, resource, None),
    }
}

/// A key's id where there is one, otherwise an alias.
fn local(scope: Scope, text: &str, id: Option<&str>) -> Result<Named, Error> {
    match id {
        Some(id) if is_id(id) => Ok(Named::Key(Place { scope, id: id.to_owned() })),
        None if is_alias(text) => Ok(Named::Alias(scope, text.to_owned())),
        _ => Err(invalid_id(text)),
    }
}

/// Only what can stand in an ARN without meaning anything else.
fn is_id(text: &str) -> bool {
    (1..=ID_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// `alias/` and a name.
// AWS: letters, digits, and `/_-` (API reference, CreateAlias). A colon would end the ARN's part.
pub(crate) fn is_alias(text: &str) -> bool {
    text.len() <= 256
        && text.strip_prefix(ALIAS).is_some_and(|name| {
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-');
            !name.is_empty() && name.bytes().all(legal)
        })
}

/// Is the alias one that only AWS itself makes?
pub(crate) fn is_reserved(alias: &str) -> bool {
    alias.starts_with(RESERVED) || alias == "alias/aws"
}

/// An alias's ARN.
pub(crate) fn alias_arn(scope: &Scope, alias: &str) -> Arn {
    Arn::regional(scope, SERVICE, alias)
}

/// The key an ARN names.
pub(crate) fn key_of(arn: &Arn, home: &Scope) -> Option<Place> {
    match named(home, arn.as_str()).ok()? {
        Named::Key(place) => Some(place),
        Named::Alias(..) => None,
    }
}

impl Place {
    /// The key's ARN.
    pub(crate) fn arn(&self) -> Arn {
        Arn::regional(&self.scope, SERVICE, &format!("key/{}", self.id))
    }
}

/// The root of an account, as policies name it.
pub(crate) fn root_arn(scope: &Scope) -> Arn {
    Arn::global(scope, "iam", "root")
}

// AWS: text of the service.
fn invalid_id(text: &str) -> Error {
    Error::not_found_exception(format!("Invalid keyId '{text}'"))
}

/// There is no such key.
// AWS: text of the service.
pub(crate) fn no_key(place: &Place) -> Error {
    Error::not_found_exception(format!("Key '{}' does not exist", place.arn()))
}

/// There is no such alias.
// AWS: text of the service.
pub(crate) fn no_alias(scope: &Scope, alias: &str) -> Error {
    Error::not_found_exception(format!("Alias {} is not found.", alias_arn(scope, alias)))
}

#[cfg(test)]
mod tests {
    use casemate_names::{AccountId, Region};

    use super::*;

    fn home() -> Scope {
        Scope {
            partition: "aws".into(),
            account: AccountId::parse("111122223333").unwrap(),
            region: Region::parse("eu-west-1").unwrap(),
        }
    }

    #[test]
    fn a_key_is_named_in_four_ways() {
        let place = |account: &str| Place {
            scope: Scope { account: AccountId::parse(account).unwrap(), ..home() },
            id: "0a-1b".to_owned(),
        };
        assert_eq!(named(&home(), "0a-1b").unwrap(), Named::Key(place("111122223333")));
        let arn = "arn:aws:kms:eu-west-1:999988887777:key/0a-1b";
        assert_eq!(named(&home(), arn).unwrap(), Named::Key(place("999988887777")));
        assert_eq!(place("999988887777").arn().as_str(), arn);
        assert_eq!(named(&home(), "alias/a/b").unwrap(), Named::Alias(home(), "alias/a/b".to_owned()));
        let Named::Alias(scope, name) = named(&home(), "arn:aws:kms:eu-west-1:999988887777:alias/x").unwrap()
        else {
            panic!("an alias")
        };
        assert_eq!((scope, name.as_str()), (place("999988887777").scope, "alias/x"));
    }

    #[test]
    fn anything_else_names_nothing() {
        for bad in [
            "",
            "alias/",
            "alias/a:b",
            "alias/a*",
            "key/0a",
            "0a/1b",
            "*",
            "0a:1b",
            "arn:aws:kms:eu-west-1:111122223333:key/",
            "arn:aws:kms:eu-west-1:111122223333:key/a/b",
            "arn:aws:kms:eu-west-1:111122223333:key/*",
            "arn:aws:kms:eu-west-1:111122223333:0a-1b",
            "arn:aws:kms:eu-west-1::key/0a-1b",
            "arn:aws:kms:us-east-1:111122223333:key/0a-1b",
            "arn:aws-cn:kms:eu-west-1:111122223333:key/0a-1b",
            "arn:aws:iam:eu-west-1:111122223333:key/0a-1b",
            "arn:nothing",
        ] {
            assert!(named(&home(), bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn awss_aliases_are_reserved() {
        assert!(is_reserved("alias/aws/lambda") && is_reserved("alias/aws"));
        assert!(!is_reserved("alias/awsome"));
    }
}
