//! `DeleteOrganization`: only one that has no other accounts, units and policies.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{DeleteOrganization, DeleteOrganizationInput, DeleteOrganizationOutput, Error},
    rows::{MemberRow, OrganizationRow, PolicyRow, member_key, policies_key},
};

impl Operation<DeleteOrganization> for Organizations {
    fn access(&self, _input: &DeleteOrganizationInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("organizations:DeleteOrganization"))
    }

    async fn run(&self, call: Call<DeleteOrganization>) -> Result<DeleteOrganizationOutput, Error> {
        let account = call.scope().account.clone();
        self.write(move |tx| {
            let row = OrganizationRow::managed_by(tx, &account)?;
            let policies = tx.keys::<PolicyRow>(&policies_key(&row.id), None, 1)?;
            if row.accounts.len() > 1 || !row.units.is_empty() || !policies.is_empty() {
                return Err(Error::organization_not_empty_exception(
                    "To delete an organization you must first remove all member accounts, organizational units, and \
                     policies.",
                ));
            }
            tx.delete::<MemberRow>(&member_key(&account))?;
            row.delete(tx)
        })
        .await?;
        Ok(DeleteOrganizationOutput {})
    }
}
