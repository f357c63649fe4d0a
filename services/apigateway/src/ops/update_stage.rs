//! `UpdateStage`: moves a stage to another deployment, or changes its variables and limits.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, Op, UpdateStage, UpdateStageInput, UpdateStageOutput},
    checks,
    definition::Definition,
    patch::{self, ENTRY, Patch, Paths, REPLACE},
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
                    [resource, verb, "throttling", what] => {
                        throttle(&mut stage, patch, (resource, verb), what)?;
                    }
                    ["variables", name] => patch.entry(&mut stage.variables, name, patch.text()),
                    [resource, verb] => {
                        stage.method_settings.remove(&setting_key(resource, verb));
                    }
                    _ => {}
                }
            }
            let deployment = rows::deployment(tx, &scope, &api.id, &stage.deployment_id)?;
            for patch in &patches {
                if let [resource, verb, "throttling", _] = patch.pieces().as_slice() {
                    check_method(&deployment.definition, patch, resource, verb)?;
                }
            }
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
    (REPLACE, "/{resourcePath}/{httpMethod}/throttling/burstLimit"),
    (REPLACE, "/{resourcePath}/{httpMethod}/throttling/rateLimit"),
    (&[Op::Remove], "/{resourcePath}/{httpMethod}"),
];

/// Under which a method's settings are kept and shown.
fn setting_key(resource: &str, verb: &str) -> String {
    format!("{}/{verb}", resource.replace('/', "~1"))
}

fn throttle(
    stage: &mut rows::Stage,
    patch: &Patch,
    (resource, verb): (&str, &str),
    what: &str,
) -> Result<(), Error> {
    if stage.method_settings.len() >= SETTINGS_MAX {
        return Err(Error::limit_exceeded_exception("the stage has too many method settings"));
    }
    let setting = stage.method_settings.entry(setting_key(resource, verb)).or_default();
    if what == "burstLimit" {
        let burst = patch.number()?;
        setting.burst_limit = Some(burst);
        if burst < -1 {
            return Err(patch.refused_value("it must be -1 or more"));
        }
    } else {
        let rate: f64 = patch.text().parse().map_err(|_| patch.refused_value("it must be a number"))?;
        setting.rate_limit = Some(rate);
        // Not a number is in no range.
        let legal = (0.0..=RATE_LIMIT_MAX).contains(&rate) || (-1.0..=-1.0).contains(&rate);
        if !legal {
            return Err(patch.refused_value("it must be -1, or from 0 to 1000000000"));
        }
    }
    Ok(())
}

/// Settings are for all methods, or for one that is deployed.
fn check_method(definition: &Definition, patch: &Patch, resource: &str, verb: &str) -> Result<(), Error> {
    let is_there = || {
        definition.resources.values().any(|found| {
            found.methods.contains_key(verb)
                && definition.path(found).trim_matches('/') == resource.trim_matches('/')
        })
    };
    if (resource, verb) == ("*", "*") || is_there() {
        return Ok(());
    }
    Err(checks::bad(format!(
        "Invalid method setting path: {}. The stage has no such method",
        patch.written()
    )))
}

/// Ours: settings of a stage; as many as the resources of an API can have methods.
const SETTINGS_MAX: usize = 2_400;
/// Ours: the highest rate that can be set, requests a second.
const RATE_LIMIT_MAX: f64 = 1e9;
