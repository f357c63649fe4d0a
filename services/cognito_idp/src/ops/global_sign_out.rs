//! `GlobalSignOut`: all of the user's tokens stop counting.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{Error, GlobalSignOut, GlobalSignOutInput, GlobalSignOutOutput},
    pool::Trouble,
    user,
};

impl Operation<GlobalSignOut> for CognitoIdp {
    fn access(&self, input: &GlobalSignOutInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Self::by_token(&input.access_token))
    }

    async fn run(&self, call: Call<GlobalSignOut>) -> Result<GlobalSignOutOutput, Error> {
        let holder = Self::bearer(call.caller())?;
        let place = self.place_of(&holder);
        self.env
            .store
            .write(move |tx| {
                let pool = place.pool(tx)?;
                let mut user = holder.user(tx, &place, &pool)?;
                user.generation += 1;
                tx.put(&user::key(&place, &pool.naming.canonical(&user.username)), &user)?;
                Ok::<_, Trouble>(())
            })
            .await?;
        Ok(GlobalSignOutOutput {})
    }
}
