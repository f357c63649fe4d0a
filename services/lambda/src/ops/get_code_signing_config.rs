//! `GetCodeSigningConfig`.

use casemate_kernel::{Access, Ask, Call, Caller, Operation};
use casemate_names::Arn;

use crate::{
    Lambda,
    api::{Error, GetCodeSigningConfig, GetCodeSigningConfigInput, GetCodeSigningConfigOutput},
    ask,
    signing::{self, Config},
};

impl Operation<GetCodeSigningConfig> for Lambda {
    fn access(&self, input: &GetCodeSigningConfigInput, caller: &Caller) -> Result<Access, Error> {
        let ask = config_ask("lambda:GetCodeSigningConfig", &input.code_signing_config_arn, caller);
        Ok(Access::Iam(vec![ask]))
    }

    async fn run(&self, call: Call<GetCodeSigningConfig>) -> Result<GetCodeSigningConfigOutput, Error> {
        Ok(GetCodeSigningConfigOutput {
            code_signing_config: self.code_signing_config(&call.input.code_signing_config_arn)?.shown(),
        })
    }
}

/// Asks for an action on a configuration.
pub(super) fn config_ask(action: &'static str, arn: &str, caller: &Caller) -> Ask {
    match Arn::parse(arn) {
        Ok(arn) => ask::on(action, arn, caller),
        Err(_) => Ask::on_any(action),
    }
}

impl Lambda {
    /// The configuration an ARN names.
    pub(super) fn code_signing_config(&self, arn: &str) -> Result<Config, Error> {
        let missing = || signing::none(arn);
        let at = signing::place(arn, &self.env).ok_or_else(missing)?;
        self.env.store.read(|tx| tx.get::<Config>(&at.key()))?.ok_or_else(missing)
    }
}
