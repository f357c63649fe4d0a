//! `ResyncMFADevice`: learns from two consecutive codes how far a device's clock is off.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, ResyncMFADevice, ResyncMFADeviceInput, ResyncMFADeviceOutput},
    by_arn::ByArn,
    entity::Entity,
    mfa,
    rows::UserRow,
};

impl Operation<ResyncMFADevice> for Iam {
    fn access(&self, input: &ResyncMFADeviceInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<UserRow>("iam:ResyncMFADevice", &input.user_name, caller)
    }

    async fn run(&self, call: Call<ResyncMFADevice>) -> Result<ResyncMFADeviceOutput, Error> {
        let (scope, now) = (call.scope().clone(), call.now());
        let input = call.input;
        self.change(move |tx| {
            let user = UserRow::fetch(tx, &scope, &input.user_name)?;
            let mut row = mfa::fetch_of_user(tx, &scope, &user, &input.serial_number)?;
            row.resync([&input.authentication_code1, &input.authentication_code2], now)?;
            row.save(tx, &scope)
        })
        .await?;
        Ok(ResyncMFADeviceOutput {})
    }
}
