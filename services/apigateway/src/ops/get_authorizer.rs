//! `GetAuthorizer`: shows one authorizer.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetAuthorizer, GetAuthorizerInput, GetAuthorizerOutput},
    checks, view,
};

impl Operation<GetAuthorizer> for ApiGateway {
    fn access(&self, input: &GetAuthorizerInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:GET",
            caller,
            &format!("/restapis/{}/authorizers/{}", input.rest_api_id, input.authorizer_id),
        ))
    }

    async fn run(&self, call: Call<GetAuthorizer>) -> Result<GetAuthorizerOutput, Error> {
        let input = &call.input;
        let mut api = self.rest_api(call.scope(), &input.rest_api_id)?;
        let found = api.definition.authorizers.remove(&input.authorizer_id);
        found.as_ref().map(view::authorizer).ok_or_else(|| checks::missing("Authorizer"))
    }
}
