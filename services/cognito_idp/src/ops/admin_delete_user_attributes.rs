//! `AdminDeleteUserAttributes`: takes attributes from a user.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{
        AdminDeleteUserAttributes, AdminDeleteUserAttributesInput, AdminDeleteUserAttributesOutput, Error,
    },
    attributes::{Occasion, Writer},
    password_flow::change_attribute,
    pool::{Place, Trouble},
    user::{self, OnConflict},
};

impl Operation<AdminDeleteUserAttributes> for CognitoIdp {
    fn access(&self, input: &AdminDeleteUserAttributesInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:AdminDeleteUserAttributes", &input.user_pool_id))
    }

    async fn run(
        &self,
        call: Call<AdminDeleteUserAttributes>,
    ) -> Result<AdminDeleteUserAttributesOutput, Error> {
        let (place, now) = (Place::new(call.scope(), &call.input.user_pool_id), call.now());
        let name = call.input.username.expose().clone();
        let names = call.input.user_attribute_names;
        self.env
            .store
            .write(move |tx| {
                let pool = place.pool(tx)?;
                let before = user::must_find(tx, &place, &pool.naming, &name)?;
                let written = names.iter().map(|name| (name.as_str(), ""));
                pool.schema.check_write(Writer::Administrator, Occasion::Update, written)?;
                let mut after = before.clone();
                for name in &names {
                    change_attribute(&mut after, name, "");
                }
                after.modified_at = now;
                user::update(tx, &place, &pool, Some(&before), &after, OnConflict::Refuse)
            })
            .await
            .map_err(|trouble: Trouble| Error::from(trouble))?;
        Ok(AdminDeleteUserAttributesOutput {})
    }
}
