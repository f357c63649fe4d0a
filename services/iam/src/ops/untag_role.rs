//! `UntagRole`: removes tags of a role.

use crate::{
    Iam,
    api::{Error, UntagRole, UntagRoleInput, UntagRoleOutput},
    holder,
    rows::RoleRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<UntagRole> for Iam {
    fn access(&self, input: &UntagRoleInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self
            .ask_on::<RoleRow>("iam:UntagRole", &input.role_name, caller)?
            .with("aws:TagKeys", input.tag_keys.clone()))
    }

    async fn run(&self, call: Call<UntagRole>) -> Result<UntagRoleOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| holder::untag::<RoleRow>(tx, &scope, &input.role_name, &input.tag_keys))
            .await?;
        Ok(UntagRoleOutput {})
    }
}
