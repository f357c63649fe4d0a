//! `SetUserPoolMfaConfig`: takes the one setting there is, off, and refuses every other by name.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{
        Error, SetUserPoolMfaConfig, SetUserPoolMfaConfigInput, SetUserPoolMfaConfigOutput, UserPoolMfaType,
    },
    pool::Place,
    pool_config::not_here,
};

impl Operation<SetUserPoolMfaConfig> for CognitoIdp {
    fn access(&self, input: &SetUserPoolMfaConfigInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:SetUserPoolMfaConfig", &input.user_pool_id))
    }

    async fn run(&self, call: Call<SetUserPoolMfaConfig>) -> Result<SetUserPoolMfaConfigOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        self.env.store.read(|tx| place.pool(tx))?;
        let input = call.input;
        if input.mfa_configuration.is_some_and(|mfa| mfa.as_str() != "OFF") {
            return Err(not_here("MfaConfiguration other than OFF").into());
        }
        if input.software_token_mfa_configuration.is_some_and(|token| token.enabled == Some(true)) {
            return Err(not_here("SoftwareTokenMfaConfiguration").into());
        }
        if input.sms_mfa_configuration.is_some() || input.email_mfa_configuration.is_some() {
            return Err(not_here("SmsMfaConfiguration and EmailMfaConfiguration").into());
        }
        if input.web_authn_configuration.is_some() {
            return Err(not_here("WebAuthnConfiguration").into());
        }
        Ok(SetUserPoolMfaConfigOutput {
            mfa_configuration: UserPoolMfaType::parse("OFF"),
            ..SetUserPoolMfaConfigOutput::default()
        })
    }
}
