//! `DescribeCreateAccountStatus`: how a request for an account went.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{
        DescribeCreateAccountStatus, DescribeCreateAccountStatusInput, DescribeCreateAccountStatusOutput,
        Error,
    },
    show,
};

impl Operation<DescribeCreateAccountStatus> for Organizations {
    fn access(&self, _input: &DescribeCreateAccountStatusInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("organizations:DescribeCreateAccountStatus"))
    }

    async fn run(
        &self,
        call: Call<DescribeCreateAccountStatus>,
    ) -> Result<DescribeCreateAccountStatusOutput, Error> {
        let id = &call.input.create_account_request_id;
        let status = self.read(call.scope(), |_, organization| {
            let none = || {
                Error::create_account_status_not_found_exception(
                    "You specified a create account request that doesn't exist.",
                )
            };
            organization.creations.get(id).map(|creation| show::creation(id, creation)).ok_or_else(none)
        })?;
        Ok(DescribeCreateAccountStatusOutput { create_account_status: Some(status) })
    }
}
