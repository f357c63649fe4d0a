//! `DecodeAuthorizationMessage`: what a refusal of the caller's account depended on.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    Sts,
    api::{
        DecodeAuthorizationMessage, DecodeAuthorizationMessageInput, DecodeAuthorizationMessageOutput, Error,
    },
};

impl Operation<DecodeAuthorizationMessage> for Sts {
    fn access(&self, _input: &DecodeAuthorizationMessageInput, _caller: &Caller) -> Result<Access, Error> {
        Ok(Access::on_any("sts:DecodeAuthorizationMessage"))
    }

    async fn run(
        &self,
        call: Call<DecodeAuthorizationMessage>,
    ) -> Result<DecodeAuthorizationMessageOutput, Error> {
        let decoded = self.env.decoded_message(&call.scope().account, &call.input.encoded_message)?;
        // AWS: text as clients show it.
        let decoded =
            decoded.ok_or_else(|| Error::invalid_authorization_message_exception("Message is not valid"))?;
        Ok(DecodeAuthorizationMessageOutput { decoded_message: Some(decoded) })
    }
}
