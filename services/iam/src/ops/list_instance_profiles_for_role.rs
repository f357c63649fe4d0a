//! `ListInstanceProfilesForRole`: the instance profiles that have a role.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        Error, ListInstanceProfilesForRole, ListInstanceProfilesForRoleInput,
        ListInstanceProfilesForRoleOutput,
    },
    entity::Entity,
    page::{Paging, page_of},
    profiles,
    rows::RoleRow,
    show::Detail,
};

impl Operation<ListInstanceProfilesForRole> for Iam {
    fn access(&self, input: &ListInstanceProfilesForRoleInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<RoleRow>("iam:ListInstanceProfilesForRole", &input.role_name, caller)
    }

    async fn run(
        &self,
        call: Call<ListInstanceProfilesForRole>,
    ) -> Result<ListInstanceProfilesForRoleOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        self.read(|tx| {
            let role = RoleRow::fetch(tx, scope, &input.role_name)?;
            let all = profiles::of_role(tx, scope, &role)?;
            let page = page_of(all.into_iter().map(|row| (row.name.clone(), row)).collect(), &paging)?;
            let shown = page.items.iter().map(|row| row.shown(tx, &self.env, scope, Detail::Listed));
            Ok(ListInstanceProfilesForRoleOutput {
                is_truncated: Some(page.is_truncated()),
                instance_profiles: shown.collect::<Result<_, _>>()?,
                marker: page.marker.clone(),
            })
        })
    }
}
