//! `GetRole`: shows a role with its trust policy.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, GetRole, GetRoleInput, GetRoleOutput},
    entity::Entity,
    last_accessed,
    rows::RoleRow,
    show::{self, Detail},
};

impl Operation<GetRole> for Iam {
    fn access(&self, input: &GetRoleInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<RoleRow>("iam:GetRole", &input.role_name, caller)
    }

    async fn run(&self, call: Call<GetRole>) -> Result<GetRoleOutput, Error> {
        let scope = call.scope();
        let role = self.read(|tx| {
            let row = RoleRow::fetch(tx, scope, &call.input.role_name)?;
            let mut role = show::role(tx, &self.env, &row, scope, Detail::Full)?;
            role.role_last_used = Some(last_accessed::of_role(&self.env, scope, &row)?);
            Ok(role)
        })?;
        Ok(GetRoleOutput { role })
    }
}
