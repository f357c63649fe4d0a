//! `GetDeployments`: lists the deployments of an API.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetDeployments, GetDeploymentsInput, GetDeploymentsOutput},
    page, rows, view,
};

impl Operation<GetDeployments> for ApiGateway {
    fn access(&self, input: &GetDeploymentsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on("apigateway:GET", caller, &format!("/restapis/{}/deployments", input.rest_api_id)))
    }

    async fn run(&self, call: Call<GetDeployments>) -> Result<GetDeploymentsOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let read = self.env.store.read(|tx| {
            let api = rows::rest_api(tx, scope, &input.rest_api_id)?;
            Ok::<_, Error>(tx.scan::<rows::Deployment>(&rows::api_key(scope, &api.id), None, usize::MAX)?)
        });
        let all = read?.into_iter().map(|(_, deployment)| (deployment.id.clone(), deployment));
        let (items, position) = page::page(all, input.limit, input.position.as_deref())?;
        let items = items.iter().map(|deployment| view::deployment(deployment, false)).collect();
        Ok(GetDeploymentsOutput { position, items: Some(items) })
    }
}
