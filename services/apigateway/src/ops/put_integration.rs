//! `PutIntegration`: says what is behind a method.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, PutIntegration, PutIntegrationInput, PutIntegrationOutput},
    checks,
    passing::with_passed_roles,
    view,
};

impl Operation<PutIntegration> for ApiGateway {
    fn access(&self, input: &PutIntegrationInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.on(
            "apigateway:PUT",
            caller,
            &format!(
                "/restapis/{}/resources/{}/methods/{}/integration",
                input.rest_api_id, input.resource_id, input.http_method
            ),
        );
        Ok(with_passed_roles(access, input.credentials.as_deref()))
    }

    async fn run(&self, call: Call<PutIntegration>) -> Result<PutIntegrationOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let mut integration = checks::integration_input(&input)?;
        checks::integration(&integration)?;
        integration.cache_namespace.get_or_insert_with(|| input.resource_id.clone());
        let (resource_id, verb) = (input.resource_id, input.http_method);
        self.edit(&scope, &input.rest_api_id, move |api| {
            let method = checks::method_of(&mut api.definition, &resource_id, &verb)?;
            method.integration = Some(integration.clone());
            Ok(view::integration(&integration))
        })
        .await
    }
}
