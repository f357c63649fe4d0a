//! `DeleteServiceLinkedRole`: removes a service-linked role. Its sessions end with it.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{DeleteServiceLinkedRole, DeleteServiceLinkedRoleInput, DeleteServiceLinkedRoleOutput, Error},
    entity::Entity,
    rows::{RoleRow, Usage, UseRow, name_key, use_key},
    service_linked::{self, DeletionRow, deletion_key},
};

impl Operation<DeleteServiceLinkedRole> for Iam {
    fn access(&self, input: &DeleteServiceLinkedRoleInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<RoleRow>("iam:DeleteServiceLinkedRole", &input.role_name, caller)
    }

    // DIVERGES: AWS asks the service whether it still needs the role and deletes later; here the role is gone at once, and
    // the task has ended when it is asked about.
    async fn run(&self, call: Call<DeleteServiceLinkedRole>) -> Result<DeleteServiceLinkedRoleOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        let id = self.env.request_id().as_str().to_owned();
        let deletion_task_id = self
            .change(move |tx| {
                let found = RoleRow::find(tx, &scope, &input.role_name)?;
                let role = found.filter(RoleRow::is_protected).ok_or_else(|| {
                    // AWS: text of NoSuchEntity.
                    Error::no_such_entity_exception(format!(
                        "The role with name {} cannot be found.",
                        input.role_name
                    ))
                })?;
                for arn in &role.holder.attached {
                    let key = use_key(&scope, arn, Usage::Permissions, Some((RoleRow::NOUN, &role.name)));
                    tx.delete::<UseRow>(&key)?;
                }
                tx.delete::<RoleRow>(&name_key(&scope, &role.name))?;
                let task = service_linked::task_id(&role.path, &role.name, &id);
                let key = deletion_key(&scope, &role.arn(&scope));
                tx.put(&key, &DeletionRow { task: task.clone() })?;
                Ok(task)
            })
            .await?;
        Ok(DeleteServiceLinkedRoleOutput { deletion_task_id })
    }
}
