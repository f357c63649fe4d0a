//! `UploadSSHPublicKey`: keeps a public key of a user.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::lower_alphanumeric;

use crate::{
    Iam,
    api::{Error, UploadSSHPublicKey, UploadSSHPublicKeyInput, UploadSSHPublicKeyOutput},
    deposits::{Deposit, SshKeyRow},
    entity::Entity,
    rows::UserRow,
    show,
    ssh_keys::{PublicKey, Rejected},
    to_the_second,
};

impl Operation<UploadSSHPublicKey> for Iam {
    fn access(&self, input: &UploadSSHPublicKeyInput, caller: &Caller) -> Result<Access, Error> {
        self.ask_on::<UserRow>("iam:UploadSSHPublicKey", &input.user_name, caller)
    }

    async fn run(&self, call: Call<UploadSSHPublicKey>) -> Result<UploadSSHPublicKeyOutput, Error> {
        let (scope, now) = (call.scope().clone(), to_the_second(call.now()));
        let input = call.input;
        let key = PublicKey::parse(&input.ssh_public_key_body).map_err(|why| match why {
            Rejected::Encoding => Error::unrecognized_public_key_encoding_exception(
                "The public key must be encoded as ssh-rsa or PEM.",
            ),
            Rejected::Key => Error::invalid_public_key_exception(
                "The public key must be an RSA key of at least 2048 bits.",
            ),
        })?;
        let tail = lower_alphanumeric(&*self.env.entropy, "iam.ssh-key.id", 16).to_ascii_uppercase();
        let row = SshKeyRow { id: format!("APKA{tail}"), blob: key.blob(), active: true, uploaded_at: now };
        let stored = row.clone();
        let name = self
            .change(move |tx| {
                let user = UserRow::fetch(tx, &scope, &input.user_name)?;
                if SshKeyRow::all(tx, &scope, &user)?.iter().any(|other| other.blob == stored.blob) {
                    let text = "The public key is already associated with the user.";
                    return Err(Error::duplicate_ssh_public_key_exception(text));
                }
                stored.add(tx, &scope, &user)?;
                Ok(user.name)
            })
            .await?;
        Ok(UploadSSHPublicKeyOutput { ssh_public_key: Some(show::ssh_key(row, name, &key, key.line())) })
    }
}
