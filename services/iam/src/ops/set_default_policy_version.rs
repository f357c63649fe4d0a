//! `SetDefaultPolicyVersion`: chooses the version that is in force.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, SetDefaultPolicyVersion, SetDefaultPolicyVersionInput, SetDefaultPolicyVersionOutput},
    show, to_the_second,
};

impl Operation<SetDefaultPolicyVersion> for Iam {
    fn access(&self, input: &SetDefaultPolicyVersionInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_policy("iam:SetDefaultPolicyVersion", &input.policy_arn, caller))
    }

    async fn run(&self, call: Call<SetDefaultPolicyVersion>) -> Result<SetDefaultPolicyVersionOutput, Error> {
        let (scope, now) = (call.scope().clone(), to_the_second(call.now()));
        let input = call.input;
        self.change(move |tx| {
            let mut row = show::own(tx, &scope, &input.policy_arn)?;
            let number =
                show::version_number(&input.version_id).filter(|number| row.version(*number).is_some());
            row.default_version =
                number.ok_or_else(|| show::no_version(&input.policy_arn, &input.version_id))?;
            row.updated_at = now;
            row.save(tx, &scope)?;
            Ok(())
        })
        .await?;
        Ok(SetDefaultPolicyVersionOutput {})
    }
}
