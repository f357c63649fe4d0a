//! `DescribeUserPoolClient`: a client, with its secret.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{DescribeUserPoolClient, DescribeUserPoolClientInput, DescribeUserPoolClientOutput, Error},
    client::Client,
    pool::Place,
    view,
};

impl Operation<DescribeUserPoolClient> for CognitoIdp {
    fn access(&self, input: &DescribeUserPoolClientInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:DescribeUserPoolClient", &input.user_pool_id))
    }

    async fn run(&self, call: Call<DescribeUserPoolClient>) -> Result<DescribeUserPoolClientOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        let client = self.env.store.read(|tx| {
            place.pool(tx)?;
            Client::of_pool(tx, &place, call.input.client_id.expose())
        })?;
        Ok(DescribeUserPoolClientOutput { user_pool_client: Some(view::client(&client)) })
    }
}
