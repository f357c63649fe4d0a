//! `GetKeyPolicy`: a key's policy.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{Error, GetKeyPolicy, GetKeyPolicyInput, GetKeyPolicyOutput},
    asks::Reach,
    key_policy,
};

impl Operation<GetKeyPolicy> for Kms {
    fn access(&self, input: &GetKeyPolicyInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![self.ask("kms:GetKeyPolicy", caller, &input.key_id, Reach::Home)?]))
    }

    async fn run(&self, call: Call<GetKeyPolicy>) -> Result<GetKeyPolicyOutput, Error> {
        let place = self.admitted(call.permit(), "kms:GetKeyPolicy", &call.input.key_id)?;
        key_policy::only_default(call.input.policy_name.as_deref())?;
        let row = self.env.store.read(|tx| place.existing(tx, call.now()))?;
        Ok(GetKeyPolicyOutput {
            policy: Some(key_policy::shown(&self.env, &row)?),
            policy_name: Some(key_policy::NAME.to_owned()),
        })
    }
}
