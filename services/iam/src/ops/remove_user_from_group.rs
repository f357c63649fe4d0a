//! `RemoveUserFromGroup`: takes a user out of a group.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, RemoveUserFromGroup, RemoveUserFromGroupInput, RemoveUserFromGroupOutput},
    membership,
    rows::GroupRow,
};

impl Operation<RemoveUserFromGroup> for Iam {
    // AWS: the resource is the group alone (service authorization reference).
    fn access(&self, input: &RemoveUserFromGroupInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<GroupRow>("iam:RemoveUserFromGroup", &input.group_name, caller)
    }

    async fn run(&self, call: Call<RemoveUserFromGroup>) -> Result<RemoveUserFromGroupOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| membership::remove(tx, &scope, &input.group_name, &input.user_name)).await?;
        Ok(RemoveUserFromGroupOutput {})
    }
}
