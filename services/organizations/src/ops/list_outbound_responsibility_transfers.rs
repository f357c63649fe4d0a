//! `ListOutboundResponsibilityTransfers`: arrangements by which another organisation pays for this one.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{
        Error, ListOutboundResponsibilityTransfers, ListOutboundResponsibilityTransfersInput,
        ListOutboundResponsibilityTransfersOutput,
    },
    of_transfer, page,
};

impl Operation<ListOutboundResponsibilityTransfers> for Organizations {
    fn access(
        &self,
        _input: &ListOutboundResponsibilityTransfersInput,
        _caller: &Caller,
    ) -> Result<Access, Error> {
        let ask = Ask::on_any("organizations:ListOutboundResponsibilityTransfers");
        Ok(Access::Iam(vec![of_transfer(ask)]))
    }

    // Nothing is billed here: there are no transfers.
    async fn run(
        &self,
        call: Call<ListOutboundResponsibilityTransfers>,
    ) -> Result<ListOutboundResponsibilityTransfersOutput, Error> {
        let input = &call.input;
        let (shown, next_token) = self.read(call.scope(), |_, _| {
            page::cut(std::iter::empty(), input.max_results, input.next_token.as_deref())
        })?;
        Ok(ListOutboundResponsibilityTransfersOutput { responsibility_transfers: Some(shown), next_token })
    }
}
