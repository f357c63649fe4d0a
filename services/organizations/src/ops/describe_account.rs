//! `DescribeAccount`: one account of the organisation.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{DescribeAccount, DescribeAccountInput, DescribeAccountOutput, Error},
    show,
};

impl Operation<DescribeAccount> for Organizations {
    fn access(&self, input: &DescribeAccountInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:DescribeAccount", &[&input.account_id], None, caller)
    }

    async fn run(&self, call: Call<DescribeAccount>) -> Result<DescribeAccountOutput, Error> {
        let account =
            self.read(call.scope(), |_, organization| show::account(organization, &call.input.account_id))?;
        Ok(DescribeAccountOutput { account: Some(account) })
    }
}
