//! `DeletePolicyVersion`: removes a version that is not in force.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{DeletePolicyVersion, DeletePolicyVersionInput, DeletePolicyVersionOutput, Error},
    show,
};

impl Operation<DeletePolicyVersion> for Iam {
    fn access(&self, input: &DeletePolicyVersionInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_policy("iam:DeletePolicyVersion", &input.policy_arn, caller))
    }

    async fn run(&self, call: Call<DeletePolicyVersion>) -> Result<DeletePolicyVersionOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            let mut row = show::own(tx, &scope, &input.policy_arn)?;
            let number =
                show::version_number(&input.version_id).filter(|number| row.version(*number).is_some());
            let number = number.ok_or_else(|| show::no_version(&input.policy_arn, &input.version_id))?;
            if number == row.default_version {
                // AWS: text of DeleteConflict.
                let text = "Cannot delete the default version of a policy.";
                return Err(Error::delete_conflict_exception(text));
            }
            row.versions.retain(|version| version.number != number);
            row.save(tx, &scope)?;
            Ok(())
        })
        .await?;
        Ok(DeletePolicyVersionOutput {})
    }
}
