//! `AdminEnableUser`: a disabled user can sign in again.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{AdminEnableUser, AdminEnableUserInput, AdminEnableUserOutput, Error},
    pool::Place,
};

impl Operation<AdminEnableUser> for CognitoIdp {
    fn access(&self, input: &AdminEnableUserInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:AdminEnableUser", &input.user_pool_id))
    }

    async fn run(&self, call: Call<AdminEnableUser>) -> Result<AdminEnableUserOutput, Error> {
        let (place, now) = (Place::new(call.scope(), &call.input.user_pool_id), call.now());
        let name = call.input.username.expose().clone();
        self.change_user(place, name, move |user| {
            user.enabled = true;
            user.modified_at = now;
            Ok(())
        })
        .await?;
        Ok(AdminEnableUserOutput {})
    }
}
