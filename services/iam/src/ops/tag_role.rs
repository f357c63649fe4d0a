//! `TagRole`: adds or replaces tags of a role.

use crate::{
    Iam,
    api::{Error, TagRole, TagRoleInput, TagRoleOutput},
    holder,
    rows::RoleRow,
    tags,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<TagRole> for Iam {
    fn access(&self, input: &TagRoleInput, caller: &Caller) -> Result<Access, Error> {
        Ok(tags::asked_with(
            self.ask_on::<RoleRow>("iam:TagRole", &input.role_name, caller)?,
            Some(&input.tags),
        ))
    }

    async fn run(&self, call: Call<TagRole>) -> Result<TagRoleOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        let given = tags::pairs(&input.tags);
        self.change(move |tx| holder::tag::<RoleRow>(tx, &scope, &input.role_name, &given)).await?;
        Ok(TagRoleOutput {})
    }
}
