//! `GetPolicyVersion`: shows one version with its document.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, GetPolicyVersion, GetPolicyVersionInput, GetPolicyVersionOutput},
    show::AnyPolicy,
};

impl Operation<GetPolicyVersion> for Iam {
    fn access(&self, input: &GetPolicyVersionInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_policy("iam:GetPolicyVersion", &input.policy_arn, caller))
    }

    async fn run(&self, call: Call<GetPolicyVersion>) -> Result<GetPolicyVersionOutput, Error> {
        let (scope, arn) = (call.scope(), &call.input.policy_arn);
        let version =
            self.read(|tx| AnyPolicy::fetch(tx, scope, arn)?.version(arn, &call.input.version_id))?;
        Ok(GetPolicyVersionOutput { policy_version: Some(version) })
    }
}
