//! `DescribeOrganizationalUnit`: one unit.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{
        DescribeOrganizationalUnit, DescribeOrganizationalUnitInput, DescribeOrganizationalUnitOutput, Error,
    },
    show,
};

impl Operation<DescribeOrganizationalUnit> for Organizations {
    fn access(&self, input: &DescribeOrganizationalUnitInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:DescribeOrganizationalUnit", &[&input.organizational_unit_id], None, caller)
    }

    async fn run(
        &self,
        call: Call<DescribeOrganizationalUnit>,
    ) -> Result<DescribeOrganizationalUnitOutput, Error> {
        let unit = self.read(call.scope(), |_, organization| {
            show::unit(organization, &call.input.organizational_unit_id)
        })?;
        Ok(DescribeOrganizationalUnitOutput { organizational_unit: Some(unit) })
    }
}
