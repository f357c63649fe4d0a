//! `DeleteRolePermissionsBoundary`: removes the permissions boundary of a role.

use crate::{
    Iam,
    api::{
        DeleteRolePermissionsBoundary, DeleteRolePermissionsBoundaryInput,
        DeleteRolePermissionsBoundaryOutput, Error,
    },
    holder,
    rows::RoleRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<DeleteRolePermissionsBoundary> for Iam {
    fn access(&self, input: &DeleteRolePermissionsBoundaryInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<RoleRow>("iam:DeleteRolePermissionsBoundary", &input.role_name, caller)
    }

    async fn run(
        &self,
        call: Call<DeleteRolePermissionsBoundary>,
    ) -> Result<DeleteRolePermissionsBoundaryOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| holder::delete_boundary::<RoleRow>(tx, &scope, &input.role_name)).await?;
        Ok(DeleteRolePermissionsBoundaryOutput {})
    }
}
