//! `ListKeyPolicies`: a key has one policy.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{Error, ListKeyPolicies, ListKeyPoliciesInput, ListKeyPoliciesOutput},
    asks::Reach,
    key_policy,
};

impl Operation<ListKeyPolicies> for Kms {
    fn access(&self, input: &ListKeyPoliciesInput, caller: &Caller) -> Result<Access, Error> {
        Ok(Access::Iam(vec![self.ask("kms:ListKeyPolicies", caller, &input.key_id, Reach::Home)?]))
    }

    async fn run(&self, call: Call<ListKeyPolicies>) -> Result<ListKeyPoliciesOutput, Error> {
        let place = self.admitted(call.permit(), "kms:ListKeyPolicies", &call.input.key_id)?;
        self.env.store.read(|tx| place.existing(tx, call.now()))?;
        Ok(ListKeyPoliciesOutput {
            policy_names: Some(vec![key_policy::NAME.to_owned()]),
            next_marker: None,
            truncated: Some(false),
        })
    }
}
