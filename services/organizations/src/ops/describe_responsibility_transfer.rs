//! `DescribeResponsibilityTransfer`: an arrangement by which another organisation pays.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{
        DescribeResponsibilityTransfer, DescribeResponsibilityTransferInput,
        DescribeResponsibilityTransferOutput, Error,
    },
    refusal,
};

impl Operation<DescribeResponsibilityTransfer> for Organizations {
    fn access(&self, input: &DescribeResponsibilityTransferInput, caller: &Caller) -> Result<Access, Error> {
        self.ask("organizations:DescribeResponsibilityTransfer", &[&input.id], None, caller)
    }

    // Nothing is billed here: there are no transfers.
    async fn run(
        &self,
        call: Call<DescribeResponsibilityTransfer>,
    ) -> Result<DescribeResponsibilityTransferOutput, Error> {
        self.read(call.scope(), |_, _| Err(refusal::no_transfer()))
    }
}
