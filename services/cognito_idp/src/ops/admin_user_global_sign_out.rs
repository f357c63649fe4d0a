//! `AdminUserGlobalSignOut`: all of a user's tokens stop counting.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{AdminUserGlobalSignOut, AdminUserGlobalSignOutInput, AdminUserGlobalSignOutOutput, Error},
    pool::Place,
};

impl Operation<AdminUserGlobalSignOut> for CognitoIdp {
    fn access(&self, input: &AdminUserGlobalSignOutInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:AdminUserGlobalSignOut", &input.user_pool_id))
    }

    async fn run(&self, call: Call<AdminUserGlobalSignOut>) -> Result<AdminUserGlobalSignOutOutput, Error> {
        let (place, now) = (Place::new(call.scope(), &call.input.user_pool_id), call.now());
        let name = call.input.username.expose().clone();
        self.change_user(place, name, move |user| {
            user.generation += 1;
            user.modified_at = now;
            Ok(())
        })
        .await?;
        Ok(AdminUserGlobalSignOutOutput {})
    }
}
