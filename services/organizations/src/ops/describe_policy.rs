//! `DescribePolicy`: one policy with its document.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{DescribePolicy, DescribePolicyInput, DescribePolicyOutput, Error},
    policies, show,
};

impl Operation<DescribePolicy> for Organizations {
    fn access(&self, input: &DescribePolicyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:DescribePolicy", &[&input.policy_id], None, caller)
    }

    async fn run(&self, call: Call<DescribePolicy>) -> Result<DescribePolicyOutput, Error> {
        let policy = self.read(call.scope(), |tx, organization| {
            let found = policies::existing(tx, organization, &call.input.policy_id)?;
            Ok(show::policy(organization, &found))
        })?;
        Ok(DescribePolicyOutput { policy: Some(policy) })
    }
}
