//! `DeleteUserPermissionsBoundary`: removes the permissions boundary of a user.

use crate::{
    Iam,
    api::{
        DeleteUserPermissionsBoundary, DeleteUserPermissionsBoundaryInput,
        DeleteUserPermissionsBoundaryOutput, Error,
    },
    holder,
    rows::UserRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<DeleteUserPermissionsBoundary> for Iam {
    fn access(&self, input: &DeleteUserPermissionsBoundaryInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<UserRow>("iam:DeleteUserPermissionsBoundary", &input.user_name, caller)
    }

    async fn run(
        &self,
        call: Call<DeleteUserPermissionsBoundary>,
    ) -> Result<DeleteUserPermissionsBoundaryOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| holder::delete_boundary::<UserRow>(tx, &scope, &input.user_name)).await?;
        Ok(DeleteUserPermissionsBoundaryOutput {})
    }
}
