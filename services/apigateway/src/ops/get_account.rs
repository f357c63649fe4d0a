//! `GetAccount`: shows the account's settings.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Error, GetAccount, GetAccountInput, GetAccountOutput},
    rows, view,
};

impl Operation<GetAccount> for ApiGateway {
    fn access(&self, _input: &GetAccountInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on("apigateway:GET", caller, "/account"))
    }

    async fn run(&self, call: Call<GetAccount>) -> Result<GetAccountOutput, Error> {
        let key = rows::account_key(call.scope());
        let settings = self.env.store.read(|tx| tx.get::<rows::Account>(&key))?;
        Ok(view::account(&settings.unwrap_or_default()))
    }
}
