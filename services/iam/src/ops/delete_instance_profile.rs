//! `DeleteInstanceProfile`: removes an instance profile that has no role any more.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{DeleteInstanceProfile, DeleteInstanceProfileInput, DeleteInstanceProfileOutput, Error},
    profiles::ProfileRow,
    rows::name_key,
};

impl Operation<DeleteInstanceProfile> for Iam {
    fn access(&self, input: &DeleteInstanceProfileInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_profile("iam:DeleteInstanceProfile", &input.instance_profile_name, caller)
    }

    async fn run(&self, call: Call<DeleteInstanceProfile>) -> Result<DeleteInstanceProfileOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            let profile = ProfileRow::fetch(tx, &scope, &input.instance_profile_name)?;
            if !profile.roles.is_empty() {
                // AWS: text of DeleteConflict.
                let text = "Cannot delete entity, must remove roles from instance profile first.";
                return Err(Error::delete_conflict_exception(text));
            }
            tx.delete::<ProfileRow>(&name_key(&scope, &profile.name))?;
            Ok(())
        })
        .await?;
        Ok(DeleteInstanceProfileOutput {})
    }
}
