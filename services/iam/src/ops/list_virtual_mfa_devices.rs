//! `ListVirtualMFADevices`: every virtual device of the account, used or not.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{
        AssignmentStatusType, Error, ListVirtualMFADevices, ListVirtualMFADevicesInput,
        ListVirtualMFADevicesOutput,
    },
    by_arn::ByArn,
    mfa::MfaRow,
    page::{Paging, page_of},
};

impl Operation<ListVirtualMFADevices> for Iam {
    fn access(&self, _input: &ListVirtualMFADevicesInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("iam:ListVirtualMFADevices"))
    }

    async fn run(&self, call: Call<ListVirtualMFADevices>) -> Result<ListVirtualMFADevicesOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let mut rows = self.read(|tx| MfaRow::all(tx, scope))?;
        rows.retain(|row| match input.assignment_status {
            Some(AssignmentStatusType::Assigned) => row.holder.is_some(),
            Some(AssignmentStatusType::Unassigned) => row.holder.is_none(),
            Some(AssignmentStatusType::Any) | None => true,
        });
        let shown = rows.iter().map(|row| (row.name.clone(), row.shown(scope))).collect();
        let page = page_of(shown, &paging)?;
        Ok(ListVirtualMFADevicesOutput {
            is_truncated: Some(page.is_truncated()),
            virtual_mfa_devices: page.items,
            marker: page.marker,
        })
    }
}
