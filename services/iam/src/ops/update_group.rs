//! `UpdateGroup`: renames or moves a group. It stays the same group: its unique id, members and policies go with it.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, UpdateGroup, UpdateGroupInput, UpdateGroupOutput},
    entity::Entity,
    membership, rename,
    resource::entity_arn,
    rows::GroupRow,
};

impl Operation<UpdateGroup> for Iam {
    // AWS: IAM API reference, UpdateGroup: the right is needed on the group as it is and as it will be.
    fn access(&self, input: &UpdateGroupInput, caller: &Caller) -> Result<Access, Error> {
        let scope = self.scope(caller);
        let found = self.read(|tx| Ok(GroupRow::find(tx, &scope, &input.group_name)?))?;
        let (path, kept) = found
            .map_or_else(|| ("/".to_owned(), input.group_name.clone()), |group| (group.path, group.name));
        let path = input.new_path.as_deref().unwrap_or(&path);
        // Names are found in any case; what is not renamed keeps the stored spelling.
        let name = input.new_group_name.as_deref().unwrap_or(&kept);
        let target = entity_arn(&scope, GroupRow::NOUN, path, name);
        Ok(self
            .ask_on::<GroupRow>("iam:UpdateGroup", &input.group_name, caller)?
            .and(Ask::on("iam:UpdateGroup", target)))
    }

    async fn run(&self, call: Call<UpdateGroup>) -> Result<UpdateGroupOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            // AWS: text of EntityAlreadyExists.
            let taken = |name: &str| format!("Group with name {name} already exists.");
            let (name, path) = (input.new_group_name.as_deref(), input.new_path.as_deref());
            let (before, group) =
                rename::rename::<GroupRow>(tx, &scope, &input.group_name, name, path, taken)?;
            membership::group_renamed(tx, &scope, &before.name, &group)
        })
        .await?;
        Ok(UpdateGroupOutput {})
    }
}
