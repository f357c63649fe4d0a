//! `DeleteUser`: removes a user that holds nothing any more.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{DeleteUser, DeleteUserInput, DeleteUserOutput, Error},
    deposits,
    entity::Entity,
    holder,
    login_profiles::{LoginProfileRow, login_profile_key},
    membership, mfa,
    rows::{UserRow, name_key},
};

impl Operation<DeleteUser> for Iam {
    fn access(&self, input: &DeleteUserInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<UserRow>("iam:DeleteUser", &input.user_name, caller)
    }

    async fn run(&self, call: Call<DeleteUser>) -> Result<DeleteUserOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            let user = UserRow::fetch(tx, &scope, &input.user_name)?;
            user.holder.check_deletable()?;
            if !user.access_keys.is_empty() {
                // AWS: text of DeleteConflict.
                let text = "Cannot delete entity, must delete access keys first.";
                return Err(Error::delete_conflict_exception(text));
            }
            if tx.exists::<LoginProfileRow>(&login_profile_key(&scope, &user))? {
                // AWS: text of DeleteConflict, as seen in cloud-custodian/cloud-custodian#1663.
                let text = "Cannot delete entity, must delete login profile first.";
                return Err(Error::delete_conflict_exception(text));
            }
            if !membership::groups_of(tx, &scope, &user)?.is_empty() {
                // AWS: text of DeleteConflict, the same for users and groups, as seen in hashicorp/terraform#3774.
                let text = "Cannot delete entity, must remove users from group first.";
                return Err(Error::delete_conflict_exception(text));
            }
            mfa::check_none(tx, &scope, &user)?;
            deposits::check_none(tx, &scope, &user)?;
            holder::release_boundary(tx, &scope, &user)?;
            tx.delete::<UserRow>(&name_key(&scope, &user.name))?;
            Ok(())
        })
        .await?;
        Ok(DeleteUserOutput {})
    }
}
