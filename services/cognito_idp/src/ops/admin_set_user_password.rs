//! `AdminSetUserPassword`: sets a user's password, for good or for her next sign-in only.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{AdminSetUserPassword, AdminSetUserPasswordInput, AdminSetUserPasswordOutput, Error},
    password_flow::put_credential,
    pool::{Place, Trouble},
    refusal::Refusal,
    user::{self, Status},
};

impl Operation<AdminSetUserPassword> for CognitoIdp {
    fn access(&self, input: &AdminSetUserPasswordInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:AdminSetUserPassword", &input.user_pool_id))
    }

    async fn run(&self, call: Call<AdminSetUserPassword>) -> Result<AdminSetUserPasswordOutput, Error> {
        let (place, now) = (Place::new(call.scope(), &call.input.user_pool_id), call.now());
        let input = call.input;
        let name = input.username.expose().clone();
        let (pool, user) = self.env.store.read(|tx| {
            let pool = place.pool(tx)?;
            let user = user::must_find(tx, &place, &pool.naming, &name)?;
            Ok::<_, Trouble>((pool, user))
        })?;
        pool.policy.check(input.password.expose())?;
        let credential = self.derive(&place, &user.username, input.password).await?;
        let permanent = input.permanent.unwrap_or(false);
        let until = now.plus_seconds(i64::from(pool.policy.temporary_validity_days) * 86_400);
        self.env
            .store
            .write(move |tx| {
                let canonical = pool.naming.canonical(&user.username);
                let current = user::get(tx, &place, &canonical)?.filter(|found| found.sub == user.sub);
                let mut current = current.ok_or_else(Refusal::no_such_user)?;
                current.status = if permanent { Status::Confirmed } else { Status::ForceChangePassword };
                current.temporary_until = (!permanent).then_some(until);
                current.modified_at = now;
                tx.put(&user::key(&place, &canonical), &current)?;
                put_credential(tx, &place, &canonical, &credential)
            })
            .await?;
        Ok(AdminSetUserPasswordOutput {})
    }
}
