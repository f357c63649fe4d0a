//! `ListOrganizationalUnitsForParent`: the units directly below a root or unit.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{
        ChildType, Error, ListOrganizationalUnitsForParent, ListOrganizationalUnitsForParentInput,
        ListOrganizationalUnitsForParentOutput,
    },
    page, show,
};

impl Operation<ListOrganizationalUnitsForParent> for Organizations {
    fn access(
        &self,
        input: &ListOrganizationalUnitsForParentInput,
        caller: &Caller,
    ) -> Result<Access, Error> {
        self.ask("organizations:ListOrganizationalUnitsForParent", &[&input.parent_id], None, caller)
    }

    async fn run(
        &self,
        call: Call<ListOrganizationalUnitsForParent>,
    ) -> Result<ListOrganizationalUnitsForParentOutput, Error> {
        let input = &call.input;
        let (shown, next_token) = self.read(call.scope(), |_, organization| {
            organization.check_parent(&input.parent_id)?;
            let ids = organization.children(&input.parent_id, ChildType::OrganizationalUnit);
            let all = ids.into_iter().map(|id| Ok((id.clone(), show::unit(organization, id)?)));
            let all = all.collect::<Result<Vec<_>, Error>>()?;
            page::cut(all, input.max_results, input.next_token.as_deref())
        })?;
        Ok(ListOrganizationalUnitsForParentOutput { organizational_units: Some(shown), next_token })
    }
}
