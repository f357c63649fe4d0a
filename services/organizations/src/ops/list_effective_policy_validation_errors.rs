//! `ListEffectivePolicyValidationErrors`: what is wrong with an account's policies of a managing type.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{
        Error, ListEffectivePolicyValidationErrors, ListEffectivePolicyValidationErrorsInput,
        ListEffectivePolicyValidationErrorsOutput,
    },
    refusal,
};

impl Operation<ListEffectivePolicyValidationErrors> for Organizations {
    fn access(
        &self,
        input: &ListEffectivePolicyValidationErrorsInput,
        caller: &Caller,
    ) -> Result<Access, Error> {
        let action = "organizations:ListEffectivePolicyValidationErrors";
        let access = self.ask(action, &[&input.account_id], None, caller)?;
        Ok(access.with("organizations:PolicyType", input.policy_type.as_str()))
    }

    // AWS: API reference, EffectivePolicyNotFoundException, as of DescribeEffectivePolicy: no account has such a policy here.
    async fn run(
        &self,
        call: Call<ListEffectivePolicyValidationErrors>,
    ) -> Result<ListEffectivePolicyValidationErrorsOutput, Error> {
        self.read(call.scope(), |_, organization| {
            if !organization.accounts.contains_key(&call.input.account_id) {
                return Err(refusal::no_account());
            }
            Err(refusal::no_effective_policy(call.input.policy_type.as_str()))
        })
    }
}
