//! `DeactivateMFADevice`: takes a device from its user.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::Owner,
    api::{DeactivateMFADevice, DeactivateMFADeviceInput, DeactivateMFADeviceOutput, Error},
    by_arn::ByArn,
    entity::Entity,
    mfa,
    rows::UserRow,
};

impl Operation<DeactivateMFADevice> for Iam {
    fn access(&self, input: &DeactivateMFADeviceInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_owner("iam:DeactivateMFADevice", input.user_name.as_deref(), caller)
    }

    async fn run(&self, call: Call<DeactivateMFADevice>) -> Result<DeactivateMFADeviceOutput, Error> {
        let scope = call.scope().clone();
        let user = match Owner::of_call(call.input.user_name.as_deref(), &call)? {
            Owner::User(name) => name,
            // DIVERGES: an account's root has no devices here.
            Owner::Root => return Err(mfa::no_such_device()),
        };
        let serial = call.input.serial_number.clone();
        self.change(move |tx| {
            let user = UserRow::fetch(tx, &scope, &user)?;
            let mut row = mfa::fetch_of_user(tx, &scope, &user, &serial)?;
            row.holder = None;
            row.save(tx, &scope)
        })
        .await?;
        Ok(DeactivateMFADeviceOutput {})
    }
}
