//! `GetUserPoolMfaConfig`: MFA is off: no pool here can have another setting.

use casemate_kernel::{Access, Call, Caller, Operation};

use crate::{
    CognitoIdp,
    api::{
        Error, GetUserPoolMfaConfig, GetUserPoolMfaConfigInput, GetUserPoolMfaConfigOutput, UserPoolMfaType,
    },
    pool::Place,
};

impl Operation<GetUserPoolMfaConfig> for CognitoIdp {
    fn access(&self, input: &GetUserPoolMfaConfigInput, caller: &Caller) -> Result<Access, Error> {
        Ok(self.on_pool(caller, "cognito-idp:GetUserPoolMfaConfig", &input.user_pool_id))
    }

    async fn run(&self, call: Call<GetUserPoolMfaConfig>) -> Result<GetUserPoolMfaConfigOutput, Error> {
        let place = Place::new(call.scope(), &call.input.user_pool_id);
        self.env.store.read(|tx| place.pool(tx))?;
        Ok(GetUserPoolMfaConfigOutput {
            mfa_configuration: UserPoolMfaType::parse("OFF"),
            ..GetUserPoolMfaConfigOutput::default()
        })
    }
}
