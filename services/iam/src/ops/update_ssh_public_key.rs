//! `UpdateSSHPublicKey`: switches a public key on or off.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{Error, UpdateSSHPublicKey, UpdateSSHPublicKeyInput, UpdateSSHPublicKeyOutput},
    deposits::{Deposit, SshKeyRow, is_active},
    entity::Entity,
    rows::UserRow,
};

impl Operation<UpdateSSHPublicKey> for Iam {
    fn access(&self, input: &UpdateSSHPublicKeyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<UserRow>("iam:UpdateSSHPublicKey", &input.user_name, caller)
    }

    async fn run(&self, call: Call<UpdateSSHPublicKey>) -> Result<UpdateSSHPublicKeyOutput, Error> {
        let active = is_active(call.input.status)?;
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            let user = UserRow::fetch(tx, &scope, &input.user_name)?;
            SshKeyRow::switch(tx, &scope, &user, &input.ssh_public_key_id, active)
        })
        .await?;
        Ok(UpdateSSHPublicKeyOutput {})
    }
}
