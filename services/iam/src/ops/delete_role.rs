//! `DeleteRole`: removes a role that holds nothing any more. Its sessions end with it.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{DeleteRole, DeleteRoleInput, DeleteRoleOutput, Error},
    entity::Entity,
    holder, profiles,
    rows::{RoleRow, name_key},
};

impl Operation<DeleteRole> for Iam {
    fn access(&self, input: &DeleteRoleInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<RoleRow>("iam:DeleteRole", &input.role_name, caller)
    }

    async fn run(&self, call: Call<DeleteRole>) -> Result<DeleteRoleOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            let role = RoleRow::fetch_to_change(tx, &scope, &input.role_name)?;
            role.holder.check_deletable()?;
            if !profiles::of_role(tx, &scope, &role)?.is_empty() {
                // AWS: text of DeleteConflict.
                let text = "Cannot delete entity, must remove roles from instance profile first.";
                return Err(Error::delete_conflict_exception(text));
            }
            holder::release_boundary(tx, &scope, &role)?;
            tx.delete::<RoleRow>(&name_key(&scope, &role.name))?;
            Ok(())
        })
        .await?;
        Ok(DeleteRoleOutput {})
    }
}
