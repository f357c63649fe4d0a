//! `GetMethod`: shows one method.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetMethod, GetMethodInput, GetMethodOutput},
    checks, view,
};

impl Operation<GetMethod> for ApiGateway {
    fn access(&self, input: &GetMethodInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:GET",
            caller,
            &format!(
                "/restapis/{}/resources/{}/methods/{}",
                input.rest_api_id, input.resource_id, input.http_method
            ),
        ))
    }

    async fn run(&self, call: Call<GetMethod>) -> Result<GetMethodOutput, Error> {
        let input = &call.input;
        let mut api = self.rest_api(call.scope(), &input.rest_api_id)?;
        let found = checks::method_of(&mut api.definition, &input.resource_id, &input.http_method)?;
        Ok(view::method(&input.http_method, found))
    }
}
