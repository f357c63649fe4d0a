//! `ListAccountsWithInvalidEffectivePolicy`: accounts whose policies of a managing type come to nothing valid.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{
        Error, ListAccountsWithInvalidEffectivePolicy, ListAccountsWithInvalidEffectivePolicyInput,
        ListAccountsWithInvalidEffectivePolicyOutput,
    },
    refusal,
};

impl Operation<ListAccountsWithInvalidEffectivePolicy> for Organizations {
    fn access(
        &self,
        input: &ListAccountsWithInvalidEffectivePolicyInput,
        _caller: &Caller,
    ) -> Result<Access, Error> {
        let access = Access::on_any("organizations:ListAccountsWithInvalidEffectivePolicy");
        Ok(access.with("organizations:PolicyType", input.policy_type.as_str()))
    }

    // AWS: API reference, EffectivePolicyNotFoundException: to the management account, of a type that is not enabled. None of
    // the types that the model lists can be enabled here.
    async fn run(
        &self,
        call: Call<ListAccountsWithInvalidEffectivePolicy>,
    ) -> Result<ListAccountsWithInvalidEffectivePolicyOutput, Error> {
        self.read(call.scope(), |_, _| Err(refusal::no_effective_policy(call.input.policy_type.as_str())))
    }
}
