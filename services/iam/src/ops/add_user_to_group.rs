//! `AddUserToGroup`: adds a user to a group; its policies bind the user from the next request on.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{AddUserToGroup, AddUserToGroupInput, AddUserToGroupOutput, Error},
    membership,
    rows::GroupRow,
};

impl Operation<AddUserToGroup> for Iam {
    // AWS: the resource is the group alone (service authorization reference).
    fn access(&self, input: &AddUserToGroupInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<GroupRow>("iam:AddUserToGroup", &input.group_name, caller)
    }

    async fn run(&self, call: Call<AddUserToGroup>) -> Result<AddUserToGroupOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| membership::add(tx, &scope, &input.group_name, &input.user_name)).await?;
        Ok(AddUserToGroupOutput {})
    }
}
