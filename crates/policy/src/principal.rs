//! `Principal` and `NotPrincipal`: whom a statement names, and how the caller was named.

use crate::facts::Principal;

/// One named principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// `*`: everybody, also anonymous.
    Anyone,
    /// An account by its number or its root.
    Account(String),
    /// A user, role, role session or federated user by ARN.
    Arn(String),
    /// A user or role by unique id: what AWS stores, so that a recreated namesake inherits nothing.
    UniqueId(String),
    /// A session by its role's unique id and its own name: what is stored in place of its ARN.
    SessionOf {
        /// The role's.
        role_id: String,
        /// The session's.
        name: String,
    },
    /// A service by its full name.
    Service(String),
    /// An identity provider.
    Federated(String),
    /// An S3 canonical user; we have none, so it matches nobody.
    CanonicalUser,
}

/// By which name the caller was meant. It decides what the grant escapes: see `decide`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamedAs {
    Anyone,
    Account,
    User,
    Role,
    Session,
    FederatedUser,
    Service,
    WebIdentity,
}

impl NamedAs {
    /// How many ways there are.
    pub(crate) const COUNT: usize = 8;
}

/// Which element a statement has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whom {
    /// None: the policy is attached to its principal.
    Attached,
    /// `Principal`
    Listed(Vec<Named>),
    /// `NotPrincipal`
    AllBut(Vec<Named>),
}

impl Named {
    /// Reads a value under `AWS`, `Service`, `Federated` or `CanonicalUser`. `None` if it is not of a known form; there
    /// are no partial wildcards.
    pub(crate) fn parse(kind: &str, value: &str) -> Option<Self> {
        match kind {
            "AWS" => Self::parse_aws(value),
            "Service" => service_name(value).then(|| Self::Service(value.to_owned())),
            "Federated" => {
                let legal = !value.is_empty() && !value.contains(['*', '?']);
                legal.then(|| Self::Federated(value.to_owned()))
            }
            "CanonicalUser" => {
                let hex = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
                hex.then_some(Self::CanonicalUser)
            }
            _ => None,
        }
    }

    fn parse_aws(value: &str) -> Option<Self> {
        if value == "*" {
            return Some(Self::Anyone);
        }
        if is_account(value) {
            return Some(Self::Account(value.to_owned()));
        }
        if is_unique_id(value) {
            return Some(Self::UniqueId(value.to_owned()));
        }
        if let Some((role_id, name)) = session_of_id(value) {
            return Some(Self::SessionOf { role_id: role_id.to_owned(), name: name.to_owned() });
        }
        if value.contains(['*', '?']) {
            return None;
        }
        let mut parts = value.splitn(6, ':');
        let (arn, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        if arn != "arn" || !partition.starts_with("aws") || !region.is_empty() || !is_account(account) {
            return None;
        }
        let has_name = |kind: &str| resource.strip_prefix(kind).is_some_and(|name| !name.is_empty());
        match service {
            "iam" if resource == "root" => Some(Self::Account(account.to_owned())),
            "iam" if has_name("user/") || has_name("role/") => Some(Self::Arn(value.to_owned())),
            "sts" if has_name("federated-user/") => Some(Self::Arn(value.to_owned())),
            "sts" if resource.strip_prefix("assumed-role/").is_some_and(|rest| rest.contains('/')) => {
                Some(Self::Arn(value.to_owned()))
            }
            _ => None,
        }
    }

    fn names(&self, principal: &Principal) -> Option<NamedAs> {
        let by = |holds: bool, named: NamedAs| holds.then_some(named);
        match (self, principal) {
            (Self::Anyone, _) => Some(NamedAs::Anyone),
            (Self::Account(id), _) => by(principal.account() == Some(id), NamedAs::Account),
            (Self::Arn(named), Principal::User { arn, .. }) => by(named == arn, NamedAs::User),
            (Self::UniqueId(id), Principal::User { unique_id, .. }) => by(id == unique_id, NamedAs::User),
            (Self::Arn(named), Principal::Session { session_arn, .. }) if named == session_arn => {
                Some(NamedAs::Session)
            }
            (Self::Arn(named), Principal::Session { role_arn, .. }) => by(named == role_arn, NamedAs::Role),
            (Self::UniqueId(id), Principal::Session { role_unique_id, .. }) => {
                by(id == role_unique_id, NamedAs::Role)
            }
            (Self::SessionOf { role_id, name }, Principal::Session { role_unique_id, session_arn, .. }) => {
                by(role_id == role_unique_id && session_name(session_arn) == Some(name), NamedAs::Session)
            }
            (Self::Arn(named), Principal::FederatedUser { arn, .. }) => {
                by(named == arn, NamedAs::FederatedUser)
            }
            (Self::Service(named), Principal::Service { name }) => by(named == name, NamedAs::Service),
            (Self::Federated(named), Principal::WebIdentity { provider }) => {
                by(named == provider, NamedAs::WebIdentity)
            }
            (
                Self::Arn(_)
                | Self::UniqueId(_)
                | Self::SessionOf { .. }
                | Self::Service(_)
                | Self::Federated(_)
                | Self::CanonicalUser,
                _,
            ) => None,
        }
    }
}

impl Whom {
    /// Whether any list entry names the principal. Order of the answer: as written.
    pub(crate) fn names(&self, principal: &Principal) -> bool {
        match self {
            Self::Attached => true,
            Self::Listed(listed) => {
                listed.iter().any(|named| matches!(named, Named::Anyone) || named.names(principal).is_some())
            }
            Self::AllBut(excepted) => !is_excepted(excepted, principal),
        }
    }

