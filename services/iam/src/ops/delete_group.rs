//! `DeleteGroup`: removes a group that has nobody in it and holds nothing any more.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{DeleteGroup, DeleteGroupInput, DeleteGroupOutput, Error},
    entity::Entity,
    membership,
    rows::{GroupRow, name_key},
};

impl Operation<DeleteGroup> for Iam {
    fn access(&self, input: &DeleteGroupInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<GroupRow>("iam:DeleteGroup", &input.group_name, caller)
    }

    async fn run(&self, call: Call<DeleteGroup>) -> Result<DeleteGroupOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            let group = GroupRow::fetch(tx, &scope, &input.group_name)?;
            if !membership::is_empty(tx, &scope, &group)? {
                // AWS: text of DeleteConflict, as seen in hashicorp/terraform#29147.
                let text = "Cannot delete entity, must remove users from group first.";
                return Err(Error::delete_conflict_exception(text));
            }
            group.holder.check_deletable()?;
            tx.delete::<GroupRow>(&name_key(&scope, &group.name))?;
            Ok(())
        })
        .await?;
        Ok(DeleteGroupOutput {})
    }
}
