//! `DeleteSSHPublicKey`: removes a public key.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Iam,
    api::{DeleteSSHPublicKey, DeleteSSHPublicKeyInput, DeleteSSHPublicKeyOutput, Error},
    deposits::{Deposit, SshKeyRow},
    entity::Entity,
    rows::UserRow,
};

impl Operation<DeleteSSHPublicKey> for Iam {
    fn access(&self, input: &DeleteSSHPublicKeyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<UserRow>("iam:DeleteSSHPublicKey", &input.user_name, caller)
    }

    async fn run(&self, call: Call<DeleteSSHPublicKey>) -> Result<DeleteSSHPublicKeyOutput, Error> {
        let scope = call.scope().clone();
        let input = call.input;
        self.change(move |tx| {
            let user = UserRow::fetch(tx, &scope, &input.user_name)?;
            SshKeyRow::remove(tx, &scope, &user, &input.ssh_public_key_id)
        })
        .await?;
        Ok(DeleteSSHPublicKeyOutput {})
    }
}
