//! `AddRoleToInstanceProfile`: puts a role into an instance profile, which takes the right to pass it.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{AddRoleToInstanceProfile, AddRoleToInstanceProfileInput, AddRoleToInstanceProfileOutput, Error},
    profiles,
};

/// Whom a role in an instance profile is handed to.
const INSTANCES: &str = "ec2.amazonaws.com";

impl Operation<AddRoleToInstanceProfile> for Iam {
    fn access(&self, input: &AddRoleToInstanceProfileInput, caller: &Caller) -> Result<Access, Error> {
        // AWS: `iam:PassRole` is a dependent action (service authorization reference).
        let pass = self.ask_to_pass(&input.role_name, INSTANCES, caller)?;
        let access =
            self.ask_on_profile("iam:AddRoleToInstanceProfile", &input.instance_profile_name, caller)?;
        Ok(access.and(pass))
    }

    async fn run(
        &self,
        call: Call<AddRoleToInstanceProfile>,
    ) -> Result<AddRoleToInstanceProfileOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| profiles::add_role(tx, &scope, &input.instance_profile_name, &input.role_name))
            .await?;
        Ok(AddRoleToInstanceProfileOutput {})
    }
}
