//! `UpdateGatewayResponse`: changes one of the gateway's own answers.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, UpdateGatewayResponse, UpdateGatewayResponseInput, UpdateGatewayResponseOutput},
    checks,
    patch::{self, ENTRY, Paths, REPLACE},
    view,
};

impl Operation<UpdateGatewayResponse> for ApiGateway {
    fn access(&self, input: &UpdateGatewayResponseInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on(
            "apigateway:PATCH",
            caller,
            &format!("/restapis/{}/gatewayresponses/{}", input.rest_api_id, input.response_type.as_str()),
        ))
    }

    async fn run(&self, call: Call<UpdateGatewayResponse>) -> Result<UpdateGatewayResponseOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        let patches = patch::read(input.patch_operations, PATHS)?;
        let kind = input.response_type;
        self.edit(&scope, &input.rest_api_id, move |api| {
            let custom = api.definition.gateway_responses.entry(kind.as_str().to_owned()).or_default();
            for patch in &patches {
                match patch.pieces().as_slice() {
                    ["statusCode"] => custom.status = patch.optional(),
                    ["responseParameters", name] => patch.entry(&mut custom.parameters, name, patch.text()),
                    ["responseTemplates", kind] => patch.entry(&mut custom.templates, kind, patch.text()),
                    _ => {}
                }
            }
            checks::gateway_response(custom)?;
            Ok(view::gateway_response(kind, Some(custom)))
        })
        .await
    }
}

const PATHS: Paths =
    &[(REPLACE, "/statusCode"), (ENTRY, "/responseParameters/{name}"), (ENTRY, "/responseTemplates/{type}")];
