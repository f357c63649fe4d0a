//! `Decrypt`: what was encrypted under a key, in the same encryption context.

use bytes::Bytes;
use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{Decrypt, DecryptInput, DecryptOutput, EncryptionAlgorithmSpec, Error},
    cryptography::{no_modifiers, no_recipient, only_symmetric, refuse_rehearsal},
};

impl Operation<Decrypt> for Kms {
    fn access(&self, input: &DecryptInput, caller: &Caller) -> Result<Access, Error> {
        let blob = input.ciphertext_blob.as_deref().unwrap_or_default();
        let context = input.encryption_context.as_ref();
        let ask = self.decrypting("kms:Decrypt", caller, input.key_id.as_deref(), blob, context)?;
        Ok(Access::Iam(vec![ask]))
    }

    async fn run(&self, call: Call<Decrypt>) -> Result<DecryptOutput, Error> {
        let input = &call.input;
        no_recipient(input.recipient.as_ref())?;
        no_modifiers(input.dry_run_modifiers.as_ref())?;
        only_symmetric(input.encryption_algorithm)?;
        let blob = input.ciphertext_blob.as_deref().unwrap_or_default();
        let place = self.decrypted_with(call.permit(), "kms:Decrypt", input.key_id.as_deref(), blob)?;
        self.check_tokens(input.grant_tokens.as_ref())?;
        let done = self.decrypt(&place, input.encryption_context.as_ref(), blob, call.now())?;
        refuse_rehearsal(input.dry_run)?;
        Ok(DecryptOutput {
            key_id: Some(place.arn().as_str().to_owned()),
            plaintext: Some(Bytes::from(done.bytes)),
            encryption_algorithm: Some(EncryptionAlgorithmSpec::SymmetricDefault),
            ciphertext_for_recipient: None,
            key_material_id: Some(done.material_id),
        })
    }
}
