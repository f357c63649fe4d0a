//! `GetModel`: shows one model.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetModel, GetModelInput, GetModelOutput},
    view,
};

impl Operation<GetModel> for ApiGateway {
    fn access(&self, input: &GetModelInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:GET",
            caller,
            &format!("/restapis/{}/models/{}", input.rest_api_id, input.model_name),
        ))
    }

    async fn run(&self, call: Call<GetModel>) -> Result<GetModelOutput, Error> {
        let input = &call.input;
        let mut api = self.rest_api(call.scope(), &input.rest_api_id)?;
        let found = api.definition.models.remove(&input.model_name);
        // AWS: text of the service.
        let missing =
            || Error::not_found_exception(format!("Invalid model name specified: {}", input.model_name));
        found.as_ref().map(view::model).ok_or_else(missing)
    }
}
