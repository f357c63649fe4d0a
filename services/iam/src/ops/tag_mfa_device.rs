//! `TagMFADevice`: adds or replaces tags of a virtual MFA device.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, TagMFADevice, TagMFADeviceInput, TagMFADeviceOutput},
    mfa::MfaRow,
    tags,
};

impl Operation<TagMFADevice> for Iam {
    fn access(&self, input: &TagMFADeviceInput, caller: &Caller) -> Result<Access, Error> {
        let access = self.ask_on_arn::<MfaRow>("iam:TagMFADevice", &input.serial_number, caller);
        Ok(tags::asked_with(access, Some(&input.tags)))
    }

    async fn run(&self, call: Call<TagMFADevice>) -> Result<TagMFADeviceOutput, Error> {
        self.tag_by_arn::<MfaRow>(call.scope(), &call.input.serial_number, &call.input.tags).await?;
        Ok(TagMFADeviceOutput {})
    }
}
