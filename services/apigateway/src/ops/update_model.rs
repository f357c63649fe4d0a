//! `UpdateModel`: changes a model.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, UpdateModel, UpdateModelInput, UpdateModelOutput},
    ops::create_model::check_schema,
    patch::{self, Paths, REPLACE},
    view,
};

impl Operation<UpdateModel> for ApiGateway {
    fn access(&self, input: &UpdateModelInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:PATCH",
            caller,
            &format!("/restapis/{}/models/{}", input.rest_api_id, input.model_name),
        ))
    }

    async fn run(&self, call: Call<UpdateModel>) -> Result<UpdateModelOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let patches = patch::read(input.patch_operations, PATHS)?;
        let name = input.model_name;
        for patch in patches.iter().filter(|patch| patch.pieces() == ["schema"]) {
            check_schema(&patch.text(), &self.rest_api(&scope, &input.rest_api_id)?.definition.models)?;
        }
        self.edit(&scope, &input.rest_api_id, move |api| {
            let models = &mut api.definition.models;
            let missing = || Error::not_found_exception(format!("Invalid model name specified: {name}"));
            let mut changed = models.get(&name).cloned().ok_or_else(missing)?;
            for patch in &patches {
                match patch.pieces().as_slice() {
                    ["description"] => changed.description = patch.optional(),
                    _ => changed.schema = patch.text(),
                }
            }
            models.insert(name.clone(), changed.clone());
            Ok(view::model(&changed))
        })
        .await
    }
}

const PATHS: Paths = &[(REPLACE, "/description"), (REPLACE, "/schema")];
