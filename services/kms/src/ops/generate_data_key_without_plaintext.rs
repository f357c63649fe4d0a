//! `GenerateDataKeyWithoutPlaintext`: random bytes, only encrypted under a key.

use bytes::Bytes;
use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_names::Secret;

use crate::{
    Kms,
    api::{
        Error, GenerateDataKeyWithoutPlaintext, GenerateDataKeyWithoutPlaintextInput,
        GenerateDataKeyWithoutPlaintextOutput,
    },
    cryptography::{data_key_bytes, refuse_rehearsal},
};

impl Operation<GenerateDataKeyWithoutPlaintext> for Kms {
    fn access(&self, input: &GenerateDataKeyWithoutPlaintextInput, caller: &Caller) -> Result<Access, Error> {
        let context = input.encryption_context.as_ref();
        Ok(Access::Iam(vec![self.cryptographic(
            "kms:GenerateDataKeyWithoutPlaintext",
            caller,
            &input.key_id,
            context,
        )?]))
    }

    async fn run(
        &self,
        call: Call<GenerateDataKeyWithoutPlaintext>,
    ) -> Result<GenerateDataKeyWithoutPlaintextOutput, Error> {
        let input = &call.input;

        let place = self.admitted(call.permit(), "kms:GenerateDataKeyWithoutPlaintext", &input.key_id)?;
        self.check_tokens(input.grant_tokens.as_ref())?;
        let mut bytes = vec![0_u8; data_key_bytes(input.key_spec, input.number_of_bytes)?];
        self.env.entropy.fill("kms.data-key", &mut bytes);
        let data_key = Secret::new(bytes);
        let context = input.encryption_context.as_ref();
        let done = self.encrypt(&place, context, data_key.expose(), call.now()).await?;
        refuse_rehearsal(input.dry_run)?;
        Ok(GenerateDataKeyWithoutPlaintextOutput {
            ciphertext_blob: Some(Bytes::from(done.bytes)),
            key_id: Some(place.arn().as_str().to_owned()),
            key_material_id: Some(done.material_id),
        })
    }
}
