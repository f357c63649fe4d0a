//! `ReEncrypt`: from under one key and context to under another; the plain text never leaves.

use bytes::Bytes;
use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::Secret;

use crate::{
    Kms,
    api::{EncryptionAlgorithmSpec, Error, ReEncrypt, ReEncryptInput, ReEncryptOutput},
    cryptography::{no_modifiers, only_symmetric, refuse_rehearsal},
};

const FROM: &str = "kms:ReEncryptFrom";
const TO: &str = "kms:ReEncryptTo";
/// Whether both are the same key.
const SAME: &str = "kms:ReEncryptOnSameKey";

impl Operation<ReEncrypt> for Kms {
    fn access(&self, input: &ReEncryptInput, caller: &Caller) -> Result<Access, Error> {
        let blob = input.ciphertext_blob.as_deref().unwrap_or_default();
        let source = input.source_encryption_context.as_ref();
        let from = self.decrypting(FROM, caller, input.source_key_id.as_deref(), blob, source)?;
        let destination = input.destination_encryption_context.as_ref();
        let to = self.cryptographic(TO, caller, &input.destination_key_id, destination)?;
        let same = (from.resource.is_some() && from.resource == to.resource).to_string();
        Ok(Access::Iam(vec![from.with(SAME, same.clone()), to.with(SAME, same)]))
    }

    async fn run(&self, call: Call<ReEncrypt>) -> Result<ReEncryptOutput, Error> {
        let input = &call.input;
        no_modifiers(input.dry_run_modifiers.as_ref())?;
        only_symmetric(input.source_encryption_algorithm)?;
        only_symmetric(input.destination_encryption_algorithm)?;
        let blob = input.ciphertext_blob.as_deref().unwrap_or_default();
        let source = self.decrypted_with(call.permit(), FROM, input.source_key_id.as_deref(), blob)?;
        let destination = self.admitted(call.permit(), TO, &input.destination_key_id)?;
        self.check_tokens(input.grant_tokens.as_ref())?;
        let opened = self.decrypt(&source, input.source_encryption_context.as_ref(), blob, call.now())?;
        let plain = Secret::new(opened.bytes);
        let context = input.destination_encryption_context.as_ref();
        let sealed = self.encrypt(&destination, context, plain.expose(), call.now()).await?;
        refuse_rehearsal(input.dry_run)?;
        Ok(ReEncryptOutput {
            ciphertext_blob: Some(Bytes::from(sealed.bytes)),
            source_key_id: Some(source.arn().as_str().to_owned()),
            key_id: Some(destination.arn().as_str().to_owned()),
            source_encryption_algorithm: Some(EncryptionAlgorithmSpec::SymmetricDefault),
            destination_encryption_algorithm: Some(EncryptionAlgorithmSpec::SymmetricDefault),
            source_key_material_id: Some(opened.material_id),
            destination_key_material_id: Some(sealed.material_id),
        })
    }
}
