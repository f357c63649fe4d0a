//! `UpdateAuthorizer`: changes an authorizer.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, UpdateAuthorizer, UpdateAuthorizerInput, UpdateAuthorizerOutput},
    checks,
    definition::Authorizer,
    ops::create_authorizer::check_name,
    passing::{patched_value, with_passed_roles},
    patch::{self, ELEMENT, Patch, Paths, REPLACE},
    view,
};

impl Operation<UpdateAuthorizer> for ApiGateway {
    fn access(&self, input: &UpdateAuthorizerInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.on(
            "apigateway:PATCH",
            caller,
            &format!("/restapis/{}/authorizers/{}", input.rest_api_id, input.authorizer_id),
        );
        Ok(with_passed_roles(
            access,
            patched_value(input.patch_operations.as_ref(), "/authorizerCredentials"),
        ))
    }

    async fn run(&self, call: Call<UpdateAuthorizer>) -> Result<UpdateAuthorizerOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let patches = patch::read(input.patch_operations, PATHS)?;
        let id = input.authorizer_id;
        self.edit(&scope.clone(), &input.rest_api_id, move |api| {
            let authorizers = &mut api.definition.authorizers;
            let mut changed = authorizers.get(&id).cloned().ok_or_else(|| checks::missing("Authorizer"))?;
            patches.iter().try_for_each(|patch| apply(&mut changed, patch))?;
            checks::authorizer(&scope, &changed)?;
            check_name(authorizers, &changed.name, Some(&id))?;
            authorizers.insert(id.clone(), changed.clone());
            Ok(view::authorizer(&changed))
        })
        .await
    }
}

const PATHS: Paths = &[
    (REPLACE, "/name"),
    (REPLACE, "/authType"),
    (REPLACE, "/authorizerUri"),
    (REPLACE, "/authorizerCredentials"),
    (REPLACE, "/identitySource"),
    (REPLACE, "/identityValidationExpression"),
    (REPLACE, "/authorizerResultTtlInSeconds"),
    (ELEMENT, "/providerARNs"),
];

fn apply(authorizer: &mut Authorizer, patch: &Patch) -> Result<(), Error> {
    match patch.pieces().as_slice() {
        ["name"] => authorizer.name = patch.text(),
        ["authType"] => authorizer.auth_type = patch.optional(),
        ["authorizerUri"] => authorizer.uri = patch.optional(),
        ["authorizerCredentials"] => authorizer.credentials = patch.optional(),
        ["identitySource"] => authorizer.identity_source = patch.optional(),
        ["identityValidationExpression"] => authorizer.identity_validation_expression = patch.optional(),
        ["authorizerResultTtlInSeconds"] => authorizer.result_ttl_s = patch.number()?,
        ["providerARNs"] => patch.element(&mut authorizer.provider_arns, &patch.text()),
        _ => {}
    }
    Ok(())
}
