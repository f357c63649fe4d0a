//! `AdminInitiateAuth`: the same as `InitiateAuth` for a server that IAM has authorised, with a password flow of its own.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{AdminInitiateAuth, AdminInitiateAuthInput, AdminInitiateAuthOutput, Error},
    auth_flow::Door,
    pool::Place,
};

impl Operation<AdminInitiateAuth> for CognitoIdp {
    fn access(&self, input: &AdminInitiateAuthInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:AdminInitiateAuth", &input.user_pool_id))
    }

    async fn run(&self, call: Call<AdminInitiateAuth>) -> Result<AdminInitiateAuthOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        let at = self.at_pool(&place, &call.input.client_id, call.now())?;
        let given = call.input.auth_parameters.unwrap_or_default();
        let answer = self.initiate(at, Door::Admin, call.input.auth_flow.as_str(), given).await?;
        Ok(answer.into())
    }
}
