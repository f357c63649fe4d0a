//! `GetPolicy`: shows a managed policy, the account's own or one of AWS's.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, GetPolicy, GetPolicyInput, GetPolicyOutput},
    show::{AnyPolicy, Detail},
};

impl Operation<GetPolicy> for Iam {
    fn access(&self, input: &GetPolicyInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_policy("iam:GetPolicy", &input.policy_arn, caller))
    }

    async fn run(&self, call: Call<GetPolicy>) -> Result<GetPolicyOutput, Error> {
        let (scope, arn) = (call.scope(), &call.input.policy_arn);
        let policy = self.read(|tx| AnyPolicy::fetch(tx, scope, arn)?.shown(tx, scope, Detail::Full))?;
        Ok(GetPolicyOutput { policy: Some(policy) })
    }
}
