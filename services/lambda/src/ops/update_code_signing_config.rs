//! `UpdateCodeSigningConfig`: holds for packages to come.

use casemate_kernel::{Access, Call, Caller, Operation};

use super::{create_code_signing_config::is_enforced, get_code_signing_config::config_ask};
use crate::{
    Lambda,
    api::{Error, UpdateCodeSigningConfig, UpdateCodeSigningConfigInput, UpdateCodeSigningConfigOutput},
    signing::{self, Config},
};

impl Operation<UpdateCodeSigningConfig> for Lambda {
    fn access(&self, input: &UpdateCodeSigningConfigInput, caller: &Caller) -> Result<Access, Error> {
        let ask = config_ask("lambda:UpdateCodeSigningConfig", &input.code_signing_config_arn, caller);
        Ok(Access::Iam(vec![ask]))
    }

    async fn run(&self, call: Call<UpdateCodeSigningConfig>) -> Result<UpdateCodeSigningConfigOutput, Error> {
        let modified_at = call.now();
        let (input, _) = call.into_parts();
        let missing = || signing::none(&input.code_signing_config_arn);
        let at = signing::place(&input.code_signing_config_arn, &self.env).ok_or_else(missing)?;
        if let Some(allowed) = &input.allowed_publishers {
            signing::check_publishers(&allowed.signing_profile_version_arns)?;
        }
        let shown = self
            .env
            .store
            .write(move |tx| {
                let found = tx.get::<Config>(&at.key())?;
                let mut config = found.ok_or_else(|| signing::none(&input.code_signing_config_arn))?;
                config.description = input.description.clone().or(config.description);
                if let Some(allowed) = &input.allowed_publishers {
                    config.publishers.clone_from(&allowed.signing_profile_version_arns);
                }
                config.enforced =
                    is_enforced(input.code_signing_policies.as_ref()).unwrap_or(config.enforced);
                config.modified_at = modified_at;
                tx.put(&at.key(), &config)?;
                Ok::<_, Error>(config.shown())
            })
            .await?;
        Ok(UpdateCodeSigningConfigOutput { code_signing_config: shown })
    }
}
