//! `DeleteUser`: a signed-in user removes herself.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{DeleteUser, DeleteUserInput, DeleteUserOutput, Error},
    pool::Trouble,
    user,
};

impl Operation<DeleteUser> for CognitoIdp {
    fn access(&self, input: &DeleteUserInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Self::by_token(&input.access_token))
    }

    async fn run(&self, call: Call<DeleteUser>) -> Result<DeleteUserOutput, Error> {
        let holder = Self::bearer(call.caller())?;
        let place = self.place_of(&holder);
        self.env
            .store
            .write(move |tx| {
                let pool = place.pool(tx)?;
                let user = holder.user(tx, &place, &pool)?;
                user::delete(tx, &place, &pool, &user)?;
                Ok::<_, Trouble>(())
            })
            .await?;
        Ok(DeleteUserOutput {})
    }
}
