//! `GetTokensFromRefreshToken`: new tokens for a refresh token, and where tokens rotate a new refresh token.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{
        Error, GetTokensFromRefreshToken, GetTokensFromRefreshTokenInput, GetTokensFromRefreshTokenOutput,
    },
    auth_flow::{Door, Flow},
    refresh::Shown,
    tokens::RefreshDoor,
};

impl Operation<GetTokensFromRefreshToken> for CognitoIdp {
    fn access(&self, input: &GetTokensFromRefreshTokenInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Public(
            "staying signed in: the refresh token is the proof, and the client secret where there is one",
            self.account_of(&input.client_id)?,
        ))
    }

    async fn run(
        &self,
        call: Call<GetTokensFromRefreshToken>,
    ) -> Result<GetTokensFromRefreshTokenOutput, Error> {
        let at = self.at(&call.input.client_id, call.now())?;
        if at.client.rotation_grace_s.is_none() {
            // With rotation the flow itself may be off: this operation is then the only way to refresh.
            Flow::choose("REFRESH_TOKEN_AUTH", Door::Public, &at.client.explicit_flows)?;
        }
        let shown = Shown::Secret(call.input.client_secret);
        let answer = self
            .refresh((at.place, at.client), call.input.refresh_token, shown, RefreshDoor::Exchange, at.now)
            .await?;
        Ok(GetTokensFromRefreshTokenOutput { authentication_result: answer.result })
    }
}
