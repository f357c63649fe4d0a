//! `InitiateAuth`: starts a sign-in, or exchanges a refresh token.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{Error, InitiateAuth, InitiateAuthInput, InitiateAuthOutput},
    auth_flow::Door,
};

impl Operation<InitiateAuth> for CognitoIdp {
    fn access(&self, input: &InitiateAuthInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Public(
            "signing in: the caller has nothing yet but a client id; the password or refresh token is the proof",
            self.account_of(&input.client_id)?,
        ))
    }

    async fn run(&self, call: Call<InitiateAuth>) -> Result<InitiateAuthOutput, Error> {
        let at = self.at(&call.input.client_id, call.now())?;
        let given = call.input.auth_parameters.unwrap_or_default();
        let answer = self.initiate(at, Door::Public, call.input.auth_flow.as_str(), given).await?;
        Ok(answer.into())
    }
}
