//! `GetStage`: shows one stage.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetStage, GetStageInput, GetStageOutput},
    rows, view,
};

impl Operation<GetStage> for ApiGateway {
    fn access(&self, input: &GetStageInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:GET",
            caller,
            &format!("/restapis/{}/stages/{}", input.rest_api_id, input.stage_name),
        ))
    }

    async fn run(&self, call: Call<GetStage>) -> Result<GetStageOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let read = self.env.store.read(|tx| {
            let api = rows::rest_api(tx, scope, &input.rest_api_id)?;
            rows::stage(tx, scope, &api.id, &input.stage_name)
        });
        Ok(view::stage(&read?))
    }
}
