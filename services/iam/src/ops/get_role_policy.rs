//! `GetRolePolicy`: shows an inline policy of a role.

use crate::{
    Iam,
    api::{Error, GetRolePolicy, GetRolePolicyInput, GetRolePolicyOutput},
    holder,
    rows::RoleRow,
};
use casemate_kernel::{Access, Call, Caller, Operation};

impl Operation<GetRolePolicy> for Iam {
    fn access(&self, input: &GetRolePolicyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<RoleRow>("iam:GetRolePolicy", &input.role_name, caller)
    }

    async fn run(&self, call: Call<GetRolePolicy>) -> Result<GetRolePolicyOutput, Error> {
        let input = &call.input;
        let found = self
            .read(|tx| holder::inline::<RoleRow>(tx, call.scope(), &input.role_name, &input.policy_name))?;
        let (role_name, policy_document) = found;
        Ok(GetRolePolicyOutput { role_name, policy_name: input.policy_name.clone(), policy_document })
    }
}
