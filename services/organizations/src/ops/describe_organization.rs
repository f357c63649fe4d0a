//! `DescribeOrganization`: the organisation of the caller's account, member or not its manager.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{DescribeOrganization, DescribeOrganizationInput, DescribeOrganizationOutput, Error},
    refusal,
    rows::OrganizationRow,
    show,
};

impl Operation<DescribeOrganization> for Organizations {
    fn access(&self, _input: &DescribeOrganizationInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("organizations:DescribeOrganization"))
    }

    // AWS: API reference: any account of the organisation may call it.
    async fn run(&self, call: Call<DescribeOrganization>) -> Result<DescribeOrganizationOutput, Error> {
        let row = self.env.store.read(|tx| OrganizationRow::of_account(tx, &call.scope().account))?;
        let row = row.ok_or_else(refusal::not_in_use)?;
        Ok(DescribeOrganizationOutput { organization: Some(show::organization(&row)) })
    }
}
