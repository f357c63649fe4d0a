//! How the domain modules say no: a kind, which becomes the modelled error of the same name, and AWS's text. Knows no wire.

use std::{borrow::Cow, fmt};

/// Which of the modelled errors a refusal becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "AWS's names, verbatim, less the word Exception")]
pub enum Kind {
    AliasExists,
    CodeMismatch,
    ExpiredCode,
    GroupExists,
    InvalidParameter,
    InvalidPassword,
    LimitExceeded,
    NotAuthorized,
    PasswordResetRequired,
    ResourceNotFound,
    UnsupportedOperation,
    UnsupportedTokenType,
    UnsupportedUserState,
    UserNotConfirmed,
    UserNotFound,
    UsernameExists,
    /// A fault of ours; the text is for the log, the client sees a constant one.
    Internal,
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which error.
    pub kind: Kind,
    /// What is said. Never holds a secret.
    pub text: Cow<'static, str>,
}

macro_rules! constructors {
    ($($name:ident => $kind:ident),* $(,)?) => {$(
        #[doc = concat!("A `", stringify!($kind), "` refusal.")]
        pub fn $name(text: impl Into<Cow<'static, str>>) -> Self {
            Self { kind: Kind::$kind, text: text.into() }
        }
    )*};
}

impl Refusal {
    constructors! {
        alias_exists => AliasExists,
        code_mismatch => CodeMismatch,
        expired_code => ExpiredCode,
        group_exists => GroupExists,
        invalid_parameter => InvalidParameter,
        invalid_password => InvalidPassword,
        limit_exceeded => LimitExceeded,
        not_authorized => NotAuthorized,
        password_reset_required => PasswordResetRequired,
        resource_not_found => ResourceNotFound,
        unsupported_operation => UnsupportedOperation,
        unsupported_token_type => UnsupportedTokenType,
        unsupported_user_state => UnsupportedUserState,
        user_not_confirmed => UserNotConfirmed,
        user_not_found => UserNotFound,
        username_exists => UsernameExists,
        internal => Internal,
    }

    /// The one answer to every wrong password, secret block, proof and (where existence is hidden) unknown user.
    pub fn wrong_password() -> Self {
        // AWS: documented text of the password flows.
        Self::not_authorized("Incorrect username or password.")
    }

    /// What clients that do not hide existence are told of an unknown user.
    pub fn no_such_user() -> Self {
        // AWS: recorded.
        Self::user_not_found("User does not exist.")
    }

    /// A challenge session that is unknown, used, expired, or somebody else's.
    pub fn invalid_session() -> Self {
        // AWS: seen in client issue trackers.
        Self::not_authorized("Invalid session for the user.")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.text)
    }
}

impl std::error::Error for Refusal {}
