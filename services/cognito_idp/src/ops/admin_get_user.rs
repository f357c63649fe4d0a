//! `AdminGetUser`: a user, whole.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::Secret;

use crate::{
    CognitoIdp,
    api::{AdminGetUser, AdminGetUserInput, AdminGetUserOutput, Error},
    pool::Place,
    user, view,
};

impl Operation<AdminGetUser> for CognitoIdp {
    fn access(&self, input: &AdminGetUserInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:AdminGetUser", &input.user_pool_id))
    }

    async fn run(&self, call: Call<AdminGetUser>) -> Result<AdminGetUserOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        let user = self.env.store.read(|tx| {
            let pool = place.pool(tx)?;
            user::must_find(tx, &place, &pool.naming, call.input.username.expose())
        })?;
        Ok(AdminGetUserOutput {
            user_attributes: Some(view::attributes(&user.attributes)),
            username: Secret::new(user.username),
            user_create_date: Some(user.created_at),
            user_last_modified_date: Some(user.modified_at),
            enabled: Some(user.enabled),
            user_status: view::status(user.status),
            mfa_options: None,
            preferred_mfa_setting: None,
            user_mfa_setting_list: None,
        })
    }
}
