//! `GetRequestValidators`: lists the request validators of an API.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetRequestValidators, GetRequestValidatorsInput, GetRequestValidatorsOutput},
    page, view,
};

impl Operation<GetRequestValidators> for ApiGateway {
    fn access(&self, input: &GetRequestValidatorsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on("apigateway:GET", caller, &format!("/restapis/{}/requestvalidators", input.rest_api_id)))
    }

    async fn run(&self, call: Call<GetRequestValidators>) -> Result<GetRequestValidatorsOutput, Error> {
        let input = &call.input;
        let api = self.rest_api(call.scope(), &input.rest_api_id)?;
        let (items, position) =
            page::page(api.definition.validators, input.limit, input.position.as_deref())?;
        let items = items.iter().map(view::validator).collect();
        Ok(GetRequestValidatorsOutput { position, items: Some(items) })
    }
}
