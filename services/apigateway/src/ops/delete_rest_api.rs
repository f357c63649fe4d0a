//! `DeleteRestApi`: deletes an API with its deployments and stages.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{DeleteRestApi, DeleteRestApiInput, DeleteRestApiOutput, Error},
    definition::RestApi,
    rows,
};

impl Operation<DeleteRestApi> for ApiGateway {
    fn access(&self, input: &DeleteRestApiInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on("apigateway:DELETE", caller, &format!("/restapis/{}", input.rest_api_id)))
    }

    async fn run(&self, call: Call<DeleteRestApi>) -> Result<DeleteRestApiOutput, Error> {
        let scope = call.scope().clone();
        let (input, _) = call.into_parts();
        self.env
            .store
            .write(move |tx| {
                let api = rows::rest_api(tx, &scope, &input.rest_api_id)?;
                let parts = rows::api_key(&scope, &api.id);
                for key in tx.keys::<rows::Deployment>(&parts, None, usize::MAX)? {
                    tx.delete::<rows::Deployment>(&key)?;
                }
                for key in tx.keys::<rows::Stage>(&parts, None, usize::MAX)? {
                    tx.delete::<rows::Stage>(&key)?;
                }
                tx.delete::<RestApi>(&parts)?;
                Ok::<_, Error>(tx.delete::<rows::Owner>(&rows::owner_key(&api.id))?)
            })
            .await?;
        Ok(DeleteRestApiOutput {})
    }
}
