//! `CreateOrganizationalUnit`: a new unit below a root or unit.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{CreateOrganizationalUnit, CreateOrganizationalUnitInput, CreateOrganizationalUnitOutput, Error},
    show, tags,
};

impl Operation<CreateOrganizationalUnit> for Organizations {
    fn access(&self, input: &CreateOrganizationalUnitInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.ask("organizations:CreateOrganizationalUnit", &[&input.parent_id], None, caller)?;
        Ok(tags::created_with(access, input.tags.as_deref()))
    }

    async fn run(
        &self,
        call: Call<CreateOrganizationalUnit>,
    ) -> Result<CreateOrganizationalUnitOutput, Error> {
        let tail = self.new_id("organizations.unit", "", 8);
        let tags = tags::taken(call.input.tags.as_deref())?;
        let (parent, name) = (call.input.parent_id.clone(), call.input.name.clone());
        let unit = self
            .change(call.scope(), move |_, organization| {
                let id = format!("ou-{}-{tail}", organization.root.trim_start_matches("r-"));
                organization.add_unit(&id, &name, &parent)?;
                organization.attach_full_access(&id);
                if !tags.is_empty() {
                    organization.tags.insert(id.clone(), tags.clone());
                }
                show::unit(organization, &id)
            })
            .await?;
        Ok(CreateOrganizationalUnitOutput { organizational_unit: Some(unit) })
    }
}
