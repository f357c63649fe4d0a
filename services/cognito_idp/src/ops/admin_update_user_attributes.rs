//! `AdminUpdateUserAttributes`: changes a user's attributes, the verification flags included.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{
        AdminUpdateUserAttributes, AdminUpdateUserAttributesInput, AdminUpdateUserAttributesOutput, Error,
    },
    attributes::{Occasion, VERIFICATION_FLAGS, Writer},
    password_flow::change_attribute,
    pool::{Place, Trouble},
    user::{self, OnConflict},
};

impl Operation<AdminUpdateUserAttributes> for CognitoIdp {
    fn access(&self, input: &AdminUpdateUserAttributesInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:AdminUpdateUserAttributes", &input.user_pool_id))
    }

    async fn run(
        &self,
        call: Call<AdminUpdateUserAttributes>,
    ) -> Result<AdminUpdateUserAttributesOutput, Error> {
        let (place, now) = (Place::new(call.scope(), &call.input.user_pool_id), call.now());
        let name = call.input.username.expose().clone();
        let written: Vec<(String, String)> = call
            .input
            .user_attributes
            .into_iter()
            .map(|a| (a.name, a.value.map(|v| v.expose().clone()).unwrap_or_default()))
            .collect();
        self.env
            .store
            .write(move |tx| {
                let pool = place.pool(tx)?;
                let before = user::must_find(tx, &place, &pool.naming, &name)?;
                let pairs = || written.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                pool.schema.check_write(Writer::Administrator, Occasion::Update, pairs())?;
                let mut after = before.clone();
                // Flags last: an address and its flag may come in one request, in any order.
                let is_flag = |name: &str| VERIFICATION_FLAGS.contains(&name);
                for (name, value) in pairs().filter(|(name, _)| !is_flag(name)) {
                    change_attribute(&mut after, name, value);
                }
                for (name, value) in pairs().filter(|(name, _)| is_flag(name)) {
                    after.attributes.set(name, value);
                }
                after.modified_at = now;
                user::update(tx, &place, &pool, Some(&before), &after, OnConflict::Refuse)
            })
            .await
            .map_err(|trouble: Trouble| Error::from(trouble))?;
        Ok(AdminUpdateUserAttributesOutput {})
    }
}