    /// Every way in which the principal is named.
    pub(crate) fn named_as(&self, principal: &Principal) -> impl Iterator<Item = NamedAs> {
        let listed = match self {
            Self::Listed(listed) => listed.as_slice(),
            Self::Attached | Self::AllBut(_) => &[],
        };
        listed.iter().filter_map(|named| named.names(principal))
    }
}

// AWS: IAM User Guide, "NotPrincipal with Deny": the account must be listed too, for a session also its role; what is
// not completely excepted is denied.
fn is_excepted(excepted: &[Named], principal: &Principal) -> bool {
    let listed = |wanted: NamedAs| excepted.iter().any(|named| named.names(principal) == Some(wanted));
    if listed(NamedAs::Anyone) {
        return true;
    }
    match principal {
        Principal::Anonymous => false,
        Principal::Root { .. } => listed(NamedAs::Account),
        Principal::User { .. } => listed(NamedAs::User) && listed(NamedAs::Account),
        Principal::Session { .. } => {
            listed(NamedAs::Session) && listed(NamedAs::Role) && listed(NamedAs::Account)
        }
        Principal::FederatedUser { .. } => listed(NamedAs::FederatedUser) && listed(NamedAs::Account),
        Principal::Service { .. } => listed(NamedAs::Service),
        Principal::WebIdentity { .. } => listed(NamedAs::WebIdentity),
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `AIDA…`, `AROA…`: 16 to 128 upper-case letters and digits.
// AWS: IAM User Guide, "IAM identifiers, unique identifiers".
fn is_unique_id(text: &str) -> bool {
    (16..=128).contains(&text.len())
        && ["AIDA", "AROA"].iter().any(|prefix| text.starts_with(prefix))
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// `AROA…:session`, as `aws:userid` has it.
fn session_of_id(text: &str) -> Option<(&str, &str)> {
    let (role_id, name) = text.split_once(':')?;
    let legal = !name.is_empty() && !name.contains(['*', '?']);
    (legal && role_id.starts_with("AROA") && is_unique_id(role_id)).then_some((role_id, name))
}

/// The session's name in its ARN.
fn session_name(arn: &str) -> Option<&str> {
    let resource = arn.splitn(6, ':').nth(5)?;
    resource.strip_prefix("assumed-role/")?.split_once('/').map(|(_, name)| name)
}

fn service_name(text: &str) -> bool {
    let legal =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_');
    text.contains('.') && !text.starts_with('.') && !text.ends_with('.') && text.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_wildcards_and_unknown_forms_are_refused() {
        for value in [
            "",
            "**",
            "arn:aws:iam::123456789012:user/*",
            "arn:aws:iam::*:root",
            "12345678901",
            "arn:aws:iam::123456789012:group/g",
            "arn:aws:iam::123456789012:user/",
            "arn:aws:sts::123456789012:assumed-role/r",
            "arn:aws:s3:::b",
            "bob",
            "arn:aws:iam:us-east-1:123456789012:root",
            "arn:evil:iam::123456789012:root",
        ] {
            assert_eq!(Named::parse("AWS", value), None, "{value}");
        }
        assert_eq!(Named::parse("Service", "*"), None);
        assert_eq!(Named::parse("Federated", "*"), None);
        assert_eq!(Named::parse("aws", "*"), None);
    }

    #[test]
    fn role_named_like_a_service_is_not_that_service() {
        let role = Principal::Session {
            role_arn: "arn:aws:iam::123456789012:role/lambda.amazonaws.com".into(),
            role_unique_id: "AROAAAAAAAAAAAAAAAAAA".into(),
            session_arn: "arn:aws:sts::123456789012:assumed-role/lambda.amazonaws.com/lambda.amazonaws.com"
                .into(),
            account: "123456789012".into(),
        };
        let whom = Whom::Listed(vec![Named::parse("Service", "lambda.amazonaws.com").unwrap()]);
        assert!(!whom.names(&role));
        assert!(whom.names(&Principal::Service { name: "lambda.amazonaws.com".into() }));
    }

    #[test]
    fn a_session_of_an_id_is_that_roles_session_of_that_name_only() {
        let role = "AROAAAAAAAAAAAAAAAAAA";
        let session = |id: &str, role: &str, name: &str| Principal::Session {
            role_arn: format!("arn:aws:iam::123456789012:role/path/{role}"),
            role_unique_id: id.into(),
            session_arn: format!("arn:aws:sts::123456789012:assumed-role/{role}/{name}"),
            account: "123456789012".into(),
        };
        let named = Named::parse("AWS", &format!("{role}:s")).unwrap();
        assert_eq!(named.names(&session(role, "r", "s")), Some(NamedAs::Session));
        for stranger in [
            session("AROABBBBBBBBBBBBBBBBB", "r", "s"),
            session(role, "r", "S"),
            session(role, "r", "s2"),
            session(role, "s", "r"),
            Principal::User {
                arn: "arn:aws:iam::123456789012:user/s".into(),
                unique_id: role.into(),
                account: "123456789012".into(),
            },
        ] {
            assert_eq!(named.names(&stranger), None, "{stranger:?}");
        }
        for wrong in
            ["AROAAAAAAAAAAAAAAAAAA:", "AROAAAAAAAAAAAAAAAAAA:*", "AROA:s", "AIDAAAAAAAAAAAAAAAAAA:s"]
        {
            assert_eq!(Named::parse("AWS", wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_are_matched_whole() {
        let service = Principal::Service { name: "lambda.amazonaws.com".into() };
        let provider = Principal::WebIdentity { provider: "cognito-identity.amazonaws.com".into() };
        for (kind, value, principal) in [
            ("Service", "lambda.amazonaws", &service),
            ("Service", "lambda.amazonaws.com.evil", &service),
            ("Service", "edge.lambda.amazonaws.com", &service),
            ("Federated", "lambda.amazonaws.com", &service),
            ("Federated", "cognito-identity.amazonaws.co", &provider),
            ("Service", "cognito-identity.amazonaws.com", &provider),
        ] {
            let whom = Whom::Listed(vec![Named::parse(kind, value).unwrap()]);
            assert!(!whom.names(principal), "{kind} {value}");
        }
    }

    #[test]
    fn a_federated_user_is_excepted_only_together_with_its_account() {
        let arn = "arn:aws:sts::123456789012:federated-user/ann";
        let ann = Principal::FederatedUser { arn: arn.into(), account: "123456789012".into() };
        let excepts = |listed: &[&str]| {
            let listed = listed.iter().map(|value| Named::parse("AWS", value).unwrap()).collect();
            !Whom::AllBut(listed).names(&ann)
        };
        assert!(!excepts(&[arn]));
        assert!(!excepts(&["123456789012"]));
        assert!(excepts(&[arn, "123456789012"]));
    }

    #[test]
    fn service_names_and_canonical_users_have_one_form() {
        for name in ["lambda.", ".lambda", "lambda", "lambda.Amazonaws.com", "lam bda.amazonaws.com", ".", ""]
        {
            assert_eq!(Named::parse("Service", name), None, "{name}");
        }
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(Named::parse("CanonicalUser", &id), Some(Named::CanonicalUser));
        let short = "0123456789abcde".repeat(4);
        for wrong in [&*short, &format!("{id}0"), &id.replace('f', "g"), "", "*"] {
            assert_eq!(Named::parse("CanonicalUser", wrong), None, "{wrong}");
        }
    }
}
