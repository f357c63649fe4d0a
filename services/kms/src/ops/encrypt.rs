//! `Encrypt`: up to 4 KiB under a key.

use bytes::Bytes;
use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{Encrypt, EncryptInput, EncryptOutput, EncryptionAlgorithmSpec, Error},
    cryptography::{only_symmetric, refuse_rehearsal},
};

impl Operation<Encrypt> for Kms {
    fn access(&self, input: &EncryptInput, caller: &Caller) -> Result<Access, Error> {
        let ask =
            self.cryptographic("kms:Encrypt", caller, &input.key_id, input.encryption_context.as_ref())?;
        Ok(Access::Iam(vec![ask]))
    }

    async fn run(&self, call: Call<Encrypt>) -> Result<EncryptOutput, Error> {
        let input = &call.input;
        let place = self.admitted(call.permit(), "kms:Encrypt", &input.key_id)?;
        self.check_tokens(input.grant_tokens.as_ref())?;
        only_symmetric(input.encryption_algorithm)?;
        let context = input.encryption_context.as_ref();
        let done = self.encrypt(&place, context, &input.plaintext, call.now()).await?;
        refuse_rehearsal(input.dry_run)?;
        Ok(EncryptOutput {
            ciphertext_blob: Some(Bytes::from(done.bytes)),
            key_id: Some(place.arn().as_str().to_owned()),
            encryption_algorithm: Some(EncryptionAlgorithmSpec::SymmetricDefault),
        })
    }
}
