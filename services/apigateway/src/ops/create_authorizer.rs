//! `CreateAuthorizer`: adds an authorizer to an API.

use std::collections::BTreeMap;

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{AuthorizerType, CreateAuthorizer, CreateAuthorizerInput, CreateAuthorizerOutput, Error},
    checks,
    definition::{Authorizer, AuthorizerKind},
    passing::with_passed_roles,
    view,
};

impl Operation<CreateAuthorizer> for ApiGateway {
    fn access(&self, input: &CreateAuthorizerInput, caller: &Caller) -> Result<Access, Error> {
        let access =
            self.on("apigateway:POST", caller, &format!("/restapis/{}/authorizers", input.rest_api_id));
        Ok(with_passed_roles(access, input.authorizer_credentials.as_deref()))
    }

    async fn run(&self, call: Call<CreateAuthorizer>) -> Result<CreateAuthorizerOutput, Error> {
        let id = self.id("apigateway.authorizer", 6);
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let kind = match input.r#type {
            AuthorizerType::Token => AuthorizerKind::Token,
            AuthorizerType::Request => AuthorizerKind::Request,
            AuthorizerType::CognitoUserPools => AuthorizerKind::Cognito,
            AuthorizerType::Jwt => return Err(checks::bad("Authorizers of type JWT are not supported")),
        };
        let authorizer = Authorizer {
            id,
            name: input.name,
            kind,
            provider_arns: input.provider_arns.unwrap_or_default(),
            auth_type: input.auth_type,
            uri: input.authorizer_uri,
            credentials: input.authorizer_credentials,
            identity_source: input.identity_source.filter(|source| !source.is_empty()),
            identity_validation_expression: input
                .identity_validation_expression
                .filter(|text| !text.is_empty()),
            result_ttl_s: input.authorizer_result_ttl_in_seconds.unwrap_or(checks::TTL_S_DEFAULT),
        };
        checks::authorizer(&scope, &authorizer)?;
        self.edit(&scope, &input.rest_api_id, move |api| {
            let authorizers = &mut api.definition.authorizers;
            check_name(authorizers, &authorizer.name, None)?;
            if authorizers.len() >= AUTHORIZERS_MAX {
                return Err(Error::limit_exceeded_exception(
                    "Maximum number of Authorizers for this API has been reached.",
                ));
            }
            authorizers.insert(authorizer.id.clone(), authorizer.clone());
            Ok(view::authorizer(&authorizer))
        })
        .await
    }
}

/// AWS: authorizers of one API (quota).
const AUTHORIZERS_MAX: usize = 10;

/// Names are unique within an API.
pub(super) fn check_name(
    authorizers: &BTreeMap<String, Authorizer>,
    name: &str,
    but: Option<&str>,
) -> Result<(), Error> {
    let taken = authorizers.values().any(|known| known.name == name && Some(known.id.as_str()) != but);
    if name.is_empty() || taken {
        // AWS: text of the service.
        return Err(checks::bad(
            "Authorizer name must be unique. Authorizer with the same name already exists in this RestApi",
        ));
    }
    Ok(())
}
