//! `GenerateRandom`: random bytes, from no key.

use bytes::Bytes;
use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Kms,
    api::{Error, GenerateRandom, GenerateRandomInput, GenerateRandomOutput},
    cryptography::no_recipient,
};

impl Operation<GenerateRandom> for Kms {
    fn access(&self, _input: &GenerateRandomInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("kms:GenerateRandom"))
    }

    async fn run(&self, call: Call<GenerateRandom>) -> Result<GenerateRandomOutput, Error> {
        no_recipient(call.input.recipient.as_ref())?;
        if call.input.custom_key_store_id.is_some() {
            return Err(Error::unsupported_operation_exception("custom key stores are not offered here"));
        }
        let count = call.input.number_of_bytes.and_then(|count| usize::try_from(count).ok());
        let Some(count) = count else {
            return Err(Error::Validation("NumberOfBytes is required".to_owned()));
        };
        let mut bytes = vec![0_u8; count];
        self.env.entropy.fill("kms.random", &mut bytes);
        Ok(GenerateRandomOutput { plaintext: Some(Bytes::from(bytes)), ciphertext_for_recipient: None })
    }
}
