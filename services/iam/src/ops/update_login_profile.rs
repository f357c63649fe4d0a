//! `UpdateLoginProfile`: sets another password for a user, or whether it must be changed.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, UpdateLoginProfile, UpdateLoginProfileInput, UpdateLoginProfileOutput},
    entity::Entity,
    login_profiles::{self, LoginProfileRow, login_profile_key},
    rows::UserRow,
    to_the_second,
};

impl Operation<UpdateLoginProfile> for Iam {
    fn access(&self, input: &UpdateLoginProfileInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<UserRow>("iam:UpdateLoginProfile", &input.user_name, caller)
    }

    async fn run(&self, call: Call<UpdateLoginProfile>) -> Result<UpdateLoginProfileOutput, Error> {
        let (scope, now) = (call.scope().clone(), to_the_second(call.now()));
        let UpdateLoginProfileInput { user_name, password, password_reset_required } = call.input;
        let (policy, seen) = self.read(|tx| {
            let user = UserRow::fetch(tx, &scope, &user_name)?;
            Ok((login_profiles::policy(tx, &scope)?, LoginProfileRow::fetch(tx, &scope, &user)?))
        })?;
        let kept = match password {
            Some(password) => Some(self.derived(policy, password, Some(seen.clone())).await?),
            None => None,
        };
        self.change(move |tx| {
            let user = UserRow::fetch(tx, &scope, &user_name)?;
            let mut row = LoginProfileRow::fetch_unchanged(tx, &scope, &user, &seen)?;
            if let Some(kept) = &kept {
                row.replace(kept.clone(), now);
            }
            row.reset_required = password_reset_required.unwrap_or(row.reset_required);
            tx.put(&login_profile_key(&scope, &user), &row)?;
            Ok(())
        })
        .await?;
        Ok(UpdateLoginProfileOutput {})
    }
}
