//! `UpdateAssumeRolePolicy`: replaces a role's trust policy.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, UpdateAssumeRolePolicy, UpdateAssumeRolePolicyInput, UpdateAssumeRolePolicyOutput},
    documents,
    entity::Entity,
    rows::RoleRow,
    trust,
};

impl Operation<UpdateAssumeRolePolicy> for Iam {
    fn access(&self, input: &UpdateAssumeRolePolicyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<RoleRow>("iam:UpdateAssumeRolePolicy", &input.role_name, caller)
    }

    async fn run(&self, call: Call<UpdateAssumeRolePolicy>) -> Result<UpdateAssumeRolePolicyOutput, Error> {
        documents::check_trust(&call.input.policy_document)?;
        let scope = call.scope().clone();
        let (input, env) = (call.input, self.env.clone());
        self.change(move |tx| {
            let mut role = RoleRow::fetch_to_change(tx, &scope, &input.role_name)?;
            role.trust_ids = trust::resolve(tx, &env, &input.policy_document)?;
            role.trust.clone_from(&input.policy_document);
            role.save(tx, &scope)?;
            Ok(())
        })
        .await?;
        Ok(UpdateAssumeRolePolicyOutput {})
    }
}
