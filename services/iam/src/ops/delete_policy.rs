//! `DeletePolicy`: removes a managed policy that is attached nowhere and has one version left.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{DeletePolicy, DeletePolicyInput, DeletePolicyOutput, Error},
    rows::{PolicyRow, Usage, name_key},
    show,
};

impl Operation<DeletePolicy> for Iam {
    fn access(&self, input: &DeletePolicyInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_policy("iam:DeletePolicy", &input.policy_arn, caller))
    }

    async fn run(&self, call: Call<DeletePolicy>) -> Result<DeletePolicyOutput, Error> {
        let scope = call.scope().clone();
        let arn = call.input.policy_arn;
        self.change(move |tx| {
            let row = show::own(tx, &scope, &arn)?;
            let used = show::count(tx, &scope, &arn, Usage::Permissions)?.saturating_add(show::count(
                tx,
                &scope,
                &arn,
                Usage::Boundary,
            )?);
            // AWS: texts of DeleteConflict.
            if used > 0 {
                let text = "Cannot delete a policy attached to entities.";
                return Err(Error::delete_conflict_exception(text));
            }
            if row.versions.len() > 1 {
                return Err(Error::delete_conflict_exception(
                    "This policy has more than one version. Before you delete a policy, you must delete the \
                     policy's versions. The default version is deleted with the policy.",
                ));
            }
            tx.delete::<PolicyRow>(&name_key(&scope, &row.name))?;
            Ok(())
        })
        .await?;
        Ok(DeletePolicyOutput {})
    }
}
