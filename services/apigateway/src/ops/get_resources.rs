//! `GetResources`: lists the resources of an API.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetResources, GetResourcesInput, GetResourcesOutput},
    page, view,
};

impl Operation<GetResources> for ApiGateway {
    fn access(&self, input: &GetResourcesInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on("apigateway:GET", caller, &format!("/restapis/{}/resources", input.rest_api_id)))
    }

    async fn run(&self, call: Call<GetResources>) -> Result<GetResourcesOutput, Error> {
        let input = &call.input;
        let api = self.rest_api(call.scope(), &input.rest_api_id)?;
        let embed = view::embeds(input.embed.as_ref(), "methods");
        let all = api.definition.resources.iter().map(|(id, resource)| (id.clone(), resource));
        let (items, position) = page::page(all, input.limit, input.position.as_deref())?;
        let items =
            items.into_iter().map(|resource| view::resource(&api.definition, resource, embed)).collect();
        Ok(GetResourcesOutput { position, items: Some(items) })
    }
}
