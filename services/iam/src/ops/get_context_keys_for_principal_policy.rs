//! `GetContextKeysForPrincipalPolicy`: the condition keys that the policies of a user, group or role mention.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::get_context_keys_for_custom_policy::mentioned;
use crate::{
    Iam,
    api::{
        Error, GetContextKeysForPrincipalPolicy, GetContextKeysForPrincipalPolicyInput,
        GetContextKeysForPrincipalPolicyOutput,
    },
    sources,
};

impl Operation<GetContextKeysForPrincipalPolicy> for Iam {
    fn access(
        &self,
        input: &GetContextKeysForPrincipalPolicyInput,
        caller: &Caller,
    ) -> Result<Access, Error> {
        Ok(self.ask_on_source("iam:GetContextKeysForPrincipalPolicy", &input.policy_source_arn, caller))
    }

    async fn run(
        &self,
        call: Call<GetContextKeysForPrincipalPolicy>,
    ) -> Result<GetContextKeysForPrincipalPolicyOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let bound = self.read(|tx| sources::of_arn(tx, &self.env, scope, &input.policy_source_arn))?;
        let mut all = bound.sources;
        all.extend(sources::given("PolicyInputList", input.policy_input_list.as_deref().unwrap_or_default()));
        Ok(GetContextKeysForPrincipalPolicyOutput { context_key_names: Some(mentioned(&all)?) })
    }
}
