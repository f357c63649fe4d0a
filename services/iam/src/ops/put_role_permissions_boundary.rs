//! `PutRolePermissionsBoundary`: sets the permissions boundary of a role.

use crate::{
    Iam,
    api::{
        Error, PutRolePermissionsBoundary, PutRolePermissionsBoundaryInput, PutRolePermissionsBoundaryOutput,
    },
    entity::Entity,
    holder, resource,
    rows::RoleRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<PutRolePermissionsBoundary> for Iam {
    fn access(&self, input: &PutRolePermissionsBoundaryInput, caller: &Caller) -> Result<Access, Error> {
        // AWS: here `iam:PermissionsBoundary` is the boundary that is asked for, not the one in force.
        let scope = self.scope(caller);
        let found = self.read(|tx| Ok(RoleRow::find(tx, &scope, &input.role_name)?))?;
        let arn = found.map_or_else(
            || resource::entity_arn(&scope, RoleRow::NOUN, "/", &input.role_name),
            |role| role.arn(&scope),
        );
        Ok(Access::on("iam:PutRolePermissionsBoundary", arn)
            .with("iam:PermissionsBoundary", input.permissions_boundary.clone()))
    }

    async fn run(
        &self,
        call: Call<PutRolePermissionsBoundary>,
    ) -> Result<PutRolePermissionsBoundaryOutput, Error> {
        let env = self.env.clone();
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            holder::set_boundary::<RoleRow>(tx, &env, &scope, &input.role_name, &input.permissions_boundary)
        })
        .await?;
        Ok(PutRolePermissionsBoundaryOutput {})
    }
}
