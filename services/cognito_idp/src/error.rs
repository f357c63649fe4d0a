//! From the domain's refusals to the modelled errors.

use casemate_kernel::Fault;

use crate::{
    api::Error,
    pool::Trouble,
    refusal::{Kind, Refusal},
};

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.text;
        match refusal.kind {
            Kind::AliasExists => Self::alias_exists_exception(text),
            Kind::CodeMismatch => Self::code_mismatch_exception(text),
            Kind::ExpiredCode => Self::expired_code_exception(text),
            Kind::GroupExists => Self::group_exists_exception(text),
            Kind::InvalidParameter => Self::invalid_parameter_exception(text),
            Kind::InvalidPassword => Self::invalid_password_exception(text),
            Kind::LimitExceeded => Self::limit_exceeded_exception(text),
            Kind::NotAuthorized => Self::not_authorized_exception(text),
            Kind::PasswordResetRequired => Self::password_reset_required_exception(text),
            Kind::ResourceNotFound => Self::resource_not_found_exception(text),
            Kind::UnsupportedOperation => Self::unsupported_operation_exception(text),
            Kind::UnsupportedTokenType => Self::unsupported_token_type_exception(text),
            Kind::UnsupportedUserState => Self::unsupported_user_state_exception(text),
            Kind::UserNotConfirmed => Self::user_not_confirmed_exception(text),
            Kind::UserNotFound => Self::user_not_found_exception(text),
            Kind::UsernameExists => Self::username_exists_exception(text),
            Kind::Internal => Self::Internal(Fault::broken(text)),
        }
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(refusal) => refusal.into(),
            Trouble::Store(error) => error.into(),
        }
    }
}
