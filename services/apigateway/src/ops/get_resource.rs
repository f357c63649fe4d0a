//! `GetResource`: shows one resource.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetResource, GetResourceInput, GetResourceOutput},
    checks, view,
};

impl Operation<GetResource> for ApiGateway {
    fn access(&self, input: &GetResourceInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:GET",
            caller,
            &format!("/restapis/{}/resources/{}", input.rest_api_id, input.resource_id),
        ))
    }

    async fn run(&self, call: Call<GetResource>) -> Result<GetResourceOutput, Error> {
        let input = &call.input;
        let mut api = self.rest_api(call.scope(), &input.rest_api_id)?;
        let found = checks::resource_of(&mut api.definition, &input.resource_id)?.clone();
        Ok(view::resource(&api.definition, &found, view::embeds(input.embed.as_ref(), "methods")))
    }
}
