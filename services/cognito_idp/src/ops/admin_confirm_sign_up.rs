//! `AdminConfirmSignUp`: opens an account without a code; her address stays unproved.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::confirm_sign_up::cannot_confirm;
use crate::{
    CognitoIdp,
    api::{AdminConfirmSignUp, AdminConfirmSignUpInput, AdminConfirmSignUpOutput, Error},
    pool::Place,
    user::Status,
};

impl Operation<AdminConfirmSignUp> for CognitoIdp {
    fn access(&self, input: &AdminConfirmSignUpInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:AdminConfirmSignUp", &input.user_pool_id))
    }

    async fn run(&self, call: Call<AdminConfirmSignUp>) -> Result<AdminConfirmSignUpOutput, Error> {
        let (place, now) = (Place::new(call.scope(), &call.input.user_pool_id), call.now());
        let name = call.input.username.expose().clone();
        self.change_user(place, name, move |user| {
            if user.status != Status::Unconfirmed {
                return Err(cannot_confirm(user.status));
            }
            user.status = Status::Confirmed;
            user.modified_at = now;
            Ok(())
        })
        .await?;
        Ok(AdminConfirmSignUpOutput {})
    }
}
