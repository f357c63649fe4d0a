//! `TagUser`: adds or replaces tags of a user.

use crate::{
    Iam,
    api::{Error, TagUser, TagUserInput, TagUserOutput},
    holder,
    rows::UserRow,
    tags,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<TagUser> for Iam {
    fn access(&self, input: &TagUserInput, caller: &Caller) -> Result<Access, Error> {
        Ok(tags::asked_with(
            self.ask_on::<UserRow>("iam:TagUser", &input.user_name, caller)?,
            Some(&input.tags),
        ))
    }

    async fn run(&self, call: Call<TagUser>) -> Result<TagUserOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        let given = tags::pairs(&input.tags);
        self.change(move |tx| holder::tag::<UserRow>(tx, &scope, &input.user_name, &given)).await?;
        Ok(TagUserOutput {})
    }
}
