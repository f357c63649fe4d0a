//! `PutUserPermissionsBoundary`: sets the permissions boundary of a user.

use crate::{
    Iam,
    api::{
        Error, PutUserPermissionsBoundary, PutUserPermissionsBoundaryInput, PutUserPermissionsBoundaryOutput,
    },
    entity::Entity,
    holder, resource,
    rows::UserRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<PutUserPermissionsBoundary> for Iam {
    fn access(&self, input: &PutUserPermissionsBoundaryInput, caller: &Caller) -> Result<Access, Error> {
        // AWS: here `iam:PermissionsBoundary` is the boundary that is asked for, not the one in force.
        let scope = self.scope(caller);
        let found = self.read(|tx| Ok(UserRow::find(tx, &scope, &input.user_name)?))?;
        let arn = found.map_or_else(
            || resource::entity_arn(&scope, UserRow::NOUN, "/", &input.user_name),
            |user| user.arn(&scope),
        );
        Ok(Access::on("iam:PutUserPermissionsBoundary", arn)
            .with("iam:PermissionsBoundary", input.permissions_boundary.clone()))
    }

    async fn run(
        &self,
        call: Call<PutUserPermissionsBoundary>,
    ) -> Result<PutUserPermissionsBoundaryOutput, Error> {
        let env = self.env.clone();
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            holder::set_boundary::<UserRow>(tx, &env, &scope, &input.user_name, &input.permissions_boundary)
        })
        .await?;
        Ok(PutUserPermissionsBoundaryOutput {})
    }
}
