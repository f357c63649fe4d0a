//! `DeleteUserPoolClient`: removes a client. Its refresh tokens die with it.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{DeleteUserPoolClient, DeleteUserPoolClientInput, DeleteUserPoolClientOutput, Error},
    client::Client,
    pool::{Place, Trouble},
};

impl Operation<DeleteUserPoolClient> for CognitoIdp {
    fn access(&self, input: &DeleteUserPoolClientInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:DeleteUserPoolClient", &input.user_pool_id))
    }

    async fn run(&self, call: Call<DeleteUserPoolClient>) -> Result<DeleteUserPoolClientOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        let id = call.input.client_id.expose().clone();
        self.env
            .store
            .write(move |tx| {
                place.pool(tx)?;
                Client::of_pool(tx, &place, &id)?;
                Client::delete(tx, &place, &id)?;
                Ok::<_, Trouble>(())
            })
            .await?;
        Ok(DeleteUserPoolClientOutput {})
    }
}
