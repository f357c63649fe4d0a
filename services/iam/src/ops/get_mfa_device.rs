//! `GetMFADevice`: shows a device of a user.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    access_keys::Owner,
    api::{Error, GetMFADevice, GetMFADeviceInput, GetMFADeviceOutput},
    entity::Entity,
    mfa,
    rows::UserRow,
};

impl Operation<GetMFADevice> for Iam {
    fn access(&self, input: &GetMFADeviceInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on_owner("iam:GetMFADevice", input.user_name.as_deref(), caller)
    }

    async fn run(&self, call: Call<GetMFADevice>) -> Result<GetMFADeviceOutput, Error> {
        let name = Owner::of_call(call.input.user_name.as_deref(), &call)?.shown();
        let (scope, serial) = (call.scope(), &call.input.serial_number);
        let row = self.read(|tx| {
            let user = UserRow::fetch(tx, scope, &name)?;
            mfa::fetch_of_user(tx, scope, &user, serial)
        })?;
        Ok(GetMFADeviceOutput {
            user_name: Some(name),
            serial_number: serial.clone(),
            enable_date: row.holder.map(|holder| holder.enabled_at),
            certifications: None,
        })
    }
}
