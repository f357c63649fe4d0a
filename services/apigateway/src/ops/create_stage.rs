//! `CreateStage`: serves a deployment under a name.

use std::collections::BTreeMap;

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::Scope;
use casemate_store::ReadTx;

use crate::{
    ApiGateway,
    api::{CreateStage, CreateStageInput, CreateStageOutput, Error},
    checks,
    passing::with_tags,
    rows, view,
};

impl Operation<CreateStage> for ApiGateway {
    fn access(&self, input: &CreateStageInput, caller: &Caller) -> Result<Access, Error> {
        let path = format!("/restapis/{}/stages", input.rest_api_id);
        Ok(with_tags(self.on("apigateway:POST", caller, &path), input.tags.as_ref()))
    }

    async fn run(&self, call: Call<CreateStage>) -> Result<CreateStageOutput, Error> {
        let (scope, now) = (call.scope().clone(), call.now());
        let (input, _) = call.into_parts();
        let unsupported = [
            ("cacheClusterEnabled", input.cache_cluster_enabled == Some(true)),
            ("canarySettings", input.canary_settings.is_some()),
        ];
        if let Some((what, _)) = unsupported.iter().find(|(_, asked)| *asked) {
            return Err(checks::bad(format!("{what} is not supported")));
        }
        checks::stage_name(&input.stage_name)?;
        let stage = rows::Stage {
            name: input.stage_name,
            deployment_id: input.deployment_id,
            description: input.description,
            variables: input.variables.unwrap_or_default(),
            tags: input.tags.unwrap_or_default(),
            tracing: input.tracing_enabled.unwrap_or(false),
            method_settings: BTreeMap::new(),
            created_at: now,
            updated_at: now,
        };
        checks::variables(&stage.variables)?;
        let api_id = input.rest_api_id;
        let write = move |tx: &mut casemate_store::WriteTx<'_>| {
            let api = rows::rest_api(tx, &scope, &api_id)?;
            rows::deployment(tx, &scope, &api.id, &stage.deployment_id)?;
            let key = rows::part_key(&scope, &api.id, &stage.name);
            if tx.exists::<rows::Stage>(&key)? {
                // AWS: text of the service.
                return Err(Error::conflict_exception("Stage already exists"));
            }
            check_room(tx, &scope, &api.id)?;
            tx.put(&key, &stage)?;
            Ok(view::stage(&stage))
        };
        self.env.store.write(write).await
    }
}

/// AWS: stages of one API (quota).
const STAGES_MAX: usize = 10;

/// May an API have one more stage?
pub(super) fn check_room(tx: &ReadTx<'_>, scope: &Scope, api_id: &str) -> Result<(), Error> {
    let stages = tx.keys::<rows::Stage>(&rows::api_key(scope, api_id), None, STAGES_MAX)?;
    if stages.len() >= STAGES_MAX {
        let text = "Maximum number of Stages for this API has been reached.";
        return Err(Error::limit_exceeded_exception(text));
    }
    Ok(())
}
