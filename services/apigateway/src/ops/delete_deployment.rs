//! `DeleteDeployment`: deletes a deployment that no stage serves.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{DeleteDeployment, DeleteDeploymentInput, DeleteDeploymentOutput, Error},
    checks, rows,
};

impl Operation<DeleteDeployment> for ApiGateway {
    fn access(&self, input: &DeleteDeploymentInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:DELETE",
            caller,
            &format!("/restapis/{}/deployments/{}", input.rest_api_id, input.deployment_id),
        ))
    }

    async fn run(&self, call: Call<DeleteDeployment>) -> Result<DeleteDeploymentOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let write = move |tx: &mut casemate_store::WriteTx<'_>| {
            let api = rows::rest_api(tx, &scope, &input.rest_api_id)?;
            let found = rows::deployment(tx, &scope, &api.id, &input.deployment_id)?;
            let stages = tx.scan::<rows::Stage>(&rows::api_key(&scope, &api.id), None, usize::MAX)?;
            if stages.iter().any(|(_, stage)| stage.deployment_id == found.id) {
                // AWS: text of the service.
                return Err(checks::bad(
                    "Active stages pointing to this deployment must be moved or deleted",
                ));
            }
            tx.delete::<rows::Deployment>(&rows::part_key(&scope, &api.id, &found.id))?;
            Ok(DeleteDeploymentOutput {})
        };
        self.env.store.write(write).await
    }
}
