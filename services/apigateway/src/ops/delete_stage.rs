//! `DeleteStage`: stops serving under a name.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{DeleteStage, DeleteStageInput, DeleteStageOutput, Error},
    rows,
};

impl Operation<DeleteStage> for ApiGateway {
    fn access(&self, input: &DeleteStageInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:DELETE",
            caller,
            &format!("/restapis/{}/stages/{}", input.rest_api_id, input.stage_name),
        ))
    }

    async fn run(&self, call: Call<DeleteStage>) -> Result<DeleteStageOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        self.cache.flush(&input.rest_api_id, &input.stage_name);
        let write = move |tx: &mut casemate_store::WriteTx<'_>| {
            let api = rows::rest_api(tx, &scope, &input.rest_api_id)?;
            let stage = rows::stage(tx, &scope, &api.id, &input.stage_name)?;
            tx.delete::<rows::Stage>(&rows::part_key(&scope, &api.id, &stage.name))?;
            Ok(DeleteStageOutput {})
        };
        self.env.store.write(write).await
    }
}
