//! `ListInboundResponsibilityTransfers`: arrangements by which this organisation pays for others.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};

use crate::{
    Organizations,
    api::{
        Error, ListInboundResponsibilityTransfers, ListInboundResponsibilityTransfersInput,
        ListInboundResponsibilityTransfersOutput,
    },
    of_transfer, page, refusal,
};

impl Operation<ListInboundResponsibilityTransfers> for Organizations {
    fn access(
        &self,
        _input: &ListInboundResponsibilityTransfersInput,
        _caller: &Caller,
    ) -> Result<Access, Error> {
        let ask = Ask::on_any("organizations:ListInboundResponsibilityTransfers");
        Ok(Access::Iam(vec![of_transfer(ask)]))
    }

    // Nothing is billed here: there are no transfers.
    async fn run(
        &self,
        call: Call<ListInboundResponsibilityTransfers>,
    ) -> Result<ListInboundResponsibilityTransfersOutput, Error> {
        let input = &call.input;
        let (shown, next_token) = self.read(call.scope(), |_, _| {
            // AWS: API reference: with an id, that transfer alone.
            if input.id.is_some() {
                return Err(refusal::no_transfer());
            }
            page::cut(std::iter::empty(), input.max_results, input.next_token.as_deref())
        })?;
        Ok(ListInboundResponsibilityTransfersOutput { responsibility_transfers: Some(shown), next_token })
    }
}
