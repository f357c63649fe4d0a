//! `GetServiceLinkedRoleDeletionStatus`: whether a service-linked role is gone.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        DeletionTaskStatusType, Error, GetServiceLinkedRoleDeletionStatus,
        GetServiceLinkedRoleDeletionStatusInput, GetServiceLinkedRoleDeletionStatusOutput,
    },
    entity::Entity,
    resource::entity_arn,
    rows::RoleRow,
    service_linked::{self, DeletionRow, deletion_key},
};

impl Operation<GetServiceLinkedRoleDeletionStatus> for Iam {
    fn access(
        &self,
        input: &GetServiceLinkedRoleDeletionStatusInput,
        caller: &Caller,
    ) -> Result<Access, Error> {
        let scope = self.scope(caller);
        let arn = service_linked::role_of_task(&scope, &input.deletion_task_id)
            .unwrap_or_else(|| entity_arn(&scope, RoleRow::NOUN, "/", "*"));
        Ok(Access::on("iam:GetServiceLinkedRoleDeletionStatus", arn))
    }

    async fn run(
        &self,
        call: Call<GetServiceLinkedRoleDeletionStatus>,
    ) -> Result<GetServiceLinkedRoleDeletionStatusOutput, Error> {
        let (task, scope) = (&call.input.deletion_task_id, call.scope());
        let latest = match service_linked::role_of_task(scope, task) {
            Some(role) => self.read(|tx| Ok(tx.get::<DeletionRow>(&deletion_key(scope, &role))?))?,
            None => None,
        };
        // DIVERGES: of the deletions of a role the latest is known.
        if latest.is_none_or(|latest| latest.task != *task) {
            let text = format!("Deletion task {task} cannot be found.");
            return Err(Error::no_such_entity_exception(text));
        }
        // The role was deleted together with the answer that named the task.
        Ok(GetServiceLinkedRoleDeletionStatusOutput {
            status: DeletionTaskStatusType::Succeeded,
            reason: None,
        })
    }
}
