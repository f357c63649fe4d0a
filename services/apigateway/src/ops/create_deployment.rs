//! `CreateDeployment`: freezes an API as it is now and, if asked, serves it under a stage.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{CreateDeployment, CreateDeploymentInput, CreateDeploymentOutput, Error},
    checks,
    definition::Definition,
    ops::create_stage::check_room,
    plan::Plan,
    rows, view,
};

impl Operation<CreateDeployment> for ApiGateway {
    fn access(&self, input: &CreateDeploymentInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on("apigateway:POST", caller, &format!("/restapis/{}/deployments", input.rest_api_id)))
    }

    async fn run(&self, call: Call<CreateDeployment>) -> Result<CreateDeploymentOutput, Error> {
        let id = self.id("apigateway.deployment", 6);
        let (scope, now) = (call.scope().clone(), call.now());
        let (input, _) = call.into_parts();
        let unsupported = [
            ("cacheClusterEnabled", input.cache_cluster_enabled == Some(true)),
            ("canarySettings", input.canary_settings.is_some()),
        ];
        if let Some((what, _)) = unsupported.iter().find(|(_, asked)| *asked) {
            return Err(checks::bad(format!("{what} is not supported")));
        }
        if let Some(name) = &input.stage_name {
            checks::stage_name(name)?;
        }
        let variables = input.variables.clone().unwrap_or_default();
        checks::variables(&variables)?;
        let compiled = self.rest_api(&scope, &input.rest_api_id)?;
        check_complete(&compiled.definition)?;
        // What cannot be compiled must not be served as something else. Not in the transaction: others wait for those.
        Plan::compile(&scope, &compiled.id, compiled.definition.clone()).map_err(checks::bad)?;
        let write = move |tx: &mut casemate_store::WriteTx<'_>| {
            let api = rows::rest_api(tx, &scope, &input.rest_api_id)?;
            if api.definition != compiled.definition {
                return Err(Error::conflict_exception("The API was changed while it was being deployed"));
            }
            let made = rows::Deployment {
                id: id.clone(),
                description: input.description.clone(),
                created_at: now,
                definition: api.definition,
            };
            let key = rows::part_key(&scope, &api.id, &id);
            if tx.exists::<rows::Deployment>(&key)? {
                return Err(Error::conflict_exception(
                    "The deployment identifier was drawn twice; try again",
                ));
            }
            tx.put(&key, &made)?;
            if let Some(name) = &input.stage_name {
                let old = tx.get::<rows::Stage>(&rows::part_key(&scope, &api.id, name))?;
                if old.is_none() {
                    check_room(tx, &scope, &api.id)?;
                }
                let stage = old.unwrap_or_else(|| rows::Stage {
                    name: name.clone(),
                    description: input.stage_description.clone(),
                    created_at: now,
                    ..rows::Stage::default()
                });
                let mut changed = rows::Stage { deployment_id: id.clone(), updated_at: now, ..stage };
                changed.tracing = input.tracing_enabled.unwrap_or(changed.tracing);
                changed.variables.extend(variables.clone());
                tx.put(&rows::part_key(&scope, &api.id, name), &changed)?;
            }
            Ok(view::deployment(&made, false))
        };
        self.env.store.write(write).await
    }
}

/// An API can be deployed when it has methods and every one has an integration.
// AWS: texts of the service.
fn check_complete(definition: &Definition) -> Result<(), Error> {
    let mut methods = definition.resources.values().flat_map(|resource| resource.methods.values()).peekable();
    if methods.peek().is_none() {
        return Err(checks::bad("The REST API doesn't contain any methods"));
    }
    if methods.any(|method| method.integration.is_none()) {
        return Err(checks::bad("No integration defined for method"));
    }
    Ok(())
}
