//! `UpdateAccessKey`: switches a key on or off.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::{Owner, set_active},
    api::{Error, UpdateAccessKey, UpdateAccessKeyInput, UpdateAccessKeyOutput},
    deposits::is_active,
};

impl Operation<UpdateAccessKey> for Iam {
    fn access(&self, input: &UpdateAccessKeyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_owner("iam:UpdateAccessKey", input.user_name.as_deref(), caller)
    }

    async fn run(&self, call: Call<UpdateAccessKey>) -> Result<UpdateAccessKeyOutput, Error> {
        let owner = Owner::of_call(call.input.user_name.as_deref(), &call)?;
        let active = is_active(call.input.status)?;
        let scope = call.scope().clone();
        let id = call.input.access_key_id;
        self.change(move |tx| set_active(tx, &scope, &owner, &id, active)).await?;
        Ok(UpdateAccessKeyOutput {})
    }
}
