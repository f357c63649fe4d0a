//! `DeleteVirtualMFADevice`: removes a device that nobody uses any more.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{DeleteVirtualMFADevice, DeleteVirtualMFADeviceInput, DeleteVirtualMFADeviceOutput, Error},
    by_arn::ByArn,
    mfa::MfaRow,
};

impl Operation<DeleteVirtualMFADevice> for Iam {
    fn access(&self, input: &DeleteVirtualMFADeviceInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_arn::<MfaRow>("iam:DeleteVirtualMFADevice", &input.serial_number, caller))
    }

    async fn run(&self, call: Call<DeleteVirtualMFADevice>) -> Result<DeleteVirtualMFADeviceOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            let row = MfaRow::fetch(tx, &scope, &input.serial_number)?;
            if row.holder.is_some() {
                // AWS: text of DeleteConflict.
                let text = "MFA VirtualDevice in use. Must deactivate first.";
                return Err(Error::delete_conflict_exception(text));
            }
            row.remove(tx, &scope)
        })
        .await?;
        Ok(DeleteVirtualMFADeviceOutput {})
    }
}
