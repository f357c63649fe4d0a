//! `GetRestApis`: lists the APIs of the account.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetRestApis, GetRestApisInput, GetRestApisOutput},
    definition::RestApi,
    page, view,
};

impl Operation<GetRestApis> for ApiGateway {
    fn access(&self, _input: &GetRestApisInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on("apigateway:GET", caller, "/restapis"))
    }

    async fn run(&self, call: Call<GetRestApis>) -> Result<GetRestApisOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let all: Vec<(casemate_store::Key, RestApi)> =
            self.env.store.read(|tx| tx.scan(&casemate_store::Key::of(scope), None, APIS_READ_MAX))?;
        let all = all.into_iter().map(|(_, api)| (api.id.clone(), api));
        let (items, position) = page::page(all, input.limit, input.position.as_deref())?;
        let items = items.iter().map(view::rest_api).collect();
        Ok(GetRestApisOutput { position, items: Some(items) })
    }
}

/// AWS: regional APIs of an account (quota), which bounds the listing.
const APIS_READ_MAX: usize = 600;
