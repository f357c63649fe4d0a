//! `GetRestApi`: shows one API.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetRestApi, GetRestApiInput, GetRestApiOutput},
    view,
};

impl Operation<GetRestApi> for ApiGateway {
    fn access(&self, input: &GetRestApiInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on("apigateway:GET", caller, &format!("/restapis/{}", input.rest_api_id)))
    }

    async fn run(&self, call: Call<GetRestApi>) -> Result<GetRestApiOutput, Error> {
        Ok(view::rest_api(&self.rest_api(call.scope(), &call.input.rest_api_id)?))
    }
}
