//! `ListMFADevices`: the devices of a user.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::Owner,
    api::{Error, ListMFADevices, ListMFADevicesInput, ListMFADevicesOutput, MFADevice},
    by_arn::ByArn,
    entity::Entity,
    mfa,
    page::{Paging, page_of},
    rows::UserRow,
};

impl Operation<ListMFADevices> for Iam {
    fn access(&self, input: &ListMFADevicesInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_owner("iam:ListMFADevices", input.user_name.as_deref(), caller)
    }

    async fn run(&self, call: Call<ListMFADevices>) -> Result<ListMFADevicesOutput, Error> {
        let owner = Owner::of_call(call.input.user_name.as_deref(), &call)?;
        let (input, scope) = (&call.input, call.scope());
        let paging = Paging::new(input.marker.as_deref(), input.max_items)?;
        let rows = self.read(|tx| match &owner {
            // DIVERGES: an account's root has no devices here.
            Owner::Root => Ok(Vec::new()),
            Owner::User(name) => mfa::of_user(tx, scope, &UserRow::fetch(tx, scope, name)?),
        })?;
        let entry = |row: mfa::MfaRow| {
            let serial_number = row.arn(scope).as_str().to_owned();
            let holder = row.holder?;
            let device = MFADevice { user_name: holder.user, serial_number, enable_date: holder.enabled_at };
            Some((device.serial_number.clone(), device))
        };
        let page = page_of(rows.into_iter().filter_map(entry).collect(), &paging)?;
        Ok(ListMFADevicesOutput {
            is_truncated: Some(page.is_truncated()),
            mfa_devices: page.items,
            marker: page.marker,
        })
    }
}
