//! `CreateGroup`: makes a group with nobody in it and nothing attached.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use crate::{
    Iam,
    api::{CreateGroup, CreateGroupInput, CreateGroupOutput, Error},
    entity::Entity,
    holder::Holder,
    resource::entity_arn,
    rows::GroupRow,
    show, to_the_second,
};

/// Groups per account.
// AWS: IAM quotas, "Groups in an account" (default).
pub(crate) const GROUPS_MAX: usize = 300;

impl Operation<CreateGroup> for Iam {
    fn access(&self, input: &CreateGroupInput, caller: &Caller) -> Result<Access, Error> {
        let path = input.path.as_deref().unwrap_or("/");
        let arn = entity_arn(&self.scope(caller), GroupRow::NOUN, path, &input.group_name);
        Ok(Access::on("iam:CreateGroup", arn))
    }

    async fn run(&self, call: Call<CreateGroup>) -> Result<CreateGroupOutput, Error> {
        let scope = call.scope().clone();
        let group = GroupRow {
            path: call.input.path.clone().unwrap_or_else(|| "/".to_owned()),
            unique_id: self.unique_id("AGPA"),
            created_at: to_the_second(call.now()),
            holder: Holder::default(),
            name: call.input.group_name,
        };
        let shown = show::group(&group, &scope);
        self.change(move |tx| {
            if GroupRow::find(tx, &scope, &group.name)?.is_some() {
                // AWS: text of EntityAlreadyExists.
                let text = format!("Group with name {} already exists.", group.name);
                return Err(Error::entity_already_exists_exception(text));
            }
            if tx.keys::<GroupRow>(&Key::of_account(&scope), None, GROUPS_MAX)?.len() >= GROUPS_MAX {
                let text = format!("Cannot exceed quota for GroupsPerAccount: {GROUPS_MAX}");
                return Err(Error::limit_exceeded_exception(text));
            }
            group.save(tx, &scope)?;
            Ok(())
        })
        .await?;
        Ok(CreateGroupOutput { group: shown })
    }
}
