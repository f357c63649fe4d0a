//! `PutKeyPolicy`: replaces a key's policy.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{Error, PutKeyPolicy, PutKeyPolicyInput, PutKeyPolicyOutput},
    asks::Reach,
    key_policy::{self, Checked},
    ops::create_key::BYPASS,
};

impl Operation<PutKeyPolicy> for Kms {
    fn access(&self, input: &PutKeyPolicyInput, caller: &Caller) -> Result<Access, Error> {
        let ask = self.ask("kms:PutKeyPolicy", caller, &input.key_id, Reach::Home)?;
        let bypass = input.bypass_policy_lockout_safety_check.unwrap_or(false);
        Ok(Access::Iam(vec![ask.with(BYPASS, bypass.to_string())]))
    }

    async fn run(&self, call: Call<PutKeyPolicy>) -> Result<PutKeyPolicyOutput, Error> {
        let (place, now) =
            (self.admitted(call.permit(), "kms:PutKeyPolicy", &call.input.key_id)?, call.now());
        key_policy::only_default(call.input.policy_name.as_deref())?;
        let policy = Checked::new(&self.env, &call.input.policy)?;
        if !call.input.bypass_policy_lockout_safety_check.unwrap_or(false) {
            policy.keeps_in(&place, call.caller(), call.facts())?;
        }
        self.env
            .store
            .write(move |tx| {
                let mut row = place.existing(tx, now)?;
                row.policy.clone_from(&policy.text);
                row.policy_ids.clone_from(&policy.ids);
                Ok::<_, Error>(tx.put(&place.key(), &row)?)
            })
            .await?;
        Ok(PutKeyPolicyOutput {})
    }
}
