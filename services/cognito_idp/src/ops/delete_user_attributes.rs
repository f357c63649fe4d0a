//! `DeleteUserAttributes`: a signed-in user takes back what her client may write.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{DeleteUserAttributes, DeleteUserAttributesInput, DeleteUserAttributesOutput, Error},
    attributes::Occasion,
    client::Client,
    password_flow::change_attribute,
    pool::Trouble,
    user::{self, OnConflict},
};

impl Operation<DeleteUserAttributes> for CognitoIdp {
    fn access(&self, input: &DeleteUserAttributesInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Self::by_token(&input.access_token))
    }

    async fn run(&self, call: Call<DeleteUserAttributes>) -> Result<DeleteUserAttributesOutput, Error> {
        let (holder, now) = (Self::bearer(call.caller())?, call.now());
        let place = self.place_of(&holder);
        let names = call.input.user_attribute_names;
        self.env
            .store
            .write(move |tx| {
                let pool = place.pool(tx)?;
                let client = Client::of_pool(tx, &place, &holder.client)?;
                let before = holder.user(tx, &place, &pool)?;
                // Taking away is writing nothing.
                let written = names.iter().map(|name| (name.as_str(), ""));
                pool.schema.check_write(client.writer(), Occasion::Update, written)?;
                let mut after = before.clone();
                for name in &names {
                    change_attribute(&mut after, name, "");
                }
                pool.schema.check_complete(&after.attributes)?;
                after.modified_at = now;
                user::update(tx, &place, &pool, Some(&before), &after, OnConflict::Refuse)
            })
            .await
            .map_err(|trouble: Trouble| Error::from(trouble))?;
        Ok(DeleteUserAttributesOutput {})
    }
}
