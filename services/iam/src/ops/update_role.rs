//! `UpdateRole`: changes a role's description and longest session.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, UpdateRole, UpdateRoleInput, UpdateRoleOutput},
    entity::Entity,
    rows::RoleRow,
};

impl Operation<UpdateRole> for Iam {
    fn access(&self, input: &UpdateRoleInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<RoleRow>("iam:UpdateRole", &input.role_name, caller)
    }

    async fn run(&self, call: Call<UpdateRole>) -> Result<UpdateRoleOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            let mut role = RoleRow::fetch(tx, &scope, &input.role_name)?;
            if let Some(description) = &input.description {
                role.description = Some(description.clone());
            }
            if let Some(seconds) = input.max_session_duration {
                // AWS: IAM User Guide, "Editing a service-linked role description": only that can be changed.
                role.check_changeable()?;
                role.session_s_max = i64::from(seconds);
            }
            role.save(tx, &scope)?;
            Ok(())
        })
        .await?;
        Ok(UpdateRoleOutput {})
    }
}
