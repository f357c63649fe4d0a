//! `ListInstanceProfilesForRole`: always none; tools ask before they delete a role.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        Error, ListInstanceProfilesForRole, ListInstanceProfilesForRoleInput,
        ListInstanceProfilesForRoleOutput,
    },
    entity::Entity,
    rows::RoleRow,
};

impl Operation<ListInstanceProfilesForRole> for Iam {
    fn access(&self, input: &ListInstanceProfilesForRoleInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<RoleRow>("iam:ListInstanceProfilesForRole", &input.role_name, caller)
    }

    // DIVERGES: there are no instance profiles, for there are no instances.
    async fn run(
        &self,
        call: Call<ListInstanceProfilesForRole>,
    ) -> Result<ListInstanceProfilesForRoleOutput, Error> {
        self.read(|tx| RoleRow::fetch(tx, call.scope(), &call.input.role_name).map(drop))?;
        Ok(ListInstanceProfilesForRoleOutput { is_truncated: Some(false), ..Default::default() })
    }
}
