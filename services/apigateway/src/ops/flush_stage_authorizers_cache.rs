//! `FlushStageAuthorizersCache`: forgets what authorizers said for a stage.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{
        Error, FlushStageAuthorizersCache, FlushStageAuthorizersCacheInput, FlushStageAuthorizersCacheOutput,
    },
    rows,
};

impl Operation<FlushStageAuthorizersCache> for ApiGateway {
    fn access(&self, input: &FlushStageAuthorizersCacheInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:DELETE",
            caller,
            &format!("/restapis/{}/stages/{}/cache/authorizers", input.rest_api_id, input.stage_name),
        ))
    }

    async fn run(
        &self,
        call: Call<FlushStageAuthorizersCache>,
    ) -> Result<FlushStageAuthorizersCacheOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let read = self.env.store.read(|tx| {
            let api = rows::rest_api(tx, scope, &input.rest_api_id)?;
            rows::stage(tx, scope, &api.id, &input.stage_name)
        });
        self.cache.flush(&input.rest_api_id, &read?.name);
        Ok(FlushStageAuthorizersCacheOutput {})
    }
}
