//! `RespondToAuthChallenge`: answers what a sign-in asked.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{Error, RespondToAuthChallenge, RespondToAuthChallengeInput, RespondToAuthChallengeOutput},
};

impl Operation<RespondToAuthChallenge> for CognitoIdp {
    fn access(&self, input: &RespondToAuthChallengeInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Public(
            "signing in: the secret block with its proof, or the challenge session, is verified and consumed by the operation",
            self.account_of(&input.client_id)?,
        ))
    }

    async fn run(&self, call: Call<RespondToAuthChallenge>) -> Result<RespondToAuthChallengeOutput, Error> {
        let at = self.at(&call.input.client_id, call.now())?;
        let input = call.input;
        let given = input.challenge_responses.unwrap_or_default();
        let answer = self.respond(at, input.challenge_name.as_str(), input.session, given).await?;
        Ok(answer.into())
    }
}
