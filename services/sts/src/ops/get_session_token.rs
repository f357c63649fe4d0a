//! `GetSessionToken`: temporary credentials that act as the user who asks, with proof of an MFA device if one was given.

use casemate_kernel::{Access, BoxFuture, Call, Caller, Evidence, Operation};
use casemate_names::Timestamp;

use crate::{
    Sts,
    api::{Error, GetSessionToken, GetSessionTokenInput, GetSessionTokenOutput},
    mfa::mfa_evidence,
    roles::shown,
    session::user_duration_s,
    with_session_credentials,
};

impl Operation<GetSessionToken> for Sts {
    fn access(&self, _input: &GetSessionTokenInput, _caller: &Caller) -> Result<Access, Error> {
        // AWS: IAM User Guide, "Permissions for GetSessionToken": none are needed, and policies do not control it.
        Ok(Access::Identified("gives a user credentials with no right that the user does not have"))
    }

    fn evidence<'a>(
        &'a self,
        input: &'a GetSessionTokenInput,
        _caller: &'a Caller,
        _now: Timestamp,
    ) -> Option<BoxFuture<'a, Result<Evidence, Error>>> {
        mfa_evidence(input.serial_number.as_deref(), input.token_code.as_deref())
    }

    async fn run(&self, call: Call<GetSessionToken>) -> Result<GetSessionTokenOutput, Error> {
        if !matches!(call.caller(), Caller::User { .. } | Caller::Root { .. }) {
            return Err(with_session_credentials("GetSessionToken"));
        }
        let duration_s = user_duration_s(call.input.duration_seconds, call.caller());
        let made = self.env.sessions()?.mint_for_user(call.permit(), duration_s).await?;
        let (id, secret) = (made.access_key_id, made.secret_access_key);
        Ok(GetSessionTokenOutput {
            credentials: Some(shown(id, secret, &made.session_token, made.expires_at)),
            ..GetSessionTokenOutput::default()
        })
    }
}
