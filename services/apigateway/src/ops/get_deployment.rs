//! `GetDeployment`: shows one deployment.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetDeployment, GetDeploymentInput, GetDeploymentOutput},
    rows, view,
};

impl Operation<GetDeployment> for ApiGateway {
    fn access(&self, input: &GetDeploymentInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:GET",
            caller,
            &format!("/restapis/{}/deployments/{}", input.rest_api_id, input.deployment_id),
        ))
    }

    async fn run(&self, call: Call<GetDeployment>) -> Result<GetDeploymentOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let read = self.env.store.read(|tx| {
            let api = rows::rest_api(tx, scope, &input.rest_api_id)?;
            rows::deployment(tx, scope, &api.id, &input.deployment_id)
        });
        Ok(view::deployment(&read?, view::embeds(input.embed.as_ref(), "apisummary")))
    }
}
