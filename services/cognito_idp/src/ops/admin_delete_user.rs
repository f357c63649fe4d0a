//! `AdminDeleteUser`: removes a user and everything of hers.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{AdminDeleteUser, AdminDeleteUserInput, AdminDeleteUserOutput, Error},
    pool::{Place, Trouble},
    user,
};

impl Operation<AdminDeleteUser> for CognitoIdp {
    fn access(&self, input: &AdminDeleteUserInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:AdminDeleteUser", &input.user_pool_id))
    }

    async fn run(&self, call: Call<AdminDeleteUser>) -> Result<AdminDeleteUserOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        let name = call.input.username.expose().clone();
        self.env
            .store
            .write(move |tx| {
                let pool = place.pool(tx)?;
                let user = user::must_find(tx, &place, &pool.naming, &name)?;
                user::delete(tx, &place, &pool, &user)?;
                Ok::<_, Trouble>(())
            })
            .await?;
        Ok(AdminDeleteUserOutput {})
    }
}
