//! `GetAccount`: shows the account's settings.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    ApiGateway,
    api::{Account, Error, GetAccount, GetAccountInput, GetAccountOutput, ThrottleSettings},
};

impl Operation<GetAccount> for ApiGateway {
    fn access(&self, _input: &GetAccountInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on("apigateway:GET", caller, "/account"))
    }

    async fn run(&self, call: Call<GetAccount>) -> Result<GetAccountOutput, Error> {
        drop(call);
        // DIVERGES: the account-wide limits are shown but not enforced; there is no throttling yet.
        let throttle_settings = ThrottleSettings { burst_limit: Some(5_000), rate_limit: Some(10_000.0) };
        Ok(Account {
            cloudwatch_role_arn: None,
            throttle_settings: Some(throttle_settings),
            features: Some(Vec::new()),
            api_key_version: Some("4".to_owned()),
        })
    }
}
