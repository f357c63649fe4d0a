//! `GenerateDataKey`: random bytes, in plain and encrypted under a key.

use bytes::Bytes;
use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::Secret;

use crate::{
    Kms,
    api::{Error, GenerateDataKey, GenerateDataKeyInput, GenerateDataKeyOutput},
    cryptography::{data_key_bytes, no_recipient, refuse_rehearsal},
};

impl Operation<GenerateDataKey> for Kms {
    fn access(&self, input: &GenerateDataKeyInput, caller: &Caller) -> Result<Access, Error> {
        let context = input.encryption_context.as_ref();
        Ok(Access::Iam(vec![self.cryptographic("kms:GenerateDataKey", caller, &input.key_id, context)?]))
    }

    async fn run(&self, call: Call<GenerateDataKey>) -> Result<GenerateDataKeyOutput, Error> {
        let input = &call.input;
        no_recipient(input.recipient.as_ref())?;
        let place = self.admitted(call.permit(), "kms:GenerateDataKey", &input.key_id)?;
        self.check_tokens(input.grant_tokens.as_ref())?;
        let mut bytes = vec![0_u8; data_key_bytes(input.key_spec, input.number_of_bytes)?];
        self.env.entropy.fill("kms.data-key", &mut bytes);
        let data_key = Secret::new(bytes);
        let context = input.encryption_context.as_ref();
        let done = self.encrypt(&place, context, data_key.expose(), call.now()).await?;
        refuse_rehearsal(input.dry_run)?;
        Ok(GenerateDataKeyOutput {
            ciphertext_blob: Some(Bytes::from(done.bytes)),
            key_id: Some(place.arn().as_str().to_owned()),
            key_material_id: Some(done.material_id),
            plaintext: Some(Bytes::copy_from_slice(data_key.expose())),
            ciphertext_for_recipient: None,
        })
    }
}
