//! `UpdateRoleDescription`: changes a role's description; kept by AWS for programs older than `UpdateRole`.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, UpdateRoleDescription, UpdateRoleDescriptionInput, UpdateRoleDescriptionOutput},
    entity::Entity,
    rows::RoleRow,
    show::{self, Detail},
};

impl Operation<UpdateRoleDescription> for Iam {
    fn access(&self, input: &UpdateRoleDescriptionInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<RoleRow>("iam:UpdateRoleDescription", &input.role_name, caller)
    }

    async fn run(&self, call: Call<UpdateRoleDescription>) -> Result<UpdateRoleDescriptionOutput, Error> {
        let scope = call.scope().clone();
        let (input, env) = (call.input, self.env.clone());
        let role = self
            .change(move |tx| {
                let mut role = RoleRow::fetch(tx, &scope, &input.role_name)?;
                role.description = Some(input.description.clone());
                role.save(tx, &scope)?;
                show::role(tx, &env, &role, &scope, Detail::Full)
            })
            .await?;
        Ok(UpdateRoleDescriptionOutput { role: Some(role) })
    }
}
