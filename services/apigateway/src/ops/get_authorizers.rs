//! `GetAuthorizers`: lists the authorizers of an API.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetAuthorizers, GetAuthorizersInput, GetAuthorizersOutput},
    page, view,
};

impl Operation<GetAuthorizers> for ApiGateway {
    fn access(&self, input: &GetAuthorizersInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on("apigateway:GET", caller, &format!("/restapis/{}/authorizers", input.rest_api_id)))
    }

    async fn run(&self, call: Call<GetAuthorizers>) -> Result<GetAuthorizersOutput, Error> {
        let input = &call.input;
        let api = self.rest_api(call.scope(), &input.rest_api_id)?;
        let (items, position) =
            page::page(api.definition.authorizers, input.limit, input.position.as_deref())?;
        let items = items.iter().map(view::authorizer).collect();
        Ok(GetAuthorizersOutput { position, items: Some(items) })
    }
}
