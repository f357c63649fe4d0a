//! `CreateModel`: adds a JSON schema to an API.

use std::collections::BTreeMap;

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{CreateModel, CreateModelInput, CreateModelOutput, Error},
    checks,
    definition::Model,
    validation, view,
};

impl Operation<CreateModel> for ApiGateway {
    fn access(&self, input: &CreateModelInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on("apigateway:POST", caller, &format!("/restapis/{}/models", input.rest_api_id)))
    }

    async fn run(&self, call: Call<CreateModel>) -> Result<CreateModelOutput, Error> {
        let id = self.id("apigateway.model", 6);
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        // AWS: text of the service.
        if input.name.is_empty() || !input.name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(checks::bad(format!("Model name must be alphanumeric: {}", input.name)));
        }
        let model = Model {
            id,
            name: input.name,
            description: input.description,
            schema: input.schema.unwrap_or_else(|| "{}".to_owned()),
            content_type: input.content_type,
        };
        // Not in the transaction: others wait for those. What it refers to is looked at again when it is deployed.
        check_schema(&model.schema, &self.rest_api(&scope, &input.rest_api_id)?.definition.models)?;
        self.edit(&scope, &input.rest_api_id, move |api| {
            let models = &mut api.definition.models;
            if models.contains_key(&model.name) {
                // AWS: text of the service.
                return Err(Error::conflict_exception("Model name already exists for this REST API"));
            }
            models.insert(model.name.clone(), model.clone());
            Ok(view::model(&model))
        })
        .await
    }
}

/// AWS: largest schema of a model (quota).
const SCHEMA_BYTES_MAX: usize = 400 * 1024;

/// A schema that bodies can be held against.
pub(super) fn check_schema(schema: &str, models: &BTreeMap<String, Model>) -> Result<(), Error> {
    if schema.len() > SCHEMA_BYTES_MAX {
        return Err(checks::bad("Model schemas can have at most 400 KB"));
    }
    // AWS: text of the service.
    validation::compile(schema, models)
        .map(|_| ())
        .map_err(|why| checks::bad(format!("Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified. {why}]")))
}
