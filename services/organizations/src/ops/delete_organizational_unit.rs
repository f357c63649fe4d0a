//! `DeleteOrganizationalUnit`: only an empty one.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{
        ChildType, DeleteOrganizationalUnit, DeleteOrganizationalUnitInput, DeleteOrganizationalUnitOutput,
        Error,
    },
    refusal,
};

impl Operation<DeleteOrganizationalUnit> for Organizations {
    fn access(&self, input: &DeleteOrganizationalUnitInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:DeleteOrganizationalUnit", &[&input.organizational_unit_id], None, caller)
    }

    async fn run(
        &self,
        call: Call<DeleteOrganizationalUnit>,
    ) -> Result<DeleteOrganizationalUnitOutput, Error> {
        let id = call.input.organizational_unit_id.clone();
        self.change(call.scope(), move |_, organization| {
            if !organization.units.contains_key(&id) {
                return Err(refusal::no_unit());
            }
            let children = |of| !organization.children(&id, of).is_empty();
            if children(ChildType::Account) || children(ChildType::OrganizationalUnit) {
                return Err(Error::organizational_unit_not_empty_exception(
                    "The organizational unit has accounts or other organizational units in it.",
                ));
            }
            organization.units.remove(&id);
            organization.forget(&id);
            Ok(())
        })
        .await?;
        Ok(DeleteOrganizationalUnitOutput {})
    }
}
