//! `RevokeToken`: a refresh token and every token of the same sign-in stop counting.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{Error, RevokeAssociatedSessionsType, RevokeToken, RevokeTokenInput, RevokeTokenOutput},
    pool::Trouble,
    pool_config::not_here,
    tokens::{self, Family, RefreshToken},
};

impl Operation<RevokeToken> for CognitoIdp {
    fn access(&self, input: &RevokeTokenInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Public(
            "signing out: the refresh token is the proof, and the client secret where there is one",
            self.account_of(&input.client_id)?,
        ))
    }

    async fn run(&self, call: Call<RevokeToken>) -> Result<RevokeTokenOutput, Error> {
        let at = self.at(&call.input.client_id, call.now())?;
        let input = call.input;
        if at
            .client
            .check_secret(input.client_secret.as_ref().map(|secret| secret.expose().as_str()))
            .is_err()
        {
            return Err(Error::unauthorized_exception("Invalid client secret."));
        }
        if !at.client.revocation {
            return Err(Error::unsupported_operation_exception(
                "Token revocation is not enabled for this client.",
            ));
        }
        if tokens::looks_signed(input.token.expose()) {
            return Err(Error::unsupported_token_type_exception("Unsupported token type"));
        }
        if input.revoke_associated_sessions == Some(RevokeAssociatedSessionsType::Linked) {
            return Err(not_here("RevokeAssociatedSessions=LINKED").into());
        }
        let token = input.token;
        self.env
            .store
            .write(move |tx| {
                // RFC 7009: an unknown token is revoked already; one of another client is left alone and not told apart.
                let Some(stored) = tx.get::<RefreshToken>(&tokens::refresh_key(&at.place, token.expose()))?
                else {
                    return Ok(());
                };
                let key = tokens::family_key(&at.place, &stored.origin);
                if let Some(mut family) =
                    tx.get::<Family>(&key)?.filter(|family| family.client == at.client.id)
                {
                    family.revoked = true;
                    tx.put(&key, &family)?;
                }
                Ok::<_, Trouble>(())
            })
            .await?;
        Ok(RevokeTokenOutput {})
    }
}
