//! `EnableMFADevice`: gives a device to a user who shows two consecutive codes of it.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{EnableMFADevice, EnableMFADeviceInput, EnableMFADeviceOutput, Error},
    by_arn::ByArn,
    entity::Entity,
    mfa::{self, MfaRow},
    rows::UserRow,
};

impl Operation<EnableMFADevice> for Iam {
    fn access(&self, input: &EnableMFADeviceInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<UserRow>("iam:EnableMFADevice", &input.user_name, caller)
    }

    async fn run(&self, call: Call<EnableMFADevice>) -> Result<EnableMFADeviceOutput, Error> {
        let (scope, now) = (call.scope().clone(), call.now());
        let input = call.input;
        self.change(move |tx| {
            let user = UserRow::fetch(tx, &scope, &input.user_name)?;
            let mut row = MfaRow::fetch(tx, &scope, &input.serial_number)?;
            mfa::check_quota(tx, &scope, &user)?;
            row.enable(&user, [&input.authentication_code1, &input.authentication_code2], now)?;
            row.save(tx, &scope)
        })
        .await?;
        Ok(EnableMFADeviceOutput {})
    }
}
