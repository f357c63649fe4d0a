//! `GetModels`: lists the models of an API.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetModels, GetModelsInput, GetModelsOutput},
    page, view,
};

impl Operation<GetModels> for ApiGateway {
    fn access(&self, input: &GetModelsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on("apigateway:GET", caller, &format!("/restapis/{}/models", input.rest_api_id)))
    }

    async fn run(&self, call: Call<GetModels>) -> Result<GetModelsOutput, Error> {
        let input = &call.input;
        let api = self.rest_api(call.scope(), &input.rest_api_id)?;
        let (items, position) = page::page(api.definition.models, input.limit, input.position.as_deref())?;
        let items = items.iter().map(view::model).collect();
        Ok(GetModelsOutput { position, items: Some(items) })
    }
}
