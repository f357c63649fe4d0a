//! `AdminRespondToAuthChallenge`: the same as `RespondToAuthChallenge` for a server that IAM has authorised.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{
        AdminRespondToAuthChallenge, AdminRespondToAuthChallengeInput, AdminRespondToAuthChallengeOutput,
        Error,
    },
    pool::Place,
};

impl Operation<AdminRespondToAuthChallenge> for CognitoIdp {
    fn access(&self, input: &AdminRespondToAuthChallengeInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:AdminRespondToAuthChallenge", &input.user_pool_id))
    }

    async fn run(
        &self,
        call: Call<AdminRespondToAuthChallenge>,
    ) -> Result<AdminRespondToAuthChallengeOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        let at = self.at_pool(&place, &call.input.client_id, call.now())?;
        let input = call.input;
        let given = input.challenge_responses.unwrap_or_default();
        let answer = self.respond(at, input.challenge_name.as_str(), input.session, given).await?;
        Ok(answer.into())
    }
}
