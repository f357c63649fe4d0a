//! `DeleteCodeSigningConfig`: only what no function has.

use casemate_kernel::{Access, Call, Caller, Operation};
use casemate_store::Key;

use super::get_code_signing_config::config_ask;
use crate::{
    Lambda,
    api::{DeleteCodeSigningConfig, DeleteCodeSigningConfigInput, DeleteCodeSigningConfigOutput, Error},
    signing::{self, Config, Use},
};

impl Operation<DeleteCodeSigningConfig> for Lambda {
    fn access(&self, input: &DeleteCodeSigningConfigInput, caller: &Caller) -> Result<Access, Error> {
        let ask = config_ask("lambda:DeleteCodeSigningConfig", &input.code_signing_config_arn, caller);
        Ok(Access::Iam(vec![ask]))
    }

    async fn run(&self, call: Call<DeleteCodeSigningConfig>) -> Result<DeleteCodeSigningConfigOutput, Error> {
        let arn = call.input.code_signing_config_arn.clone();
        let at = signing::place(&arn, &self.env).ok_or_else(|| signing::none(&arn))?;
        self.env
            .store
            .write(move |tx| {
                if !tx.exists::<Config>(&at.key())? {
                    return Err(signing::none(&arn));
                }
                let uses = tx.scan::<Use>(&Key::of(&at.scope), None, usize::MAX)?;
                if uses.iter().any(|(_, Use(used))| used.as_str() == arn) {
                    // AWS: "You can delete the code signing configuration only if no function is using it." The text is ours.
                    return Err(Error::resource_conflict_exception(
                        "The code signing configuration cannot be deleted while functions use it.",
                    ));
                }
                tx.delete::<Config>(&at.key())?;
                Ok(())
            })
            .await?;
        Ok(DeleteCodeSigningConfigOutput {})
    }
}
