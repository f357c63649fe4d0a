//! `DeleteLoginProfile`: takes a user's password away. Its access keys stay.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::create_login_profile::login_name;
use crate::{
    Iam,
    access_keys::Owner,
    api::{DeleteLoginProfile, DeleteLoginProfileInput, DeleteLoginProfileOutput, Error},
    entity::Entity,
    login_profiles::{LoginProfileRow, login_profile_key},
    rows::UserRow,
};

impl Operation<DeleteLoginProfile> for Iam {
    fn access(&self, input: &DeleteLoginProfileInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_owner("iam:DeleteLoginProfile", input.user_name.as_deref(), caller)
    }

    async fn run(&self, call: Call<DeleteLoginProfile>) -> Result<DeleteLoginProfileOutput, Error> {
        let name = login_name(Owner::of_call(call.input.user_name.as_deref(), &call)?)?;
        let scope = call.scope().clone();
        self.change(move |tx| {
            let user = UserRow::fetch(tx, &scope, &name)?;
            LoginProfileRow::fetch(tx, &scope, &user)?;
            tx.delete::<LoginProfileRow>(&login_profile_key(&scope, &user))?;
            Ok(())
        })
        .await?;
        Ok(DeleteLoginProfileOutput {})
    }
}
