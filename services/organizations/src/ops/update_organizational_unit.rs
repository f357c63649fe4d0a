//! `UpdateOrganizationalUnit`: another name.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{Error, UpdateOrganizationalUnit, UpdateOrganizationalUnitInput, UpdateOrganizationalUnitOutput},
    refusal, show,
};

impl Operation<UpdateOrganizationalUnit> for Organizations {
    fn access(&self, input: &UpdateOrganizationalUnitInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:UpdateOrganizationalUnit", &[&input.organizational_unit_id], None, caller)
    }

    async fn run(
        &self,
        call: Call<UpdateOrganizationalUnit>,
    ) -> Result<UpdateOrganizationalUnitOutput, Error> {
        let input = call.input.clone();
        let unit = self
            .change(call.scope(), move |_, organization| {
                let id = &input.organizational_unit_id;
                let parent = organization.units.get(id).ok_or_else(refusal::no_unit)?.parent.clone();
                if let Some(name) = &input.name {
                    organization.check_unit_name(name, &parent, Some(id))?;
                    if let Some(unit) = organization.units.get_mut(id) {
                        unit.name.clone_from(name);
                    }
                }
                show::unit(organization, id)
            })
            .await?;
        Ok(UpdateOrganizationalUnitOutput { organizational_unit: Some(unit) })
    }
}
