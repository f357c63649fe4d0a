//! `RemoveRoleFromInstanceProfile`: takes a role out of an instance profile.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        Error, RemoveRoleFromInstanceProfile, RemoveRoleFromInstanceProfileInput,
        RemoveRoleFromInstanceProfileOutput,
    },
    profiles,
};

impl Operation<RemoveRoleFromInstanceProfile> for Iam {
    fn access(&self, input: &RemoveRoleFromInstanceProfileInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_profile("iam:RemoveRoleFromInstanceProfile", &input.instance_profile_name, caller)
    }

    async fn run(
        &self,
        call: Call<RemoveRoleFromInstanceProfile>,
    ) -> Result<RemoveRoleFromInstanceProfileOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            profiles::remove_role(tx, &scope, &input.instance_profile_name, &input.role_name)
        })
        .await?;
        Ok(RemoveRoleFromInstanceProfileOutput {})
    }
}
