//! `DeleteAccessKey`: removes a key. What it signs from now on is refused.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::{Owner, delete},
    api::{DeleteAccessKey, DeleteAccessKeyInput, DeleteAccessKeyOutput, Error},
};

impl Operation<DeleteAccessKey> for Iam {
    fn access(&self, input: &DeleteAccessKeyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_owner("iam:DeleteAccessKey", input.user_name.as_deref(), caller)
    }

    async fn run(&self, call: Call<DeleteAccessKey>) -> Result<DeleteAccessKeyOutput, Error> {
        let owner = Owner::of_call(call.input.user_name.as_deref(), &call)?;
        let scope = call.scope().clone();
        let id = call.input.access_key_id;
        self.change(move |tx| delete(tx, &scope, &owner, &id)).await?;
        Ok(DeleteAccessKeyOutput {})
    }
}
