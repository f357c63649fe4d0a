//! `PutFunctionCodeSigningConfig`: holds for packages to come; the one there is stays.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::get_code_signing_config::config_ask;
use crate::{
    Lambda,
    api::{
        Error, PutFunctionCodeSigningConfig, PutFunctionCodeSigningConfigInput,
        PutFunctionCodeSigningConfigOutput,
    },
    ask,
    function::Function,
    refusal,
    signing::{self, Config, Use},
};

impl Operation<PutFunctionCodeSigningConfig> for Lambda {
    fn access(&self, input: &PutFunctionCodeSigningConfigInput, caller: &Caller) -> Result<Access, Error> {
        let (action, config) = ("lambda:PutFunctionCodeSigningConfig", &input.code_signing_config_arn);
        let at = self.at(&input.function_name, None, caller);
        let key = "lambda:CodeSigningConfigArn";
        let on_function = ask::on(action, at.requested_arn(), caller).with(key, config.clone());
        Ok(Access::Iam(vec![on_function, config_ask(action, config, caller).with(key, config.clone())]))
    }

    async fn run(
        &self,
        call: Call<PutFunctionCodeSigningConfig>,
    ) -> Result<PutFunctionCodeSigningConfigOutput, Error> {
        let at = self.at(&call.input.function_name, None, call.caller());
        at.check_unqualified(&self.env)?;
        let (arn, name) = (call.input.code_signing_config_arn.clone(), at.name.clone());
        let config = signing::place(&arn, &self.env).filter(|config| config.scope == at.scope);
        let config = config.ok_or_else(|| signing::none_to_use(&arn))?;
        self.env
            .store
            .write(move |tx| {
                if !tx.exists::<Config>(&config.key())? {
                    return Err(signing::none_to_use(&arn));
                }
                let function = tx.get::<Function>(&at.key())?.ok_or_else(|| refusal::no_function(&at))?;
                if function.image.is_some() {
                    return Err(signing::not_of_images());
                }
                tx.put(&at.key(), &Use(config.arn()))?;
                Ok(PutFunctionCodeSigningConfigOutput {
                    code_signing_config_arn: arn.clone(),
                    function_name: name.clone(),
                })
            })
            .await
    }
}
