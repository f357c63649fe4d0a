//! `DeleteAccessKey`: removes a key. What it signs from now on is refused.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::{Owner, delete},
    api::{DeleteAccessKey, DeleteAccessKeyInput, DeleteAccessKeyOutput, Error},
    rows::UserRow,
};

impl Operation<DeleteAccessKey> for Iam {
    fn access(&self, input: &DeleteAccessKeyInput, caller: &Caller) -> Result<Access, Error> {
        match Owner::meant(input.user_name.as_deref(), caller) {
            Ok(Owner::User(name)) => self.ask_on::<UserRow>("iam:DeleteAccessKey", &name, caller),
            Ok(Owner::Root) | Err(_) => self.ask_on::<UserRow>("iam:DeleteAccessKey", "*", caller),
        }
    }

    async fn run(&self, call: Call<DeleteAccessKey>) -> Result<DeleteAccessKeyOutput, Error> {
        let owner = Owner::of_call(call.input.user_name.as_deref(), &call)?;
        let scope = call.scope().clone();
        let id = call.input.access_key_id;
        self.change(move |tx| delete(tx, &scope, &owner, &id)).await?;
        Ok(DeleteAccessKeyOutput {})
    }
}
