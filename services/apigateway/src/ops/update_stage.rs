//! `UpdateStage`: moves a stage to another deployment, or changes its variables.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, UpdateStage, UpdateStageInput, UpdateStageOutput},
    checks,
    patch::{self, ENTRY, Paths, REPLACE},
    rows, view,
};

impl Operation<UpdateStage> for ApiGateway {
    fn access(&self, input: &UpdateStageInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:PATCH",
            caller,
            &format!("/restapis/{}/stages/{}", input.rest_api_id, input.stage_name),
        ))
    }

    async fn run(&self, call: Call<UpdateStage>) -> Result<UpdateStageOutput, Error> {
        let (scope, now) = (call.scope().clone(), call.now());
        let (input, _) = call.into_parts();
        let (api_id, name) = (input.rest_api_id.clone(), input.stage_name.clone());
        let patches = patch::read(input.patch_operations, PATHS)?;
        let write = move |tx: &mut casemate_store::WriteTx<'_>| {
            let api = rows::rest_api(tx, &scope, &input.rest_api_id)?;
            let mut stage = rows::stage(tx, &scope, &api.id, &input.stage_name)?;
            for patch in &patches {
                match patch.pieces().as_slice() {
                    ["deploymentId"] => stage.deployment_id = patch.text(),
                    ["description"] => stage.description = patch.optional(),
                    ["tracingEnabled"] => stage.tracing = patch.boolean()?,
                    ["variables", name] => patch.entry(&mut stage.variables, name, patch.text()),
                    _ => {}
                }
            }
            rows::deployment(tx, &scope, &api.id, &stage.deployment_id)?;
            checks::variables(&stage.variables)?;
            stage.updated_at = now;
            tx.put(&rows::part_key(&scope, &api.id, &stage.name), &stage)?;
            Ok::<_, Error>(view::stage(&stage))
        };
        let changed = self.env.store.write(write).await?;
        // Variables may name the authorizer's function.
        self.cache.flush(&api_id, &name);
        Ok(changed)
    }
}

const PATHS: Paths = &[
    (REPLACE, "/deploymentId"),
    (REPLACE, "/description"),
    (REPLACE, "/tracingEnabled"),
    (ENTRY, "/variables/{name}"),
];
