//! `DeleteRole`: removes a role that holds nothing any more. Its sessions end with it.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{DeleteRole, DeleteRoleInput, DeleteRoleOutput, Error},
    entity::Entity,
    holder,
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
            let role = RoleRow::fetch(tx, &scope, &input.role_name)?;
            role.holder.check_deletable()?;
            holder::release_boundary(tx, &scope, &role)?;
            tx.delete::<RoleRow>(&name_key(&scope, &role.name))?;
            Ok(())
        })
        .await?;
        Ok(DeleteRoleOutput {})
    }
}
