//! `ChangePassword`: a user sets its own password, knowing the present one.

use casemate_kernel::{Access, Call, Caller, Fault, Operation};

use crate::{
    Iam,
    api::{ChangePassword, ChangePasswordInput, ChangePasswordOutput, Error},
    entity::Entity,
    login_profiles::{self, LoginProfileRow, heavy, login_profile_key},
    rows::UserRow,
    to_the_second,
};

impl Operation<ChangePassword> for Iam {
    // DIVERGES: the account's `AllowUsersToChangePassword` grants nothing by itself; a policy must.
    fn access(&self, _input: &ChangePasswordInput, caller: &Caller) -> Result<Access, Error> {
        let name = if let Caller::User { name, .. } = caller { name.as_str() } else { "*" };
        self.ask_on::<UserRow>("iam:ChangePassword", name, caller)
    }

    async fn run(&self, call: Call<ChangePassword>) -> Result<ChangePasswordOutput, Error> {
        let Caller::User { name, .. } = call.caller() else {
            // AWS: text of InvalidUserType.
            return Err(Error::invalid_user_type_exception("Only IAM Users can change their own password."));
        };
        let (name, scope, now) = (name.clone(), call.scope().clone(), to_the_second(call.now()));
        let ChangePasswordInput { old_password, new_password } = call.input;
        let (policy, seen) = self.read(|tx| {
            let user = UserRow::fetch(tx, &scope, &name)?;
            Ok((login_profiles::policy(tx, &scope)?, LoginProfileRow::fetch(tx, &scope, &user)?))
        })?;
        let known = seen.clone();
        let right = heavy(&self.env, move || known.is(&old_password)).await?;
        if !right {
            // AWS: code and text for a wrong old password.
            return Err(Fault::coded("AccessDenied", 403, "The old password was incorrect.").into());
        }
        let kept = self.derived(policy, new_password, Some(seen.clone())).await?;
        self.change(move |tx| {
            let user = UserRow::fetch(tx, &scope, &name)?;
            let mut row = LoginProfileRow::fetch_unchanged(tx, &scope, &user, &seen)?;
            row.replace(kept.clone(), now);
            row.reset_required = false;
            tx.put(&login_profile_key(&scope, &user), &row)?;
            Ok(())
        })
        .await?;
        Ok(ChangePasswordOutput {})
    }
}
