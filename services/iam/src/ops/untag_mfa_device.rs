//! `UntagMFADevice`: removes tags of a virtual MFA device.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, UntagMFADevice, UntagMFADeviceInput, UntagMFADeviceOutput},
    mfa::MfaRow,
};

impl Operation<UntagMFADevice> for Iam {
    fn access(&self, input: &UntagMFADeviceInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.ask_on_arn::<MfaRow>("iam:UntagMFADevice", &input.serial_number, caller);
        Ok(access.with("aws:TagKeys", input.tag_keys.clone()))
    }

    async fn run(&self, call: Call<UntagMFADevice>) -> Result<UntagMFADeviceOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.untag_by_arn::<MfaRow>(&scope, &input.serial_number, input.tag_keys).await?;
        Ok(UntagMFADeviceOutput {})
    }
}
