//! `GetSSHPublicKey`: shows a public key in the encoding asked for.

use casemate_kernel::{Access, Call, Caller, Fault, Operation};

use crate::{
    Iam,
    api::{EncodingType, Error, GetSSHPublicKey, GetSSHPublicKeyInput, GetSSHPublicKeyOutput},
    deposits::{Deposit, SshKeyRow},
    entity::Entity,
    rows::UserRow,
    show,
    ssh_keys::PublicKey,
};

impl Operation<GetSSHPublicKey> for Iam {
    fn access(&self, input: &GetSSHPublicKeyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<UserRow>("iam:GetSSHPublicKey", &input.user_name, caller)
    }

    async fn run(&self, call: Call<GetSSHPublicKey>) -> Result<GetSSHPublicKeyOutput, Error> {
        let (input, scope) = (&call.input, call.scope());
        let (user, row) = self.read(|tx| {
            let user = UserRow::fetch(tx, scope, &input.user_name)?;
            let row = SshKeyRow::fetch(tx, scope, &user, &input.ssh_public_key_id)?;
            Ok((user, row))
        })?;
        let key = PublicKey::from_blob(&row.blob).ok_or_else(|| Fault::broken("a stored key is no key"))?;
        let body = match input.encoding {
            EncodingType::Ssh => key.line(),
            EncodingType::Pem => key.pem(),
        };
        Ok(GetSSHPublicKeyOutput { ssh_public_key: Some(show::ssh_key(row, user.name, &key, body)) })
    }
}
