//! `AdminDisableUser`: the user cannot sign in any more, and her tokens stop counting.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{AdminDisableUser, AdminDisableUserInput, AdminDisableUserOutput, Error},
    pool::Place,
};

impl Operation<AdminDisableUser> for CognitoIdp {
    fn access(&self, input: &AdminDisableUserInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:AdminDisableUser", &input.user_pool_id))
    }

    async fn run(&self, call: Call<AdminDisableUser>) -> Result<AdminDisableUserOutput, Error> {
        let (place, now) = (Place::new(call.scope(), &call.input.user_pool_id), call.now());
        let name = call.input.username.expose().clone();
        self.change_user(place, name, move |user| {
            user.enabled = false;
            user.generation += 1;
            user.modified_at = now;
            Ok(())
        })
        .await?;
        Ok(AdminDisableUserOutput {})
    }
}
