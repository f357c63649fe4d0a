//! `UntagUser`: removes tags of a user.

use crate::{
    Iam,
    api::{Error, UntagUser, UntagUserInput, UntagUserOutput},
    holder,
    rows::UserRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<UntagUser> for Iam {
    fn access(&self, input: &UntagUserInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self
            .ask_on::<UserRow>("iam:UntagUser", &input.user_name, caller)?
            .with("aws:TagKeys", input.tag_keys.clone()))
    }

    async fn run(&self, call: Call<UntagUser>) -> Result<UntagUserOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| holder::untag::<UserRow>(tx, &scope, &input.user_name, &input.tag_keys))
            .await?;
        Ok(UntagUserOutput {})
    }
}
