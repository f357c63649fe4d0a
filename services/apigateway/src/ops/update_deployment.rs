//! `UpdateDeployment`: changes the description of a deployment; what it froze stays.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, UpdateDeployment, UpdateDeploymentInput, UpdateDeploymentOutput},
    patch::{self, Paths, REPLACE},
    rows, view,
};

impl Operation<UpdateDeployment> for ApiGateway {
    fn access(&self, input: &UpdateDeploymentInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:PATCH",
            caller,
            &format!("/restapis/{}/deployments/{}", input.rest_api_id, input.deployment_id),
        ))
    }

    async fn run(&self, call: Call<UpdateDeployment>) -> Result<UpdateDeploymentOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let patches = patch::read(input.patch_operations, PATHS)?;
        let write = move |tx: &mut casemate_store::WriteTx<'_>| {
            let api = rows::rest_api(tx, &scope, &input.rest_api_id)?;
            let mut found = rows::deployment(tx, &scope, &api.id, &input.deployment_id)?;
            for patch in &patches {
                found.description = patch.optional();
            }
            tx.put(&rows::part_key(&scope, &api.id, &found.id), &found)?;
            Ok(view::deployment(&found, false))
        };
        self.env.store.write(write).await
    }
}

const PATHS: Paths = &[(REPLACE, "/description")];
