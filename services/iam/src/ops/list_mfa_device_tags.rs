//! `ListMFADeviceTags`: the tags of a virtual MFA device.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, ListMFADeviceTags, ListMFADeviceTagsInput, ListMFADeviceTagsOutput},
    mfa::MfaRow,
};

impl Operation<ListMFADeviceTags> for Iam {
    fn access(&self, input: &ListMFADeviceTagsInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.ask_on_arn::<MfaRow>("iam:ListMFADeviceTags", &input.serial_number, caller))
    }

    async fn run(&self, call: Call<ListMFADeviceTags>) -> Result<ListMFADeviceTagsOutput, Error> {
        let input = &call.input;
        let paging = (input.marker.as_deref(), input.max_items);
        let page = self.tags_by_arn::<MfaRow>(call.scope(), &input.serial_number, paging)?;
        Ok(ListMFADeviceTagsOutput {
            is_truncated: Some(page.is_truncated()),
            tags: page.items,
            marker: page.marker,
        })
    }
}
