//! `DescribeEffectivePolicy`: what an account's policies of a managing type come to.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{DescribeEffectivePolicy, DescribeEffectivePolicyInput, DescribeEffectivePolicyOutput, Error},
    refusal,
    rows::OrganizationRow,
};

impl Operation<DescribeEffectivePolicy> for Organizations {
    fn access(&self, input: &DescribeEffectivePolicyInput, caller: &Caller) -> Result<Access, Error> {
        let own = self.scope(caller).account;
        let target = input.target_id.as_deref().unwrap_or(own.as_str());
        let access = self.ask("organizations:DescribeEffectivePolicy", &[target], None, caller)?;
        Ok(access.with("organizations:PolicyType", input.policy_type.as_str()))
    }

    // AWS: API reference: not for authorization policies, which the model does not even list; of the types that it lists
    // there are none here, so no account has such a policy. The management account may ask of all, others of themselves.
    async fn run(&self, call: Call<DescribeEffectivePolicy>) -> Result<DescribeEffectivePolicyOutput, Error> {
        let own = &call.scope().account;
        let target = call.input.target_id.as_deref().unwrap_or(own.as_str());
        self.env.store.read(|tx| {
            let organization = OrganizationRow::of_account(tx, own)?.ok_or_else(refusal::not_in_use)?;
            if target != own.as_str() && organization.management != *own {
                return Err(refusal::not_management());
            }
            if !organization.accounts.contains_key(target) {
                return Err(refusal::no_target());
            }
            Err(refusal::no_effective_policy(call.input.policy_type.as_str()))
        })
    }
}
